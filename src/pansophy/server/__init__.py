"""Programs ask here: what the library does, for other programs over a protocol."""
