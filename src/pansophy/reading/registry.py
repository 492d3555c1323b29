"""The strategies by name. Each is imported when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from pansophy.errors import UsageError
from pansophy.reading.strategy import Strategy

_CLASS_OF = {
    "extagents": ("pansophy.reading.extagents", "ExtAgents"),
    "direct": ("pansophy.reading.direct", "Direct"),
    "top_k": ("pansophy.reading.top_k", "TopK"),
    "map_reduce": ("pansophy.reading.map_reduce", "MapReduce"),
    "running_note": ("pansophy.reading.running_note", "RunningNote"),
}

STRATEGIES = tuple(_CLASS_OF)
"""The names, the default first."""


def strategy_class(name: str) -> type[Strategy[Any]]:
    """The class of the strategy `name` (written with hyphens or underscores).

    Raises:
        UsageError: there is none of this name; says which there are.
    """
    module, attribute = _CLASS_OF.get(name.lower().replace("-", "_"), ("", ""))
    if not module:
        raise UsageError(f"there is no strategy {name!r}: there are {', '.join(STRATEGIES)}")
    found: type[Strategy[Any]] = getattr(import_module(module), attribute)
    return found
