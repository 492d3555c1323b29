"""What a server understands: how a request must be worded for it, learnt from its refusals.

Endpoints that call themselves OpenAI-compatible differ: some refuse JSON schemas, reasoning models refuse
`max_tokens` and `temperature`. A `Dialect` is what we know so far; `after` is what a refusal teaches. Knows nothing of
HTTP.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from pansophy.models.base import JSONSchema
from pansophy.types import ChatMessage

SchemaMode: TypeAlias = Literal["json_schema", "json_object", "described"]
SCHEMA_MODES: tuple[SchemaMode, ...] = ("json_schema", "json_object", "described")

_REFUSED_PARAMETER = re.compile(
    r"unsupported|not support|unrecognized|unknown|not allowed|not permitted|extra inputs|does not accept|deprecated",
    re.I,
)
_ABOUT_SCHEMA = re.compile(r"response_format|json_schema|json_object|\bschema\b|grammar|structured output", re.I)
_OPTIONAL = ("temperature", "seed", "stop", "top_logprobs", "logprobs")
TOP_LOGPROBS = 5
"""Alternatives asked for at each token: every endpoint that gives any gives this many."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call in our words."""

    model: str
    messages: tuple[ChatMessage, ...]
    schema: JSONSchema | None
    max_tokens: int
    temperature: float
    seed: int | None
    stop: tuple[str, ...]
    logprobs: bool


@dataclass(frozen=True, slots=True)
class Dialect:
    """How to word a request.

    `schema_mode` is how a JSON schema is passed on: enforced by the server, as "some JSON object" with the schema
    described in the prompt, or described only. `dropped` are parameters that the server refuses.
    """

    schema_mode: SchemaMode = "json_schema"
    limit_name: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    dropped: frozenset[str] = frozenset()

    def body(self, request: Request) -> dict[str, Any]:
        """The request's JSON body."""
        messages = request.messages
        if request.schema is not None and self.schema_mode != "json_schema":
            messages = with_schema_described(messages, request.schema)
        body: dict[str, Any] = {
            "model": request.model,
            "messages": [{"role": message.role, "content": message.content} for message in messages],
            self.limit_name: request.max_tokens,
        }
        optional: dict[str, Any] = {"temperature": request.temperature}
        if request.seed is not None:
            optional["seed"] = request.seed
        if request.stop:
            optional["stop"] = list(request.stop)
        if request.logprobs:
            optional |= {"logprobs": True, "top_logprobs": TOP_LOGPROBS}
        body.update({name: value for name, value in optional.items() if name not in self.dropped})
        if request.schema is not None and self.schema_mode != "described":
            body["response_format"] = _response_format(request.schema, self.schema_mode)
        return body

    def after(self, refusal: str, request: Request, *, schemas_work: bool) -> Dialect | None:
        """The dialect to try next when the server refused `request` saying `refusal`; None when nothing is left.

        `schemas_work` tells that this server has taken a schema in this mode before: then only a refusal that speaks
        of schemas is taken for one.
        """
        if self.limit_name == "max_tokens" and "max_completion_tokens" in refusal:
            return replace(self, limit_name="max_completion_tokens")
        if _REFUSED_PARAMETER.search(refusal):
            for name in _OPTIONAL:
                if name in self.body(request) and re.search(rf"\b{name}\b", refusal):
                    return replace(self, dropped=self.dropped | {name})
        if request.schema is None or self.schema_mode == SCHEMA_MODES[-1]:
            return None
        if schemas_work and not _ABOUT_SCHEMA.search(refusal):
            return None
        return replace(self, schema_mode=SCHEMA_MODES[SCHEMA_MODES.index(self.schema_mode) + 1])

    def joined(self, other: Dialect) -> Dialect:
        """What both together have learnt (calls that run at once learn separately)."""
        return Dialect(
            max(self.schema_mode, other.schema_mode, key=SCHEMA_MODES.index),
            "max_tokens" if self.limit_name == other.limit_name == "max_tokens" else "max_completion_tokens",
            self.dropped | other.dropped,
        )

    def __str__(self) -> str:
        parts = [] if self.schema_mode == "json_schema" else [f"JSON schemas are passed on as {self.schema_mode}"]
        if self.limit_name != "max_tokens":
            parts.append(f"{self.limit_name} in place of max_tokens")
        return "; ".join(parts + [f"without {name}" for name in sorted(self.dropped)]) or "standard requests"


def with_schema_described(messages: Sequence[ChatMessage], schema: JSONSchema) -> tuple[ChatMessage, ...]:
    """`messages` with the schema at the end of the last one: what comes before stays byte-identical for caches."""
    text = json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
    last = messages[-1]
    request = f"\n\nReply with one JSON object that follows this JSON schema, and with nothing else:\n{text}"
    return (*messages[:-1], ChatMessage(last.role, last.content + request))


def _response_format(schema: JSONSchema, mode: SchemaMode) -> dict[str, Any]:
    if mode == "json_object":
        return {"type": "json_object"}
    wrapped: dict[str, Any] = {"name": "reply", "schema": dict(schema)}
    if _is_strict(schema):
        wrapped["strict"] = True
    return {"type": "json_schema", "json_schema": wrapped}


def _is_strict(schema: Any) -> bool:
    """Whether every object in `schema` forbids other keys and requires its own, as strict mode demands."""
    if isinstance(schema, Mapping):
        properties = schema.get("properties")
        if isinstance(properties, Mapping):
            closed = schema.get("additionalProperties") is False
            if not closed or set(schema.get("required", ())) != set(properties):
                return False
        return all(_is_strict(value) for value in schema.values())
    return all(_is_strict(item) for item in schema) if isinstance(schema, list) else True
