"""Any server that speaks the OpenAI chat protocol: vLLM, SGLang, llama.cpp, Ollama, LM Studio, hosted ones.

One call in, one HTTP request out: no retries here (the engine's policy decides), except that a request which the server
refuses because it words things differently is asked again in its dialect. Dropping the call drops the connection, which
stops the generation on servers that notice.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pansophy.errors import (
    ContextOverflow,
    EndpointUnavailable,
    ModelError,
    RequestRefused,
    UnknownModel,
)
from pansophy.models.base import JSONSchema
from pansophy.models.dialect import Dialect, Request, with_schema_described
from pansophy.models.failures import from_exception
from pansophy.models.replies import read_reply
from pansophy.models.servers import (
    DEFAULT_WINDOW,
    OLLAMA_WINDOW,
    ServerFacts,
    TokenCounter,
    ask_server,
    hosted_window,
)
from pansophy.types import ChatMessage, Completion, Usage

if TYPE_CHECKING:
    import openai

log = logging.getLogger(__name__)

DEFAULT_BASE_URL = "https://api.openai.com/v1"
CONNECT_SECONDS = 10.0
READ_SECONDS = 600.0
KEEP_SECONDS = 3.0
"""How long an idle connection is kept: less than the 5 s after which llama.cpp and uvicorn close theirs."""

MAX_CONNECTIONS = 1024
MAX_REPLY_BYTES = 16 * 2**20

# llama.cpp closes the connection after a streamed reply without having said so: the next call on it could be lost.
_ONE_STREAM_A_CONNECTION = {"Connection": "close"}


@dataclass(slots=True)
class _Session:
    """The client and lock of one event loop (neither survives its loop)."""

    loop: asyncio.AbstractEventLoop
    client: openai.AsyncOpenAI
    asking: asyncio.Lock


class OpenAICompatible:
    """A chat model at an OpenAI-compatible endpoint.

    Args:
        name: the model's name at the endpoint.
        base_url: the API's address, usually ending in "/v1".
        api_key: the key; servers that need none take anything.
        window: context window in tokens. None asks the server, then a table of hosted models, then assumes 8192
            (4096 for Ollama) and says so in `warnings`. Known after `prepare` or the first call.
        parallel: how many calls the endpoint can usefully run at once; None takes the server's slots, else 8.
        timeout: seconds without a byte of reply after which a call counts as timed out.

    Besides the protocol's attributes: `server` holds what the server said of itself, `dialect` how requests are worded
    for it, `warnings` what a user should know (an assumed window, a schema that the server doesn't enforce).
    """

    def __init__(
        self,
        name: str,
        *,
        base_url: str = DEFAULT_BASE_URL,
        api_key: str | None = None,
        window: int | None = None,
        parallel: int | None = None,
        timeout: float = READ_SECONDS,
    ) -> None:
        self.name = name
        self.base_url = base_url.rstrip("/")
        self.identity = f"openai:{self.base_url}:{name}"
        self.window = window or hosted_window(name) or DEFAULT_WINDOW
        self.parallel = parallel or 8
        self.counts_exactly = False
        self.server = ServerFacts()
        self.dialect = Dialect()
        self.warnings: tuple[str, ...] = ()
        self._api_key = api_key or "none"
        self._given = (window, parallel)
        self._timeout = timeout
        self._session_of_loop: _Session | None = None
        self._counter: TokenCounter | None = None
        self._schemas_work = False
        address = urlsplit(self.base_url)
        self._root = f"{address.scheme}://{address.netloc}{address.path.removesuffix('/v1')}"
        self.local = _is_loopback(address.hostname)

    async def prepare(self) -> None:
        """Ask the server once for its kind, window, slots and tokenizer. Cheap when already done.

        Raises:
            ModelError: the server can't be reached or refuses the key.
        """
        if self._counter is not None:
            return
        async with self._session().asking:
            if self._counter is not None:
                return
            facts = await ask_server(self._fetch, self.base_url.removeprefix(self._root), self.name)
            window, parallel = self._given
            self.server = facts
            self.parallel = parallel or facts.slots or self.parallel
            self.window = window or facts.window or hosted_window(self.name) or self._assumed_window(facts)
            self._counter = TokenCounter(self._fetch, facts.kind, self.name)
            self.counts_exactly = self._counter.exact

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
        await self.prepare()
        started = time.perf_counter()
        request = Request(self.name, tuple(messages), schema, max_tokens, temperature, seed, tuple(stop), logprobs)
        text, _ = await self._say(request, stream=False)
        return await self._completion(text, request, time.perf_counter() - started)

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
        await self.prepare()
        request = Request(self.name, tuple(messages), None, max_tokens, temperature, seed, tuple(stop), False)
        _, chunks = await self._say(request, stream=True)
        finished = False
        try:
            async for chunk in chunks:
                for choice in chunk.choices or ():
                    finished = finished or choice.finish_reason is not None
                    if choice.delta is not None and choice.delta.content:
                        yield choice.delta.content
        except Exception as error:
            raise self._translated(error) from error
        finally:
            await chunks.close()
        if not finished:
            raise EndpointUnavailable(f"{self.base_url} broke off its reply: the stream ended without a finish reason")

    async def count_tokens(self, text: str) -> int:
        """Tokens of `text` by the server's tokenizer, else estimated (`counts_exactly` tells which)."""
        await self.prepare()
        assert self._counter is not None
        count = await self._counter.text(text)
        self.counts_exactly = self._counter.exact
        return count

    async def count_prompt(self, messages: Sequence[ChatMessage]) -> int:
        """Prompt tokens of `messages` with the server's own chat template, else estimated."""
        await self.prepare()
        assert self._counter is not None
        count = await self._counter.prompt(messages)
        self.counts_exactly = self._counter.exact
        return count

    async def list_models(self) -> tuple[str, ...]:
        """The names that the endpoint offers (empty when it doesn't list them)."""
        await self.prepare()
        return self.server.models

    async def aclose(self) -> None:
        """Close the connections. The model can be used again afterwards."""
        session, self._session_of_loop = self._session_of_loop, None
        if session is not None and session.loop is asyncio.get_running_loop():
            await session.client.close()

    # --- the wire -------------------------------------------------------------------------------------------------

    def _session(self) -> _Session:
        """The client of the running event loop; another loop's connections can't be used, nor closed, from here."""
        loop = asyncio.get_running_loop()
        if self._session_of_loop is None or self._session_of_loop.loop is not loop:
            self._session_of_loop = _Session(loop, self._new_client(), asyncio.Lock())
        return self._session_of_loop

    def _new_client(self) -> openai.AsyncOpenAI:
        import httpx
        import openai

        limits = httpx.Limits(
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_CONNECTIONS,
            keepalive_expiry=KEEP_SECONDS,
        )
        # A proxy from the environment must not stand between us and a server on this machine.
        http_client = openai.DefaultAsyncHttpxClient(
            trust_env=not self.local,
            verify=not (self.local and self.base_url.startswith("http://")),  # else 0.1 s for certificates
            limits=limits,  # type: ignore[arg-type, unused-ignore]
            timeout=self._timeout,
        )
        return openai.AsyncOpenAI(
            api_key=self._api_key,
            base_url=self.base_url,
            max_retries=0,
            timeout=openai.Timeout(self._timeout, connect=min(CONNECT_SECONDS, self._timeout)),
            http_client=http_client,
        )

    async def _say(self, request: Request, *, stream: bool) -> tuple[str, Any]:
        """Send `request`, in other words when the server refuses them: (the reply's body, the open stream or None)."""
        dialect, first_refusal = self.dialect, None
        while True:
            try:
                result = await self._send(dialect, request, stream)
            except RequestRefused as refusal:
                first_refusal = first_refusal or refusal
                other = dialect.after(str(refusal), request, schemas_work=self._schemas_work)
                if other is None:
                    raise first_refusal from None
                dialect = other
                continue
            except UnknownModel as error:
                raise await self._with_offer(error) from None
            self._learn(dialect, request)
            return result

    async def _send(self, dialect: Dialect, request: Request, stream: bool) -> tuple[str, Any]:
        if request.schema is not None and dialect.schema_mode != "json_schema":
            await self._check_fits(request, request.schema)
        client = self._session().client
        body = dialect.body(request)
        try:
            if stream:
                headers = _ONE_STREAM_A_CONNECTION if self.server.kind == "llama.cpp" else {}
                return "", await client.chat.completions.create(**body, stream=True, extra_headers=headers)
            return await self._post(client, body), None
        except ModelError:
            raise
        except Exception as error:
            raise self._translated(error) from error

    async def _post(self, client: openai.AsyncOpenAI, body: dict[str, Any]) -> str:
        """The body of the reply to a chat request, read no further than `MAX_REPLY_BYTES`.

        `chat.completions.create` would walk through the messages and the schema to transform them, a third of a call's
        time, and read a reply that never ends until memory does. llama.cpp is asked to stream because only then it
        notices that the connection has been dropped, and stops.
        """
        headers = {"X-Stainless-Raw-Response": "stream"}
        if self.server.kind == "llama.cpp":
            body = {**body, "stream": True, "stream_options": {"include_usage": True}}
            headers |= _ONE_STREAM_A_CONNECTION
        response: Any = await client.post(
            "/chat/completions",
            cast_to=object,
            body=body,
            options={"headers": headers},
        )
        received = bytearray()
        try:
            async for piece in response.iter_bytes():
                received += piece
                if len(received) > MAX_REPLY_BYTES:
                    raise EndpointUnavailable(
                        f"{self.base_url} sent more than {MAX_REPLY_BYTES >> 20} MiB for one reply: broken off"
                    )
        finally:
            await response.close()
        return received.decode("utf-8", "replace")

    def _learn(self, dialect: Dialect, request: Request) -> None:
        self._schemas_work = self._schemas_work or request.schema is not None
        learnt = self.dialect.joined(dialect)
        if learnt != self.dialect:
            self.dialect = learnt
            log.warning("%s needs other requests: %s", self.base_url, learnt)
            self._warn(f"{self.name} at {self.base_url}: {learnt}")

    async def _check_fits(self, request: Request, schema: JSONSchema) -> None:
        tokens = await self.count_prompt(with_schema_described(request.messages, schema))
        if tokens + request.max_tokens > self.window:
            raise ContextOverflow(
                f"{self.name} doesn't take JSON schemas; with the schema in the prompt it has {tokens} tokens, and "
                f"with {request.max_tokens} for the reply that exceeds its window of {self.window}"
            )

    async def _fetch(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        """JSON from a page of the server (a path from its root), None where there is none (see `servers.Fetch`)."""
        client = self._session().client
        url = f"{self._root}{path}"
        try:
            if method == "GET":
                return await client.get(url, cast_to=object)
            return await client.post(url, cast_to=object, body=body)
        except Exception as error:
            status = getattr(error, "status_code", None)
            if isinstance(error, ValueError) or (status is not None and status not in (401, 429, 503)):
                return None
            raise self._translated(error) from error

    def _translated(self, error: Exception) -> ModelError:
        return from_exception(error, endpoint=self.base_url, model=self.name)

    async def _with_offer(self, error: UnknownModel) -> UnknownModel:
        """`error` with the names that the endpoint offers now."""
        listing = await self._fetch("GET", f"{self.base_url.removeprefix(self._root)}/models", None)
        entries = listing.get("data") if isinstance(listing, Mapping) else None
        names = sorted(str(item["id"]) for item in entries or () if isinstance(item, Mapping) and "id" in item)
        if not names:
            return UnknownModel(f"{error}. Does the address end where the API begins (usually /v1)?")
        shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
        return UnknownModel(f"{error}. It offers: {shown}")

    async def _completion(self, body: str, request: Request, seconds: float) -> Completion:
        """The completion in a reply's body; tokens are counted here where the endpoint doesn't say."""
        reply = read_reply(body, endpoint=self.base_url, model=self.name)
        prompt, generated = reply.prompt_tokens, reply.completion_tokens
        usage = Usage(
            1,
            await self.count_prompt(request.messages) if prompt is None else prompt,
            reply.cached_tokens,
            await self.count_tokens(reply.text) if generated is None else generated,
            seconds,
        )
        return Completion(reply.text, reply.finish_reason, usage, reply.logprobs)

    def _assumed_window(self, facts: ServerFacts) -> int:
        if facts.kind == "ollama":
            self._warn(
                f"Ollama doesn't tell the window of {self.name} until it is loaded and cuts longer prompts silently: "
                f"assuming {OLLAMA_WINDOW} tokens (set OLLAMA_CONTEXT_LENGTH on the server and --window here)"
            )
            return OLLAMA_WINDOW
        self._warn(
            f"{self.base_url} doesn't tell the window of {self.name}: assuming {DEFAULT_WINDOW} tokens (set --window)"
        )
        return DEFAULT_WINDOW

    def _warn(self, message: str) -> None:
        if message not in self.warnings:
            self.warnings = (*self.warnings, message)


def _is_loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or (host is not None and ipaddress.ip_address(host).is_loopback)
    except ValueError:
        return False
