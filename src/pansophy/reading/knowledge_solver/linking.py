"""Which entities of a graph a text names: by its words, the longest names first. Knows nothing of questions."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pansophy.reading.extagents.messages import is_common

LONGEST_NAME = 8
"""Words."""
_WORD = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff]|[^\W_\u2e80-\u9fff\uf900-\ufaff]+")


def stems(text: str) -> tuple[str, ...]:
    """The words of a text, lower-cased, a plural's s taken off."""
    return tuple(_stem(word) for word in _WORD.findall(text.casefold()))


def _stem(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


class NameLinker:
    """Finds names in texts.

    Args:
        names: each with its node; one that is a function word alone is never found.
    """

    def __init__(self, names: Iterable[tuple[str, str]]) -> None:
        self._nodes: dict[tuple[str, ...], list[str]] = {}
        for name, node in names:
            words = stems(name)
            if words and len(words) <= LONGEST_NAME and not all(is_common(word) for word in words):
                known = self._nodes.setdefault(words, [])
                if node not in known:
                    known.append(node)

    def __call__(self, text: str) -> list[str]:
        """The nodes that a text names, in its order; of names that overlap the longer one, the earlier if equal."""
        words = stems(text)
        taken = [False] * len(words)
        found: list[tuple[int, str]] = []
        for length in range(min(LONGEST_NAME, len(words)), 0, -1):
            for start in range(len(words) - length + 1):
                nodes = self._nodes.get(words[start : start + length])
                if nodes and not any(taken[start : start + length]):
                    taken[start : start + length] = [True] * length
                    found += [(start, node) for node in nodes]
        return list(dict.fromkeys(node for _, node in sorted(found, key=lambda item: item[0])))

    def exact(self, text: str) -> list[str]:
        """The nodes whose name is the whole text."""
        return self._nodes.get(stems(text), [])
