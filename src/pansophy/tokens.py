"""A token count without a tokenizer: an estimate that is meant to be too high, never too low.

Byte-pair vocabularies of current models give about one token for 4.4 characters of English prose, 3 of source code,
1 to 1.6 of Chinese, Japanese or Korean, and often one for each digit. The estimate counts UTF-8 bytes, so that scripts
with long encodings weigh more, and divides by `BYTES_PER_TOKEN`, chosen so that prose of any script that we measured is
over-estimated. Text of digits and symbols alone can exceed it, so whoever must be certain asks the model's tokenizer.
"""

from __future__ import annotations

BYTES_PER_TOKEN = 3.0


def estimate_tokens(text: str) -> int:
    """Estimated number of tokens of `text` (see the module's docstring for the margin)."""
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    return int(size / BYTES_PER_TOKEN) + 1 if size else 0
