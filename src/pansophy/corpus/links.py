"""Links: documents that a text mentions by their titles. Knows nothing of pages, searches or models.

An article on a film that names its director is a link to the director's article, whether or not somebody marked it up:
the second hop of a question shares words with the first one's text, not with the question.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

SHORTEST_TITLE = 4
"""Characters below which a title is mentioned by chance. CJK characters count double."""
LONGEST_TITLE = 12
"""Words above which a title isn't looked for."""

_WORD = re.compile(r"\w+")
_SPACELESS = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\u3040-\u30ff]")
_REMARK = re.compile(r"\s*[(（][^()（）]*[)）]\s*$")


class Titles:
    """The titles of a corpus, to be looked for in texts.

    A title counts without a remark in brackets at its end ("Mercury (planet)"), exactly as it is spelt, and only if it
    looks like a name: lower-case words alone ("index", "lists") are mentioned everywhere.

    Args:
        titles: (document id, title) for each document; of equal titles the first counts.
    """

    def __init__(self, titles: Iterable[tuple[str, str]]) -> None:
        self._spaced: dict[str, str] = {}
        self._spaceless: dict[str, str] = {}
        for document, title in titles:
            name = _REMARK.sub("", title.strip())
            weight = len(name) + len(_SPACELESS.findall(name))
            if weight < SHORTEST_TITLE or name.islower():
                continue
            found = self._spaceless if _SPACELESS.search(name) else self._spaced
            if found is self._spaceless or len(_WORD.findall(name)) <= LONGEST_TITLE:
                found.setdefault(name, document)

    def mentioned_in(self, text: str) -> list[str]:
        """The documents whose titles stand in `text`, in the order of their first mention; of overlapping titles the
        longest counts."""
        found: list[tuple[int, str]] = [
            (at, document) for name, document in self._spaceless.items() if (at := text.find(name)) >= 0
        ]
        words = [match.span() for match in _WORD.finditer(text)]
        free = 0  # the first word that no title has taken yet
        for first, (start, _) in enumerate(words):
            if first < free:
                continue
            for last in range(min(first + LONGEST_TITLE, len(words)), first, -1):
                document = self._spaced.get(text[start : words[last - 1][1]])
                if document is not None:
                    found.append((start, document))
                    free = last
                    break
        return list(dict.fromkeys(document for _, document in sorted(found)))
