"""The model that needs no server of the user's: a GGUF file run by llama.cpp inside this process.

llama.cpp's own HTTP server is started on the loopback interface behind a random key and spoken to like any other
endpoint: one code path, and dropping a call stops its generation. Prompts that begin alike are prefilled once: states
of earlier prompts are kept in host memory, bounded by `prompt_cache_mib`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

from pansophy.models.base import JSONSchema
from pansophy.models.llamacpp import SLOTS, Lease, ServerSettings, check_file, prompt_cache_mib, usual_slots
from pansophy.models.openai_compatible import OpenAICompatible
from pansophy.types import ChatMessage, Completion

DEFAULT_WINDOW = 4096
BYTES_PER_PARAMETER = 0.75
"""Of a 4-bit file with its embeddings: the guess for files that the catalogue doesn't know."""


class EmbeddedModel:
    """A chat model from a GGUF file.

    Args:
        file: the file's path, or a coroutine function that fetches it and returns its path (called once, at `prepare`
            or the first call).
        name: how the user knows it; the file's name by default.
        identity: what exactly answers; the file's SHA-256 where it is known.
        window: tokens of context for each call (prompt and reply together).
        slots: calls that run at once, each with a window of its own; None for what `PANSOPHY_SLOTS` says, else for what
            suits the machine (`usual_slots`), known when the model is loaded.
        threads: threads that compute; 0 takes one for each physical core.
        prompt_cache: MiB of host memory for states of earlier prompts; None takes half of what is available when the
            model is loaded (at most 16 GiB).
        parameters: billions of parameters; None to guess from the file's size when it is opened.

    Nothing is loaded before `prepare` or the first call. Models of the same file and settings share one server.
    """

    def __init__(
        self,
        file: Path | Callable[[], Awaitable[Path]],
        *,
        name: str | None = None,
        identity: str | None = None,
        window: int = DEFAULT_WINDOW,
        slots: int | None = None,
        threads: int = 0,
        prompt_cache: int | None = None,
        parameters: float | None = None,
    ) -> None:
        self.name = name or (file.name if isinstance(file, Path) else "embedded")
        self._identity = identity
        self.window = window
        self.parallel = slots or SLOTS
        self._slots = slots
        self.local = True
        self.counts_exactly = True
        self.prompt_cache_mib = prompt_cache
        self.parameters = parameters or None
        self._file = file
        self._threads = threads
        self._lease: Lease | None = None
        self._endpoint: OpenAICompatible | None = None
        self._opening: tuple[asyncio.AbstractEventLoop, asyncio.Lock] | None = None

    @property
    def identity(self) -> str:
        """`gguf:` and the file's SHA-256 (computed once for a path), or the name under which it is fetched."""
        if self._identity is None:
            self._identity = f"gguf:{_sha256(self._file)}" if isinstance(self._file, Path) else f"gguf:{self.name}"
        return self._identity

    async def prepare(self) -> None:
        """Fetch the file if need be and load it.

        Raises:
            ModelError: it can't be fetched or loaded; says why.
        """
        await self._opened()

    async def complete(
        self,
        messages: Sequence[ChatMessage],
        *,
        schema: JSONSchema | None = None,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int | None = 0,
        stop: Sequence[str] = (),
        logprobs: bool = False,
    ) -> Completion:
        """One completion (see `ChatModel.complete`)."""
        endpoint = await self._opened()
        return await endpoint.complete(
            messages,
            schema=schema,
            max_tokens=max_tokens,
            temperature=temperature,
            seed=seed,
            stop=stop,
            logprobs=logprobs,
        )

    async def stream(
        self,
        messages: Sequence[ChatMessage],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int | None = 0,
        stop: Sequence[str] = (),
    ) -> AsyncIterator[str]:
        """The completion's text in pieces (see `ChatModel.stream`)."""
        endpoint = await self._opened()
        async for piece in endpoint.stream(
            messages, max_tokens=max_tokens, temperature=temperature, seed=seed, stop=stop
        ):
            yield piece

    async def count_tokens(self, text: str) -> int:
        """Tokens of `text` by the model's own tokenizer."""
        return await (await self._opened()).count_tokens(text)

    async def count_prompt(self, messages: Sequence[ChatMessage]) -> int:
        """Prompt tokens of `messages` with the model's own chat template."""
        return await (await self._opened()).count_prompt(messages)

    async def aclose(self) -> None:
        """Free the model's memory unless another `EmbeddedModel` shares it. It loads again when it is used again."""
        endpoint, self._endpoint = self._endpoint, None
        lease, self._lease = self._lease, None
        if endpoint is not None:
            await endpoint.aclose()
        if lease is not None:
            await lease.release()

    async def _opened(self) -> OpenAICompatible:
        if self._endpoint is not None:
            return self._endpoint
        async with self._opening_lock():
            if self._endpoint is None:
                self._endpoint = await self._open()
            return self._endpoint

    async def _open(self) -> OpenAICompatible:
        path = self._file if isinstance(self._file, Path) else await self._file()
        check_file(path)
        self.parameters = self.parameters or path.stat().st_size / BYTES_PER_PARAMETER / 1e9
        if self.prompt_cache_mib is None:
            self.prompt_cache_mib = await asyncio.to_thread(prompt_cache_mib)
        if self._slots is None:
            self.parallel = self._slots = await asyncio.to_thread(usual_slots)
        settings = ServerSettings(path.resolve(), self.window, self.parallel, self._threads, self.prompt_cache_mib)
        lease = Lease(settings)
        try:
            address = await lease.address()
            endpoint = OpenAICompatible(
                self.name,
                base_url=f"{address.url}/v1",
                api_key=address.key,
                window=self.window,
                parallel=self.parallel,
            )
            await endpoint.prepare()
        except BaseException:
            lease.forget()
            raise
        self._lease = lease
        return endpoint

    def _opening_lock(self) -> asyncio.Lock:
        loop = asyncio.get_running_loop()
        if self._opening is None or self._opening[0] is not loop:
            self._opening = (loop, asyncio.Lock())
        return self._opening[1]


def _sha256(path: Path) -> str:
    import hashlib

    check_file(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
