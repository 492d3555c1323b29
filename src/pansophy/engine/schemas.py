"""JSON schemas from pydantic models, in the plain form that every back end's grammar compiler takes."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from pansophy.errors import UsageError

_NOISE = {"title", "default", "$defs"}


@lru_cache(maxsize=256)
def schema_of(reply: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of `reply`: fields in the order of their declaration and all required, so that a model that is
    held to it writes all of them in that order; definitions inlined; no further properties.

    Raises:
        UsageError: the model contains itself, which cannot be inlined.
    """
    schema = reply.model_json_schema()
    plain: dict[str, Any] = _plain(schema, schema.get("$defs", {}), ())
    return plain


def _plain(node: Any, definitions: dict[str, Any], path: tuple[str, ...]) -> Any:
    if isinstance(node, list):
        return [_plain(item, definitions, path) for item in node]
    if not isinstance(node, dict):
        return node
    if reference := node.get("$ref"):
        name = reference.rsplit("/", 1)[-1]
        if name in path:
            raise UsageError(f"a reply model must not contain itself: {' > '.join((*path, name))}")
        beside = {key: value for key, value in node.items() if key != "$ref"}
        return _plain({**definitions[name], **beside}, definitions, (*path, name))
    plain = {
        key: {name: _plain(field, definitions, path) for name, field in value.items()}
        if key == "properties"
        else _plain(value, definitions, path)
        for key, value in node.items()
        if key not in _NOISE
    }
    if "properties" in plain:
        plain["required"] = list(plain["properties"])
        plain["additionalProperties"] = False
    return plain
