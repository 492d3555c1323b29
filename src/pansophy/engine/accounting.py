"""What a completed call really used, also when its endpoint counts badly."""

from __future__ import annotations

from dataclasses import replace

from pansophy.engine.prices import Prices
from pansophy.models.base import ChatModel
from pansophy.tokens import estimate_tokens
from pansophy.types import Completion, Usage


def settled_usage(
    completion: Completion, model: ChatModel, prompt_tokens: int, max_tokens: int, prices: Prices | None
) -> tuple[Usage, str | None]:
    """The usage to book for `completion`, with its cost where `prices` are known.

    Numbers that can't be (missing, negative, beyond the window) are replaced by our own counts: `prompt_tokens` for the
    prompt, an estimate for the reply.

    Returns:
        The usage, and a warning if a number of the endpoint had to be replaced although it gave one.
    """
    told = completion.usage
    possible = 0 <= told.prompt_tokens <= model.window and 0 <= told.completion_tokens <= model.window
    prompt = told.prompt_tokens if 0 < told.prompt_tokens <= model.window else prompt_tokens
    written = told.completion_tokens
    if not (0 <= written <= model.window) or (written == 0 and completion.text):
        written = min(estimate_tokens(completion.text), max_tokens)
    cached = min(max(told.cached_tokens, 0), prompt)
    usage = replace(
        told,
        calls=1,
        prompt_tokens=prompt,
        cached_tokens=cached,
        completion_tokens=written,
        seconds=max(told.seconds, 0.0),
    )
    usage = replace(usage, cost=prices.cost(usage) if prices else None)
    doubt = None if possible else f"{model.name} reports impossible token counts: estimates are used instead"
    return usage, doubt
