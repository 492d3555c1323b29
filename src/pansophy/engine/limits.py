"""What a run may take: calls at once, time, tokens, money. Plain data, checked when it is made."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from pansophy.errors import UsageError


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one run.

    Args:
        concurrency: the most calls to one model at once; None for what the model says that it can use (`parallel`).
            Fewer are made while the endpoint asks to slow down or calls time out.
        call_timeout: seconds after which one call is given up (and tried again, while `attempts` lasts); None for 120,
            and one more for each 20 prompt tokens where the model runs on this machine.
        attempts: how often one call is tried at most when it fails for a reason that may pass.
        deadline: seconds for the whole run, from the moment its `Engine` is made; calls in flight are then cancelled.
        max_calls: the most requests that may be sent, repeated ones included.
        max_tokens: the most prompt and completion tokens together.
        max_cost: the most US dollars; needs known prices.
        longest_wait: the most seconds to wait before a call is tried again, even if the endpoint asks for more.

    Raises:
        UsageError: a limit is zero, negative or not a number.
    """

    concurrency: int | None = None
    call_timeout: float | None = None
    attempts: int = 3
    deadline: float | None = None
    max_calls: int | None = None
    max_tokens: int | None = None
    max_cost: float | None = None
    longest_wait: float = 60.0

    def __post_init__(self) -> None:
        for name in ("concurrency", "call_timeout", "attempts", "deadline", "max_calls", "max_tokens", "max_cost"):
            value = getattr(self, name)
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise UsageError(f"{name} must be a number greater than 0, not {value}")
        if not (self.longest_wait >= 0 and math.isfinite(self.longest_wait)):
            raise UsageError(f"longest_wait must be a number of at least 0, not {self.longest_wait}")

    def within(self, most: Limits) -> Limits:
        """Of each limit the tighter one: this, or that of `most`."""
        pairs = {field.name: (getattr(self, field.name), getattr(most, field.name)) for field in fields(self)}
        given = {name: [value for value in pair if value is not None] for name, pair in pairs.items()}
        return Limits(**{name: min(values) for name, values in given.items() if values})
