"""One hash for all that decides an answer: equal fingerprints mean that a stored answer may be given again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any


def fingerprint_of(
    *,
    question: str,
    corpus: str,
    strategy: str,
    settings: Mapping[str, Any],
    models: Sequence[str],
    release: str | None = None,
) -> str:
    """SHA-256 over the canonical JSON of everything that decides an answer.

    Args:
        question: as asked.
        corpus: the corpus's fingerprint.
        strategy: its name.
        settings: of the strategy; plain JSON data.
        models: the identities of the models, in their roles' order.
        release: major and minor version of pansophy; None for the installed one.
    """
    content = {
        "question": question,
        "corpus": corpus,
        "strategy": strategy,
        "settings": settings,
        "models": list(models),
        "release": release or installed_release(),
    }
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def canonical_json(data: Any) -> str:
    """`data` as JSON text that is the same for equal data, whatever the order of its keys."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), default=_plain)


def installed_release() -> str:
    """Major and minor version of the installed pansophy."""
    return ".".join(version("pansophy").split(".")[:2])


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple | set | frozenset):
        return sorted(value) if isinstance(value, set | frozenset) else list(value)
    return str(value)
