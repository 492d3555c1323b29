"""What the engine asks of whoever remembers completions, and the name under which a completion is remembered."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Protocol

from pansophy.models.base import JSONSchema
from pansophy.types import ChatMessage, Completion


class Journal(Protocol):
    """Remembers completions by key, so that no call is ever paid for twice."""

    def recall(self, key: str) -> Completion | None:
        """The completion recorded under `key`, None if there is none."""
        ...

    def record(self, key: str, completion: Completion) -> None:
        """Keep `completion` under `key` durably before returning."""
        ...


def call_key(
    identity: str,
    messages: Sequence[ChatMessage],
    schema: JSONSchema | None,
    max_tokens: int,
    temperature: float,
    seed: int | None,
    logprobs: bool = False,
) -> str:
    """SHA-256 over all that decides a reply: equal calls, and only those, have equal keys."""
    content = [
        identity,
        [[m.role, m.content] for m in messages],
        schema,
        max_tokens,
        float(temperature),
        seed,
        logprobs,
    ]
    return hashlib.sha256(json.dumps(content, separators=(",", ":"), default=dict).encode()).hexdigest()
