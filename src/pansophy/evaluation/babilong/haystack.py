"""Facts hidden in a text of a given length. Knows nothing of what the facts mean."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pansophy.errors import UsageError

Count = Callable[[str], int]
"""How many tokens a text has."""

SHORTEST_SENTENCE = 10
"""Tokens below which a sentence of the noise is left out (the benchmark's min_sentence_len)."""


@dataclass(frozen=True, slots=True)
class Haystack:
    """A text of `tokens` tokens; `spans` are where the facts stand in it, in their order."""

    text: str
    tokens: int
    spans: tuple[tuple[int, int], ...]


class Noise:
    """Sentences of a text of no concern, with their token counts: made once, used for many haystacks.

    Args:
        sentences: of any text, in their order; the longer the text, the later it repeats itself.
        count: the tokenizer's.

    Raises:
        UsageError: none of the sentences has `SHORTEST_SENTENCE` tokens or more.
    """

    def __init__(self, sentences: Iterable[str], count: Count) -> None:
        self.count = count
        found = (" ".join(sentence.split()) for sentence in sentences)
        sized = [(sentence, count(" " + sentence)) for sentence in found]
        self.sentences = [(sentence, size) for sentence, size in sized if size >= SHORTEST_SENTENCE]
        if not self.sentences:
            raise UsageError(f"the noise has no sentence of at least {SHORTEST_SENTENCE} tokens")

    @property
    def digest(self) -> str:
        """SHA-256 of the sentences and their token counts."""
        found = hashlib.sha256()
        for sentence, size in self.sentences:
            found.update(f"{size} {sentence}\n".encode())
        return found.hexdigest()

    def some(self, tokens: int, chance: random.Random) -> list[str]:
        """Sentences in their order, from a random one on and round again, of at least `tokens` tokens together."""
        at = chance.randrange(len(self.sentences))
        taken: list[str] = []
        while tokens > 0:
            sentence, size = self.sentences[at % len(self.sentences)]
            taken.append(sentence)
            tokens -= size
            at += 1
        return taken


def hide(
    facts: Sequence[str],
    noise: Noise,
    tokens: int,
    *,
    seed: int,
    start: float = 0.0,
    end: float = 1.0,
) -> Haystack:
    """`facts` in their order at random places of a text of at most `tokens` tokens, and less than a word below.

    Args:
        facts: sentences.
        noise: what fills the rest.
        tokens: the length; 0 for the facts alone.
        seed: of the places and of where in the noise the text begins.
        start, end: the facts stand between these shares of the text.

    Raises:
        UsageError: the facts alone are longer, or the shares are not 0 <= start < end <= 1.
    """
    if not 0 <= start < end <= 1:
        raise UsageError(f"start and end must be shares with 0 <= start < end <= 1, not {start} and {end}")
    chance = random.Random(f"{seed}:{tokens}:{len(facts)}")
    alone = noise.count(" ".join(facts))
    if not tokens:
        return _joined([(fact, True) for fact in facts], noise.count)
    if alone > tokens:
        raise UsageError(f"the facts alone have {alone} tokens, more than the {tokens} asked for")
    filler = noise.some(tokens - alone, chance)
    low, high = round(start * len(filler)), round(end * len(filler))
    places = sorted(chance.randint(low, high) for _ in facts)
    pieces: list[tuple[str, bool]] = []
    waiting = list(zip(places, facts, strict=True))
    for at in range(len(filler) + 1):
        while waiting and waiting[0][0] == at:
            pieces.append((waiting.pop(0)[1], True))
        if at < len(filler):
            pieces.append((filler[at], False))
    return _shortened(pieces, tokens, noise.count)


def _shortened(pieces: list[tuple[str, bool]], tokens: int, count: Count) -> Haystack:
    """Words are taken from the last sentences of noise until the text has at most `tokens` tokens."""
    made = _joined(pieces, count)
    while made.tokens > tokens:
        last = max(at for at, (_, is_fact) in enumerate(pieces) if not is_fact)
        words = pieces[last][0].split(" ")
        low, high = 0, len(words) - 1  # the most words that can stay
        while low < high:
            middle = (low + high + 1) // 2
            if _joined(_with(pieces, last, words[:middle]), count).tokens <= tokens:
                low = middle
            else:
                high = middle - 1
        pieces = _with(pieces, last, words[:low])
        made = _joined(pieces, count)
    return made


def _with(pieces: list[tuple[str, bool]], at: int, words: list[str]) -> list[tuple[str, bool]]:
    kept = [(" ".join(words), False)] if words else []
    return [*pieces[:at], *kept, *pieces[at + 1 :]]


def _joined(pieces: Sequence[tuple[str, bool]], count: Count) -> Haystack:
    spans: list[tuple[int, int]] = []
    position = 0
    for piece, is_fact in pieces:
        if is_fact:
            spans.append((position, position + len(piece)))
        position += len(piece) + 1
    text = " ".join(piece for piece, _ in pieces)
    return Haystack(text, count(text), tuple(spans))
