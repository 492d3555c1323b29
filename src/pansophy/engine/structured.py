"""Replies as typed objects: ask by JSON schema, understand whatever comes back.

Back ends that can, hold the model to the schema; others get prose around it, fences, single quotes, a cut end. All of
that is read; what is left of a reply that can't be understood is the reply itself, for the caller to judge.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pansophy.engine.engine import Engine
from pansophy.engine.ratings import Rating, parse_rating
from pansophy.engine.schemas import schema_of
from pansophy.models.base import ChatModel, JSONSchema
from pansophy.types import ChatMessage, Completion, Usage

__all__ = ["Rating", "complete_as", "parse_rating", "parse_reply", "schema_of"]

Reply = TypeVar("Reply", bound=BaseModel)

RETRY_TEMPERATURE = 0.3
MOST_CANDIDATES = 20
LONGEST_REPLY = 200_000
"""Characters of a reply that are looked at: far more than any `max_tokens` in use, and short enough to parse fast."""

_THOUGHT = re.compile(r"<(think|thinking|reasoning)>.*?(</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"```[\w-]*[ \t]*\n?(.*?)(?:```|\Z)", re.DOTALL)


async def complete_as(
    engine: Engine,
    model: ChatModel,
    messages: Sequence[ChatMessage],
    reply: type[Reply],
    *,
    max_tokens: int,
    tries: int = 2,
    temperature: float = 0.0,
    seed: int = 0,
    logprobs: bool = False,
    priority: int = 0,
    schema: JSONSchema | None = None,
) -> tuple[Reply | None, Completion]:
    """One completion, understood as a `reply` object.

    A reply that can't be understood is asked for again, with another seed and some temperature.

    Args:
        engine: runs the calls.
        model: who answers.
        messages: the chat prompt.
        reply: the pydantic model that the reply should follow.
        max_tokens: the most tokens that may be generated, for each try.
        tries: how many replies are asked for at most.
        temperature: of the first try; later ones use at least `RETRY_TEMPERATURE`.
        seed: of the first try; later ones count up.
        logprobs: as for `Engine.complete`.
        priority: as for `Engine.complete`.
        schema: a narrower JSON schema to ask for, instead of the one made from `reply`.

    Returns:
        The object, None if no reply could be understood, and the last completion, whose usage is that of all tries.

    Raises:
        As `Engine.complete`.
    """
    schema = schema_of(reply) if schema is None else schema
    spent = Usage()
    for attempt in range(max(tries, 1)):
        completion = await engine.complete(
            model,
            messages,
            schema=schema,
            max_tokens=max_tokens,
            temperature=max(temperature, RETRY_TEMPERATURE) if attempt else temperature,
            seed=seed + attempt,
            logprobs=logprobs,
            priority=priority,
        )
        spent += completion.usage
        understood = parse_reply(completion.text, reply)
        if understood is not None:
            break
    return understood, replace(completion, usage=spent)


def parse_reply(text: str, reply: type[Reply]) -> Reply | None:
    """The first object in `text` that can be understood as a `reply`; None if there is none.

    Among several, the one that names the most fields is taken. Unknown fields are ignored, missing ones take their
    defaults, values of a wrong kind are converted where their meaning is plain.
    """
    best: Reply | None = None
    best_known = 0
    for candidate in _objects(text[:LONGEST_REPLY]):
        known = _known_fields(candidate, reply)
        if len(known) > best_known and (parsed := _validated(known, reply)) is not None:
            best, best_known = parsed, len(known)
            if best_known == len(reply.model_fields):
                break
    return best


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects in `text`: well-formed ones first, then what can be made of broken ones."""
    text = _THOUGHT.sub("", text).strip()
    regions = [match[1] for match in _FENCE.finditer(text)][:MOST_CANDIDATES]
    regions.append(text)
    for region in regions:
        yield from _well_formed(region)
    for region in regions:
        start = region.find("{")
        if start >= 0:
            yield from _mended(region[start:])


def _well_formed(text: str) -> Iterator[dict[str, Any]]:
    decoder = json.JSONDecoder(strict=False)
    position = text.find("{")
    for _ in range(MOST_CANDIDATES):
        if position < 0:
            return
        try:
            found, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            end = position + 1
        else:
            yield found
        position = text.find("{", end)


def _mended(text: str) -> Iterator[dict[str, Any]]:
    import json_repair

    try:
        found = json_repair.loads(text)
    except (ValueError, RecursionError, IndexError):
        return
    for item in found if isinstance(found, list) else [found]:
        if isinstance(item, dict):
            yield item


def _known_fields(candidate: dict[str, Any], reply: type[BaseModel]) -> dict[str, Any]:
    names = {_plain_name(name): name for name in reply.model_fields}
    known: dict[str, Any] = {}
    for key, value in candidate.items():
        name = names.get(_plain_name(str(key)))
        if name is not None:
            known.setdefault(name, value)
    return known


def _plain_name(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).casefold()


def _validated(fields: dict[str, Any], reply: type[Reply]) -> Reply | None:
    """`fields` as a `reply`: as they are, else with the wrong ones converted, else without those that have defaults."""
    attempt = dict(fields)
    for mend in (_convert, _drop):
        try:
            return reply.model_validate(attempt)
        except ValidationError as error:
            for name in {str(problem["loc"][0]) for problem in error.errors() if problem["loc"]}:
                mend(attempt, name, reply)
    try:
        return reply.model_validate(attempt)
    except ValidationError:
        return None


def _drop(fields: dict[str, Any], name: str, reply: type[BaseModel]) -> None:
    if name in reply.model_fields and not reply.model_fields[name].is_required():
        fields.pop(name, None)


def _convert(fields: dict[str, Any], name: str, reply: type[BaseModel]) -> None:
    if name not in fields:
        return
    kind = schema_of(reply)["properties"].get(name, {})
    kinds = {kind.get("type")} | {option.get("type") for option in kind.get("anyOf", ())}
    value = fields[name]
    if kinds & {"number", "integer"} and (number := _number(value, kind)) is not None:
        fields[name] = round(number) if "integer" in kinds else number
    elif "string" in kinds and not isinstance(value, str):
        fields[name] = _as_text(value)
    elif "boolean" in kinds:
        fields[name] = _as_truth(value)
    elif "array" in kinds and not isinstance(value, list):
        fields[name] = [] if value is None or value == "" else _as_list(value, kind.get("items", {}))
    elif "array" in kinds:
        fields[name] = [item for item in map(_item_converter(kind.get("items", {})), value) if item is not None]


def _number(value: object, kind: dict[str, Any]) -> float | None:
    low, high = kind.get("minimum"), kind.get("maximum")
    if low == 0 and high == 100:
        return parse_rating(value)
    if isinstance(value, str):
        match = re.search(r"-?\d+(?:\.\d+)?", value)
        value = float(match[0]) if match else None
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return None
    low, high = -float("inf") if low is None else low, float("inf") if high is None else high
    clipped = float(min(max(value, low), high))
    return clipped if abs(clipped) != float("inf") else None


def _as_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "\n".join(value)
    return json.dumps(value, ensure_ascii=False)


def _as_truth(value: object) -> object:
    if isinstance(value, str):
        word = value.strip().strip(".!\"'").casefold()
        if word in {"yes", "true", "y", "1", "是", "对", "有", "oui", "ja", "sí", "si", "да"}:
            return True
        if word in {"no", "false", "n", "0", "", "否", "不", "没有", "无", "non", "nein", "нет", "none", "null"}:
            return False
    if value is None:
        return False
    return bool(value) if isinstance(value, int | float) else value


def _as_list(value: object, items: dict[str, Any]) -> list[Any]:
    if isinstance(value, str) and items.get("type") in {"integer", "number"}:
        return [_item_converter(items)(number) for number in re.findall(r"-?\d+(?:\.\d+)?", value)]
    return [value]


def _item_converter(items: dict[str, Any]) -> Any:
    def convert(item: Any) -> Any:
        if items.get("type") not in {"integer", "number"}:
            return item
        number = _number(item, items)
        if number is None:
            return None
        return round(number) if items["type"] == "integer" else number

    return convert
