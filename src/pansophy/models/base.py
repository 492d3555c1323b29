"""The one interface through which everything above talks to a language model.

Knows nothing of retries, concurrency or budgets: one call in, one completion out, or one `ModelError`. The engine floor
does the rest.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from pansophy.types import ChatMessage, Completion

JSONSchema = Mapping[str, Any]


@runtime_checkable
class ChatModel(Protocol):
    """A chat model: messages in, completion out.

    `name` is how the user knows it. `window` is the context window in tokens (prompt and completion together).
    `identity` says what exactly answers (a file's hash, an endpoint and a model name), for settings fingerprints.
    `parallel` is how many calls the back end can usefully run at once (the engine starts there and adapts).
    `counts_exactly` tells whether `count_tokens` and `count_prompt` come from the model's own tokenizer.

    A model may also have `parameters` (billions of them, where known) and `local` (True when it runs on this machine,
    where reading a long prompt may take minutes).
    """

    name: str
    window: int
    parallel: int
    counts_exactly: bool

    @property
    def identity(self) -> str: ...

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
        """One completion.

        Args:
            messages: the chat prompt.
            schema: a JSON schema that the reply must follow; back ends enforce it where they can.
            max_tokens: the most tokens that may be generated.
            temperature: 0 for the most likely reply.
            seed: for sampling; the same seed gives the same reply where the back end can promise it.
            stop: strings at which generation ends.
            logprobs: ask for the log-probability of each generated token and of its likeliest alternatives.

        Returns:
            The completion with its usage (including tokens that the back end's prefix cache served).

        Raises:
            ModelError: one of its children; `retryable` tells whether trying again can help. An empty text is
                returned as it is (the engine decides what it means). Cancelling the task stops the generation.
        """
        ...

    def stream(
        self,
        messages: Sequence[ChatMessage],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int | None = 0,
        stop: Sequence[str] = (),
    ) -> AsyncIterator[str]:
        """The completion's text in pieces as they are generated. Raises as `complete` does."""
        ...

    async def count_tokens(self, text: str) -> int:
        """Number of tokens of `text` alone; never too low (an estimate carries a margin)."""
        ...

    async def count_prompt(self, messages: Sequence[ChatMessage]) -> int:
        """Number of prompt tokens that `messages` become, the chat template included; never too low."""
        ...

    async def aclose(self) -> None:
        """Free what the model holds. Idempotent."""
        ...
