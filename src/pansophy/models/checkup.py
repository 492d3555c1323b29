"""Does a model answer, how fast, and does it remember prefixes? What `pansophy models test` shows.

Works with any chat model: everything is measured from outside, by calls.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

from pansophy.models import prepare
from pansophy.models.base import ChatModel
from pansophy.types import ChatMessage, Completion

QUESTION = "What is the capital of France? Answer with the city's name only."
PREFIX_WORDS = 700
GENERATED = 48


@dataclass(frozen=True, slots=True)
class CheckUp:
    """What a check-up found.

    Speeds are tokens a second of one call alone. `prefix_cached` of `prefix_tokens` prompt tokens were served from the
    cache when a long prefix came a second time with another end, after other prompts had used every slot;
    `prompt_cache_mib` bounds the host memory for saved prompt states of an embedded model (None: not ours to bound).
    """

    name: str
    identity: str
    answer: str
    window: int
    parallel: int
    counts_exactly: bool
    load_seconds: float
    prefill_speed: float
    generation_speed: float
    prefix_tokens: int
    prefix_cached: int
    prompt_cache_mib: int | None
    warnings: tuple[str, ...]

    @property
    def remembers_prefixes(self) -> bool:
        return self.prefix_cached >= 0.8 * self.prefix_tokens


async def check_model(model: ChatModel) -> CheckUp:
    """Load `model`, ask it a tiny question, measure it.

    Raises:
        ModelError: it can't be loaded or doesn't answer.
    """
    started = time.perf_counter()
    await prepare(model)
    loaded = time.perf_counter() - started
    answer = await _ask(model, QUESTION, 24)
    # A number in front, so that no earlier check-up's prompts are remembered.
    text = f"Report {time.time_ns()}: {_words(min(PREFIX_WORDS, model.window // 6))}"
    first = await _ask(model, f"{text}\n\nIs the report long?", 1)
    for other in range(model.parallel if model.parallel <= 8 else 1):
        await _ask(model, f"{other} {_words(60, seed=other)}", 1)
    again = await _ask(model, f"{text}\n\nWhich words does the report repeat? List them.", 1)
    long = await _ask(model, f"{text}\n\nWhich words does the report repeat? List them.", GENERATED)
    return CheckUp(
        name=model.name,
        identity=model.identity,
        answer=answer.text.strip(),
        window=model.window,
        parallel=model.parallel,
        counts_exactly=model.counts_exactly,
        load_seconds=loaded,
        prefill_speed=first.usage.prefilled_tokens / max(first.usage.seconds, 1e-9),
        generation_speed=long.usage.completion_tokens / max(long.usage.seconds, 1e-9),
        prefix_tokens=again.usage.prompt_tokens,
        prefix_cached=again.usage.cached_tokens,
        prompt_cache_mib=getattr(model, "prompt_cache_mib", None),
        warnings=tuple(getattr(model, "warnings", ())),
    )


async def _ask(model: ChatModel, text: str, max_tokens: int) -> Completion:
    return await model.complete([ChatMessage("user", text)], max_tokens=max_tokens)


def _words(count: int, seed: int = 7) -> str:
    words = ("river", "stone", "letter", "garden", "winter", "market", "bridge", "window", "paper", "lantern")
    choose = random.Random(seed)
    return " ".join(choose.choice(words) for _ in range(count))
