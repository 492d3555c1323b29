"""Facts hidden in a text of a given length, for the generated benchmarks. Knows nothing of what the facts mean."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pansophy.errors import SourceError, UsageError

Count = Callable[[str], int]
"""How many tokens a text has."""

_SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’)]*\s+(?=[\"'“‘(]?[A-Z])|\n\s*\n")
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)\s*([kM]?)", re.IGNORECASE)

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
        # what stands before is the longest part by far, and as long whatever follows: only the end is counted anew
        before = made.tokens - _tokens(pieces[last:], count)
        low, high = 0, len(words) - 1  # the most words that can stay
        while low < high:
            middle = (low + high + 1) // 2
            if before + _tokens(_with(pieces, last, words[:middle])[last:], count) <= tokens:
                low = middle
            else:
                high = middle - 1
        pieces = _with(pieces, last, words[:low])
        made = _joined(pieces, count)
    return made


def _tokens(pieces: Sequence[tuple[str, bool]], count: Count) -> int:
    return count(" ".join(("", *(piece for piece, _ in pieces))))


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


def read_noise(place: str | Path, count: Count) -> Noise:
    """The sentences of a text file, or of all `.txt` files of a folder in the order of their names.

    Raises:
        SourceError: there is none, or it can't be read as UTF-8.
        UsageError: it has no sentence that is long enough.
    """
    place = Path(place).expanduser()
    files = sorted(place.glob("*.txt")) if place.is_dir() else [place]
    if not files:
        raise SourceError(f"{place} has no .txt file to take noise from")
    sentences: list[str] = []
    for file in files:
        try:
            sentences += _SENTENCE_END.split(file.read_text("utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(f"the noise {file} can't be read: {error}") from error
    return Noise(filter(str.strip, sentences), count)


def length_of(text: str) -> int:
    """The tokens of "0", "4000", "128k" (thousands) or "1M" (millions), as the benchmark names its lengths.

    Raises:
        UsageError: it is none of these.
    """
    match = _LENGTH.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{text!r} is no length: give tokens, such as 4000, 128k or 1M")
    return round(float(match[1]) * {"": 1, "k": 1_000, "m": 1_000_000}[match[2].lower()])


def length_name(tokens: int) -> str:
    """The short form of a length: 128000 is "128k"."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if tokens and tokens % size == 0:
            return f"{tokens // size}{letter}"
    return str(tokens)


def names_of(text: str, known: Sequence[str]) -> list[str]:
    """The tasks of "qa1,qa4", of "qa1-qa5" (in the order of `known`), or of both.

    Raises:
        UsageError: one isn't known.
    """
    found: list[str] = []
    for part in (part.strip() for part in text.split(",")):
        first, _, last = (part, "", part) if part in known else part.partition("-")
        if first not in known or last not in known or known.index(last) < known.index(first):
            raise UsageError(
                f"{part!r} is no task: give some of {', '.join(known)}, or a range such as {known[0]}-{known[1]}"
            )
        found += known[known.index(first) : known.index(last) + 1]
    return list(dict.fromkeys(found))
