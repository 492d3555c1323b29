"""From a name to a chat model: the catalogue, files, the hub, endpoints."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from pansophy.errors import UnknownModel, UsageError
from pansophy.models.base import ChatModel
from pansophy.models.catalogue import CATALOGUE, CatalogueModel, default_reasoner, find
from pansophy.models.pull import PullProgress, pull_async


def open_model(
    name: str | ChatModel,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    window: int | None = None,
    progress: Callable[[PullProgress], None] | None = None,
) -> ChatModel:
    """The chat model of this name. Cheap: nothing is fetched, loaded or asked before it is used.

    Args:
        name: "default" (what reasons by default), "embedded" (the small one), a catalogue name, the path of a `.gguf`
            file, `hf://owner/repo/file.gguf`, the folder of a model or of an adapter (needs torch), or a model's name
            at an OpenAI-compatible endpoint. A `ChatModel` is returned as it is. With `base_url` it always is a name
            at that endpoint.
        base_url: the endpoint's address; `OPENAI_BASE_URL` by default.
        api_key: the endpoint's key; `OPENAI_API_KEY` by default.
        window: the context window in tokens, where the default or what the server says shall not hold.
        progress: called (from a thread) while a model file is pulled.

    Raises:
        UnknownModel: no catalogue name, no file, and no endpoint is configured; says what there is.
    """
    if not isinstance(name, str):
        return name
    if base_url is None and (local := _local(name, window, progress)):
        return local
    base_url = base_url or os.environ.get("OPENAI_BASE_URL") or None
    api_key = api_key or os.environ.get("OPENAI_API_KEY") or None
    if base_url is None and api_key is None:
        raise UnknownModel(_unknown(name))
    from pansophy.models.openai_compatible import DEFAULT_BASE_URL, OpenAICompatible

    return OpenAICompatible(name, base_url=base_url or DEFAULT_BASE_URL, api_key=api_key, window=window)


MODEL_FILES = ("config.json", "adapter_config.json")
"""One of them is in every folder of a model or of an adapter."""
DEFAULT = "default"
"""The name of the default pair: a small embedded model reads and a larger one reasons."""


def open_pair(
    model: str | ChatModel = DEFAULT,
    seeker_model: str | ChatModel | None = None,
    *,
    base_url: str | None = None,
    window: int | None = None,
    progress: Callable[[PullProgress], None] | None = None,
) -> tuple[ChatModel, ChatModel]:
    """The model that reasons and the model that reads chunks; the same one when only `model` is named.

    Args:
        model: as for `open_model`; "default" for the embedded pair.
        seeker_model: as for `open_model`.
        base_url: the endpoint of models given by name.
        window: the context window of models given by name.
        progress: called (from a thread) while a model file is pulled.

    Raises:
        UsageError: an endpoint is given, but not which of its models to use.
        UnknownModel: as `open_model`.
    """
    if model == DEFAULT:
        if base_url is not None:
            raise UsageError("say which of the endpoint's models to use (--model): `pansophy models list` shows them")
        seeker_model = seeker_model or "embedded"
    reasoner = open_model(model, base_url=base_url, window=window, progress=progress)
    if seeker_model is None:
        return reasoner, reasoner
    return reasoner, open_model(seeker_model, base_url=base_url, window=window, progress=progress)


def _local(name: str, window: int | None, progress: Callable[[PullProgress], None] | None) -> ChatModel | None:
    from pansophy.models.embedded import DEFAULT_WINDOW, EmbeddedModel

    if known := default_reasoner() if name == DEFAULT else find(name):

        async def fetch() -> Path:
            return await pull_async(known, progress=progress)

        return EmbeddedModel(
            fetch,
            name=known.name,
            identity=known.identity,
            window=window or DEFAULT_WINDOW,
            parameters=known.parameters,
        )
    if name.startswith("hf://"):
        raise UnknownModel(f"{name!r} is not of the form hf://owner/repository/file.gguf")
    if name.lower().endswith(".gguf"):
        path = Path(name).expanduser()
        if not path.is_file():
            raise UnknownModel(f"there is no model file {name}")
        return EmbeddedModel(path, window=window or DEFAULT_WINDOW)
    if any((Path(name).expanduser() / file).is_file() for file in MODEL_FILES):
        from pansophy.models import WhiteBoxChat

        return WhiteBoxChat(Path(name).expanduser(), window=window)
    return None


def _unknown(name: str) -> str:
    names = ", ".join(model.name for model in CATALOGUE)
    return (
        f"there is no model {name!r}. Known here: embedded, {names}; else give the path of a .gguf file, the folder of "
        "a model or adapter, hf://owner/repository/file.gguf, or a model's name with --base-url or OPENAI_BASE_URL "
        "(and OPENAI_API_KEY). "
        "`pansophy models list` shows them all and the servers running on this machine"
    )


def catalogue_model(name: str) -> CatalogueModel:
    """The catalogue entry or `hf://` file of this name.

    Raises:
        UnknownModel: neither; says what there is.
    """
    if known := default_reasoner() if name == DEFAULT else find(name):
        return known
    names = ", ".join(model.name for model in CATALOGUE)
    raise UnknownModel(f"there is no model {name!r} to pull. Known: {names}; or hf://owner/repository/file.gguf")
