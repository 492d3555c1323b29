"""Facts as strings of words in a trie, and what has lately been said. Knows nothing of models."""

from __future__ import annotations

import json
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pansophy.errors import SourceError

MOST_TERMS = 200
_SENTENCE = re.compile(r"[^.!?。！？\n]+")
_WORD = re.compile(r"[^\W\d_][\w'’-]*|\d+")
_COMMON_VERBS = """
is are was were be been being has have had do does did can could will would shall should may might must became become
becomes made makes make wrote writes found founds finds founded built builds won wins led leads held holds plays played
lies lay stands stood took takes took gave gives went goes came comes called named known born lived lives died kept
keeps hangs hung runs ran starred directed released located based owned wore wears lit
"""
_FUNCTION_WORDS = """
a an the of in on at to for from by with and or but as than then that this these those it its he she they we you i his
her their our your my him them us who whom whose which what when where why how not no nor so such very also only just
there here all any some each every other another more most much many few own same too into over under after before
between through during about against out up down off again once one two first last
"""
_LINKS = frozenset(_COMMON_VERBS.split())
_STOP = _LINKS | frozenset(_FUNCTION_WORDS.split())


def lemma(word: str) -> str:
    """Lower case, without a possessive or a plural's s: a light stand-in for a lemmatiser."""
    word = re.sub(r"['’]s?$", "", word.lower())
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def content_words(text: str) -> list[str]:
    """The lemmas of all words but function words and common verbs, in order."""
    found = (match[0] for match in _WORD.finditer(text))
    return [lemma(word) for word in found if word.lower() not in _STOP and len(lemma(word)) > 1]


def triples_of(text: str) -> Iterator[tuple[str, str, str]]:
    """Subject, relation and object of each sentence that has a common verb or one that ends in -ed: what stands before
    it and what stands behind. Rough, and blind to pronouns; give your own triples where you have them."""
    for sentence in _SENTENCE.findall(text):
        words = list(_WORD.finditer(sentence))
        for place, word in enumerate(words):
            is_link = word[0].lower() in _LINKS or (word[0].islower() and word[0].endswith("ed"))
            if is_link and 0 < place < len(words) - 1:
                yield sentence[: word.start()].strip(), word[0], sentence[word.end() :].strip()
                break


class KnowledgeTrie:
    """Strings of words, found by their first word.

    Args:
        strings: a fact each: the lemmas of its subject and its object.
    """

    def __init__(self, strings: Iterable[Sequence[str]] = ()) -> None:
        self._strings = list(dict.fromkeys(tuple(string) for string in strings if string))
        self._by_first: dict[str, list[tuple[str, ...]]] = {}
        for string in self._strings:
            self._by_first.setdefault(string[0], []).append(string)
        self._counts = Counter(word for string in self._strings for word in string)

    @classmethod
    def from_triples(cls, triples: Iterable[tuple[str, str, str]]) -> KnowledgeTrie:
        """From subject, relation (which is left out) and object."""
        return cls([*content_words(subject), *content_words(value)] for subject, _, value in triples)

    @classmethod
    def from_texts(cls, texts: Iterable[str]) -> KnowledgeTrie:
        """From the sentences of texts."""
        return cls.from_triples(triple for text in texts for triple in triples_of(text))

    def __len__(self) -> int:
        return len(self._strings)

    def __contains__(self, word: str) -> bool:
        return word in self._counts

    def strings(self, word: str) -> list[tuple[str, ...]]:
        """The strings that begin with `word`, as a whole."""
        return self._by_first.get(word, [])

    def query(self, words: Iterable[str], hops: int = 1, most: int = MOST_TERMS) -> list[str]:
        """The terms that lie within so many hops of `words`, the nearest first, among as near the most frequent.

        A hop goes from a word to all words of the strings that begin with it; these are where the next one starts.
        """
        distance: dict[str, int] = {}
        frontier = list(dict.fromkeys(words))
        for hop in range(hops):
            reached = [one for word in frontier for string in self.strings(word) for one in string]
            frontier = list(dict.fromkeys(reached))
            for word in frontier:
                distance.setdefault(word, hop)
        return sorted(distance, key=lambda word: (distance[word], -self._counts[word], word))[:most]

    def save(self, path: Path) -> None:
        """As JSON."""
        path.write_text(
            json.dumps({"strings": [list(string) for string in self._strings]}, ensure_ascii=False), "utf-8"
        )

    @classmethod
    def load(cls, path: Path) -> KnowledgeTrie:
        """Raises SourceError if the file holds no trie."""
        try:
            strings = json.loads(path.read_text("utf-8"))["strings"]
            if not all(isinstance(word, str) for string in strings for word in string):
                raise TypeError("a word is no text")
            return cls(strings)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SourceError(f"{path} holds no knowledge trie: {error}") from error


class LocalMemory:
    """The words that were said last: first in, first out, each once.

    Args:
        size: the most words.
    """

    def __init__(self, size: int) -> None:
        self._words: deque[str] = deque(maxlen=size)

    def hear(self, text: str) -> None:
        """What was said before and is said again counts as said now."""
        for word in content_words(text):
            if word in self._words:
                self._words.remove(word)
            self._words.append(word)

    def words(self) -> list[str]:
        """The oldest first."""
        return list(self._words)
