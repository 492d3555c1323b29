"""Language models: endpoints, files, and scripts.

    model = open_model("embedded")              # or a catalogue name, a .gguf path, a name at an endpoint
    completion = await model.complete([ChatMessage("user", "…")], max_tokens=60)

Importing this package imports no client library: each back end loads its own when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pansophy.models.base import ChatModel, JSONSchema

if TYPE_CHECKING:
    from pansophy.models.scripted import ScriptedCall, ScriptedModel

_WHERE = {
    "ScriptedCall": "pansophy.models.scripted",
    "ScriptedModel": "pansophy.models.scripted",
}

__all__ = ["ChatModel", "JSONSchema", "ScriptedCall", "ScriptedModel", "prepare"]


async def prepare(model: ChatModel) -> None:
    """Make `model` ready for calls now rather than at its first call: download, load, ask for its window.

    A model without such a step (a scripted one, a user's own) needs none and nothing happens.
    """
    step = getattr(model, "prepare", None)
    if step is not None:
        await step()


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
