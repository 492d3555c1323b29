"""Language models: endpoints, files, and scripts.

    model = open_model("embedded")              # or "default", a catalogue name, a .gguf path, a name at an endpoint
    completion = await model.complete([ChatMessage("user", "…")], max_tokens=60)

Importing this package imports no client library: each back end loads its own when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pansophy.models.base import ChatModel, JSONSchema

if TYPE_CHECKING:
    from pansophy.models.catalogue import CATALOGUE, CatalogueModel
    from pansophy.models.embedded import EmbeddedModel
    from pansophy.models.openai_compatible import OpenAICompatible
    from pansophy.models.opening import open_model, open_pair
    from pansophy.models.pull import PullProgress, pull_model
    from pansophy.models.scripted import ScriptedCall, ScriptedModel
    from pansophy.models.white_box import WhiteBoxChat, WhiteBoxModel

_WHERE = {
    "CATALOGUE": "catalogue",
    "CatalogueModel": "catalogue",
    "EmbeddedModel": "embedded",
    "OpenAICompatible": "openai_compatible",
    "PullProgress": "pull",
    "ScriptedCall": "scripted",
    "ScriptedModel": "scripted",
    "WhiteBoxChat": "white_box",
    "WhiteBoxModel": "white_box",
    "open_model": "opening",
    "open_pair": "opening",
    "pull_model": "pull",
}

__all__ = [
    "CATALOGUE",
    "CatalogueModel",
    "ChatModel",
    "EmbeddedModel",
    "JSONSchema",
    "OpenAICompatible",
    "PullProgress",
    "ScriptedCall",
    "ScriptedModel",
    "WhiteBoxChat",
    "WhiteBoxModel",
    "open_model",
    "open_pair",
    "prepare",
    "pull_model",
]


async def prepare(model: ChatModel) -> None:
    """Make `model` ready for calls now rather than at its first call: download, load, ask for its window.

    A model without such a step (a scripted one, a user's own) needs none and nothing happens.
    """
    step = getattr(model, "prepare", None)
    if step is not None:
        await step()


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
