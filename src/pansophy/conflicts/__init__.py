"""Conflicts between what a model believes and what it is told: measured, and settled."""
