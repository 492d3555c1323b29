"""Keeps keys and passwords out of what is stored."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "***"
_SECRET_NAMES = re.compile(
    r"(^|_|-)(api_?-?keys?|key|authorization|password|passwd|secret|credentials?)$", re.IGNORECASE
)
_USER_INFO = re.compile(r"(?<=://)[^/@\s]+@")
_SECRET_PARAMETER = re.compile(r"([?&](?:api[-_]?key|key|token|access_token|sig|signature)=)[^&#\s]+", re.IGNORECASE)
_KEY_VARIABLE = "OPENAI_API_KEY"
_SHORTEST_KEY = 8


def without_secrets(data: Any) -> Any:
    """`data` (plain JSON data) without the values of entries named like keys and without credentials in URLs."""
    if isinstance(data, Mapping):
        return {
            key: HIDDEN if value is not None and _SECRET_NAMES.search(str(key)) else without_secrets(value)
            for key, value in data.items()
        }
    if isinstance(data, list | tuple):
        return [without_secrets(item) for item in data]
    if isinstance(data, str) and "://" in data:
        return _SECRET_PARAMETER.sub(rf"\1{HIDDEN}", _USER_INFO.sub("", data))
    return data


def without_environment_key(text: str) -> str:
    """`text` without the endpoint's key, should a message of the endpoint have repeated it."""
    key = os.environ.get(_KEY_VARIABLE, "")
    return text.replace(key, HIDDEN) if len(key) >= _SHORTEST_KEY else text
