"""How terms are written in tokens, and where a text may be led to them. Ours; the released code steers to the first
token of every term at every place, which starts terms that are never ended and breaks words in two."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

BLANKS = ("Ġ", "▁")
"""How tokenizers write the blank before a word."""


class TermTokens:
    """The tokens that lead on into terms.

    Args:
        tokenizer: of the model that is steered.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        self._written: dict[str, tuple[int, ...]] = {}
        pieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
        self._opening = [not piece or piece[0] in BLANKS or not piece[0].isalnum() for piece in pieces]

    def next(self, terms: Sequence[str], said: Sequence[int]) -> tuple[list[int], bool]:
        """The tokens that go on with a term which the tokens said last have begun, and True; without such a term the
        first tokens of all, each behind a blank, and False."""
        forms = [form for term in terms for form in (f" {term}", f" {term.capitalize()}")]
        written = list(filter(None, map(self._tokens, forms)))
        longest = max(map(len, written), default=0)
        for length in range(min(longest - 1, len(said)), 0, -1):
            begun = tuple(said[-length:])
            following = [ids[length] for ids in written if len(ids) > length and ids[:length] == begun]
            if following:
                return list(dict.fromkeys(following)), True
        return list(dict.fromkeys(ids[0] for ids in written)), False

    def word_ends(self, plain: Tensor) -> bool:
        """Whether the model holds a new word or a mark to be likelier next than more of the last word.

        Args:
            plain: log-probabilities, [1, vocabulary]; ids beyond the tokenizer's count as neither.
        """
        opening = torch.tensor(self._opening[: plain.shape[-1]], device=plain.device)
        probs = plain[0, : len(opening)].exp()
        return float(probs[opening].sum()) >= float(probs[~opening].sum())

    def _tokens(self, form: str) -> tuple[int, ...]:
        if form not in self._written:
            self._written[form] = tuple(self.tokenizer(form, add_special_tokens=False).input_ids)
        return self._written[form]
