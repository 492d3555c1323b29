"""Whether one answer says what another says. Any callable will do; those here need no model of entailment.

A natural-language-inference model, or a cross-encoder, plugs in as a function of premise and hypothesis.
"""

from __future__ import annotations

from collections.abc import Callable

from pansophy.corpus.embed import Embedder
from pansophy.errors import UsageError
from pansophy.evaluation.metrics import normalise_english

Entailment = Callable[[str, str], bool]
"""Whether the first text (premise) entails the second (hypothesis)."""


def same_answer(premise: str, hypothesis: str) -> bool:
    """Whether two answers are equal but for letter case, punctuation, articles and blanks. Empty ones are equal."""
    return _plain(premise) == _plain(hypothesis)


class CosineEntailment:
    """Two answers say the same when their vectors' cosine is at least `threshold`; an empty one says nothing else does.

    Args:
        embedder: makes the vectors, each once.
        threshold: -1..1.
    """

    def __init__(self, embedder: Embedder, threshold: float = 0.85) -> None:
        if not -1 <= threshold <= 1:
            raise UsageError(f"a cosine's threshold is -1..1, not {threshold}")
        self._embedder = embedder
        self._threshold = threshold
        self._vectors: dict[str, list[float]] = {}

    @property
    def name(self) -> str:
        return f"cosine of {self._embedder.name} from {self._threshold}"

    def __call__(self, premise: str, hypothesis: str) -> bool:
        if same_answer(premise, hypothesis):
            return True
        if not _plain(premise) or not _plain(hypothesis):
            return False
        pairs = zip(self._vector(premise), self._vector(hypothesis), strict=True)
        return sum(one * other for one, other in pairs) >= self._threshold

    def _vector(self, text: str) -> list[float]:
        if text not in self._vectors:
            self._vectors[text] = self._embedder.embed([text])[0].tolist()
        return self._vectors[text]


def name_of(callable_: Callable[..., object]) -> str:
    """What tells a callable from others in a record of results: its `name`, else its name in the code."""
    own = getattr(callable_, "name", None) or getattr(callable_, "__qualname__", None)
    return str(own or type(callable_).__qualname__)


def _plain(text: str) -> str:
    """Normalised; an answer of which normalising leaves nothing ("The", "?") stays as it is."""
    return normalise_english(text) or " ".join(text.lower().split())
