"""Texts as vectors, for corpora that are searched by meaning as well as by words. Optional: nothing here is imported
unless a corpus was created with an embedder.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from pansophy.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

ENDPOINT_PREFIX = "endpoint:"
LOCAL_PREFIX = "local:"


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into vectors. `name` says which model does (`open_embedder(name)` opens it again), `dimensions` how
    many numbers a vector has."""

    @property
    def name(self) -> str: ...

    @property
    def dimensions(self) -> int: ...

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """One row of length 1 for each text: an array of shape [len(texts), dimensions]."""
        ...


def open_embedder(name: str) -> Embedder:
    """The embedder of this name.

    Raises:
        CorpusError: it isn't installed or can't be reached.
        UsageError: no embedder has this name.
    """
    raise UsageError(f"No embedder is named {name!r}: use {ENDPOINT_PREFIX}MODEL or {LOCAL_PREFIX}MODEL.")
