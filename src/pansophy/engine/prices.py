"""What tokens cost. No price is built in: prices change without notice, so only the user's own are used."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass

from pansophy.errors import UsageError
from pansophy.types import Usage

PER = 1_000_000


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars for a million tokens: prompt tokens, prompt tokens served from a cache, completion tokens.

    `cached` None means that cached tokens cost as much as other prompt tokens.
    """

    prompt: float
    completion: float
    cached: float | None = None

    def __post_init__(self) -> None:
        for name in ("prompt", "completion", "cached"):
            value = getattr(self, name)
            if value is not None and not (value >= 0 and math.isfinite(value)):
                raise UsageError(f"the price of {name} tokens must be a number of at least 0, not {value}")

    def cost(self, usage: Usage) -> float:
        """US dollars that `usage` costs."""
        cached = self.prompt if self.cached is None else self.cached
        return (
            usage.prefilled_tokens * self.prompt
            + usage.cached_tokens * cached
            + usage.completion_tokens * self.completion
        ) / PER

    def most(self, prompt_tokens: int, max_tokens: int) -> float:
        """The most that a call can cost: nothing cached, the whole reply used up."""
        dearest = max(self.prompt, self.cached or 0.0)
        return (prompt_tokens * dearest + max_tokens * self.completion) / PER


PriceList = Prices | Mapping[str, Prices] | None
"""One price for every model, or prices by the model's name, or unknown."""


def prices_of(prices: PriceList, model: str) -> Prices | None:
    """The prices of the model of this name, None when unknown."""
    return prices if prices is None or isinstance(prices, Prices) else prices.get(model)


def parse_prices(text: str) -> Prices | dict[str, Prices]:
    """Prices as a person writes them: `PROMPT,COMPLETION` or `PROMPT,CACHED,COMPLETION` in US dollars for a million
    tokens, for every model; or `NAME=...;NAME=...` by model.

    Raises:
        UsageError: the text is none of these.
    """
    if "=" not in text:
        return _parse_one(text)
    named = (part.rsplit("=", 1) for part in text.split(";") if part.strip())
    try:
        return {name.strip(): _parse_one(numbers) for name, numbers in named}
    except ValueError:
        raise UsageError(f"prices must look like NAME=0.15,0.60;NAME=0.5,0.25,1.5, not {text!r}") from None


def _parse_one(text: str) -> Prices:
    try:
        numbers = [float(number) for number in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) == 2:
        return Prices(prompt=numbers[0], completion=numbers[1])
    if len(numbers) == 3:
        return Prices(prompt=numbers[0], cached=numbers[1], completion=numbers[2])
    raise UsageError(
        f"prices must be PROMPT,COMPLETION or PROMPT,CACHED,COMPLETION in dollars for a million tokens, not {text!r}"
    )


def prices_from_environment() -> PriceList:
    """The prices in `PANSOPHY_PRICES` (see `parse_prices`), None when it is not set."""
    text = os.environ.get("PANSOPHY_PRICES", "").strip()
    return parse_prices(text) if text else None
