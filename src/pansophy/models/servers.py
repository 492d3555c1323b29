"""What stands behind an endpoint: which server it is, its window, its slots, its tokenizer.

llama.cpp, vLLM, SGLang, Ollama and LM Studio each tell more than the OpenAI protocol asks for. Everything here goes
through a `Fetch`: a coroutine function (method, path from the server's root, body or None) -> JSON data, or None when
the server has no such page. It raises a `ModelError` only when the server can't be reached, is busy or refuses the key.
Knows nothing of completions.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from pansophy.tokens import estimate_tokens
from pansophy.types import ChatMessage

Fetch: TypeAlias = Callable[[str, str, Mapping[str, Any] | None], Awaitable[Any]]
Kind: TypeAlias = Literal["llama.cpp", "vllm", "sglang", "ollama", "lmstudio", "unknown"]

DEFAULT_WINDOW = 8192
OLLAMA_WINDOW = 4096
MESSAGE_MARGIN = 8
"""Tokens added for each message when a prompt is estimated: role marks and separators of the chat templates we know."""

REMEMBERED_COUNTS = 256

OWNERS: dict[str, Kind] = {
    "llamacpp": "llama.cpp",
    "vllm": "vllm",
    "sglang": "sglang",
    "library": "ollama",
    "organization_owner": "lmstudio",
}

# Windows of hosted models by the start of their names, longest match first; prompt and reply together.
_HOSTED_WINDOWS = {
    "chatgpt-4o": 128_000,
    "claude": 200_000,
    "deepseek": 128_000,
    "gemini": 1_048_576,
    "gpt-3.5-turbo": 16_385,
    "gpt-4": 8_192,
    "gpt-4-turbo": 128_000,
    "gpt-4.1": 1_047_576,
    "gpt-4o": 128_000,
    "gpt-5": 400_000,
    "llama-3.1": 131_072,
    "llama-3.3": 131_072,
    "mistral-large": 128_000,
    "mistral-small": 128_000,
    "o1": 200_000,
    "o3": 200_000,
    "o4-mini": 200_000,
}


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What a server says of itself. `models` are the names that it offers, `window` is None when it doesn't say."""

    kind: Kind = "unknown"
    models: tuple[str, ...] = ()
    window: int | None = None
    slots: int | None = None


async def ask_server(fetch: Fetch, api_path: str, model: str) -> ServerFacts:
    """Ask the server for its kind, models, window and slots.

    `api_path` is the path of the OpenAI API below the server's root ("/v1"). A server that doesn't list its models is
    of unknown kind; one that can't be reached or refuses the key raises.
    """
    listing = await fetch("GET", f"{api_path}/models", None)
    entries = listing.get("data") if isinstance(listing, Mapping) else None
    entries = [item for item in entries or () if isinstance(item, Mapping) and isinstance(item.get("id"), str)]
    names = tuple(str(item["id"]) for item in entries)
    kind: Kind = next((OWNERS[item["owned_by"]] for item in entries if item.get("owned_by") in OWNERS), "unknown")
    mine = next((item for item in entries if item["id"] == model), entries[0] if len(entries) == 1 else {})
    window = _positive(mine, "max_model_len", "context_length", "context_window")
    slots = None
    if kind == "llama.cpp":
        props = await fetch("GET", "/props", None) or {}
        window = _positive(props.get("default_generation_settings") or {}, "n_ctx") or window
        slots = _positive(props, "total_slots")
    elif kind == "ollama":
        window = await _ollama_window(fetch, model)
    elif kind == "lmstudio":
        details = await fetch("GET", f"/api/v0/models/{model}", None) or {}
        window = _positive(details, "loaded_context_length", "max_context_length")
    return ServerFacts(kind, names, window, slots)


def hosted_window(model: str) -> int | None:
    """The window of a well-known hosted model, None when the name is not known. Makers' prefixes are ignored."""
    name = model.rsplit("/", 1)[-1].lower()
    starts = [start for start in _HOSTED_WINDOWS if name.startswith(start)]
    return _HOSTED_WINDOWS[max(starts, key=len)] if starts else None


async def _ollama_window(fetch: Fetch, model: str) -> int | None:
    """The context length that Ollama has loaded the model with; it says so only for loaded models."""
    running = await fetch("GET", "/api/ps", None) or {}
    for entry in running.get("models") or ():
        if model in (entry.get("name"), entry.get("model")) or entry.get("name") == f"{model}:latest":
            return _positive(entry, "context_length")
    return None


def _positive(data: Mapping[str, Any], *keys: str) -> int | None:
    for key in keys:
        value = data.get(key)
        if isinstance(value, int) and value > 0:
            return value
    return None


class TokenCounter:
    """Counts tokens with the server's own tokenizer where it lets us, else by an estimate with a margin.

    The estimate (`pansophy.tokens`) is meant to be too high, never too low, for prose; `MESSAGE_MARGIN` is added for
    each message.
    """

    def __init__(self, fetch: Fetch, kind: Kind, model: str) -> None:
        self._fetch = fetch
        self._kind = kind
        self._model = model
        self.exact = kind in ("llama.cpp", "vllm")
        self._counted: dict[tuple[ChatMessage, ...], int] = {}

    async def text(self, text: str) -> int:
        """Number of tokens of `text` alone."""
        if self.exact:
            count = await self._ask(self._text_request(text))
            if count is not None:
                return count
        return estimate_tokens(text)

    async def prompt(self, messages: Sequence[ChatMessage]) -> int:
        """Number of prompt tokens of `messages`, the chat template included. The last few counts are remembered:
        whoever builds a prompt counts it, and so does whoever sends it."""
        key = tuple(messages)
        if key not in self._counted:
            count = await self._prompt(key)
            while len(self._counted) >= REMEMBERED_COUNTS:
                self._counted.pop(next(iter(self._counted)), None)
            self._counted[key] = count
        return self._counted[key]

    async def _prompt(self, messages: Sequence[ChatMessage]) -> int:
        if self.exact:
            plain = [{"role": message.role, "content": message.content} for message in messages]
            if self._kind == "vllm":
                count = await self._ask({"model": self._model, "messages": plain, "add_generation_prompt": True})
            else:
                templated = await self._templated(plain)
                count = (
                    None
                    if templated is None
                    else await self._ask({"content": templated, "add_special": True, "parse_special": True})
                )
            if count is not None:
                return count
        return sum(estimate_tokens(message.content) + MESSAGE_MARGIN for message in messages) + MESSAGE_MARGIN

    def _text_request(self, text: str) -> dict[str, Any]:
        if self._kind == "vllm":
            return {"model": self._model, "prompt": text, "add_special_tokens": False}
        return {"content": text, "add_special": False, "parse_special": True}

    async def _templated(self, messages: list[dict[str, str]]) -> str | None:
        reply = await self._fetch("POST", "/apply-template", {"messages": messages})
        prompt = reply.get("prompt") if isinstance(reply, Mapping) else None
        if not isinstance(prompt, str):
            self.exact = False
            return None
        return prompt

    async def _ask(self, body: dict[str, Any]) -> int | None:
        """The server's count, None (and estimates from then on) when it has no usable tokenize call."""
        reply = await self._fetch("POST", "/tokenize", body)
        if isinstance(reply, Mapping):
            if isinstance(reply.get("count"), int):
                return int(reply["count"])
            if isinstance(reply.get("tokens"), list):
                return len(reply["tokens"])
        self.exact = False
        return None
