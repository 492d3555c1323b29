"""Pansophy gives language models knowledge that they don't have: it reads far more text than a context window holds.

    from pansophy import ask
    print(ask("Who relieved the keeper in March?", ["handbook.md"]))

Every public name is imported when it is first used (PEP 562), so that `import pansophy` stays cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pansophy.corpus import Corpus as Corpus
    from pansophy.corpus import list_corpora as list_corpora
    from pansophy.engine import Limits as Limits
    from pansophy.errors import AuthenticationFailed as AuthenticationFailed
    from pansophy.errors import BudgetExceeded as BudgetExceeded
    from pansophy.errors import ContextOverflow as ContextOverflow
    from pansophy.errors import CorpusError as CorpusError
    from pansophy.errors import ModelError as ModelError
    from pansophy.errors import PansophyError as PansophyError
    from pansophy.errors import RunError as RunError
    from pansophy.errors import RunFailed as RunFailed
    from pansophy.errors import SourceError as SourceError
    from pansophy.errors import StoreError as StoreError
    from pansophy.errors import UnknownModel as UnknownModel
    from pansophy.errors import UsageError as UsageError
    from pansophy.events import Event as Event
    from pansophy.models import ChatModel as ChatModel
    from pansophy.models import ScriptedModel as ScriptedModel
    from pansophy.models import open_model as open_model
    from pansophy.reading.ask import aask as aask
    from pansophy.reading.ask import ask as ask
    from pansophy.reading.extagents import ExtAgents as ExtAgents
    from pansophy.runs import RunStore as RunStore
    from pansophy.types import Answer as Answer
    from pansophy.types import ChatMessage as ChatMessage
    from pansophy.types import Chunk as Chunk
    from pansophy.types import Completion as Completion
    from pansophy.types import Document as Document
    from pansophy.types import Evidence as Evidence
    from pansophy.types import Ledger as Ledger
    from pansophy.types import Span as Span
    from pansophy.types import Trust as Trust
    from pansophy.types import Usage as Usage
    from pansophy.types import Verdict as Verdict

__version__ = "0.1.0"

_MODULE_OF = {
    "aask": "pansophy.reading.ask",
    "ask": "pansophy.reading.ask",
    "ExtAgents": "pansophy.reading.extagents",
    "Corpus": "pansophy.corpus",
    "list_corpora": "pansophy.corpus",
    "ChatModel": "pansophy.models",
    "ScriptedModel": "pansophy.models",
    "open_model": "pansophy.models",
    "Limits": "pansophy.engine",
    "RunStore": "pansophy.runs",
    "Event": "pansophy.events",
    **dict.fromkeys(
        (
            "Answer",
            "ChatMessage",
            "Chunk",
            "Completion",
            "Document",
            "Evidence",
            "Ledger",
            "Span",
            "Trust",
            "Usage",
            "Verdict",
        ),
        "pansophy.types",
    ),
    **dict.fromkeys(
        (
            "AuthenticationFailed",
            "BudgetExceeded",
            "ContextOverflow",
            "CorpusError",
            "ModelError",
            "PansophyError",
            "RunError",
            "RunFailed",
            "SourceError",
            "StoreError",
            "UnknownModel",
            "UsageError",
        ),
        "pansophy.errors",
    ),
}

__all__ = ["__version__", *_MODULE_OF]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'pansophy' has no attribute {name!r}")
    value = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
