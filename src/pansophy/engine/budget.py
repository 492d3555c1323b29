"""Keeps a run within its calls, tokens and cost. Knows nothing of models or time.

What a call can use at most is reserved before it is sent and settled with what it really used, so that calls running
at the same time can't overshoot together. A call that would fit but for the reservations of others waits for them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from pansophy.engine.limits import Limits
from pansophy.errors import BudgetExceeded

ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Charge:
    """What a call uses of the budget."""

    calls: int = 0
    tokens: int = 0
    cost: float = 0.0

    def __add__(self, other: Charge) -> Charge:
        return Charge(self.calls + other.calls, self.tokens + other.tokens, self.cost + other.cost)

    def __sub__(self, other: Charge) -> Charge:
        return Charge(self.calls - other.calls, self.tokens - other.tokens, self.cost - other.cost)


class Budget:
    """What is spent and reserved of a run's `Limits`."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._settled = asyncio.Event()
        self.spent = Charge()
        self.reserved = Charge()

    async def reserve(self, charge: Charge) -> None:
        """Set `charge` aside, waiting for calls in flight to settle if it only fits without their reservations.

        Raises:
            BudgetExceeded: it doesn't fit into what is left.
        """
        while True:
            if excess := self._excess(self.spent + charge):
                raise BudgetExceeded(excess)
            if not self._excess(self.spent + self.reserved + charge):
                self.reserved += charge
                return
            await self._settled.wait()

    def settle(self, reserved: Charge, used: Charge) -> None:
        """Give `reserved` back and book what was `used`."""
        self.reserved -= reserved
        self.spent += used
        self._settled.set()
        self._settled = asyncio.Event()

    def _excess(self, total: Charge) -> str | None:
        limits = self._limits
        if limits.max_calls is not None and total.calls > limits.max_calls:
            return f"the limit of {limits.max_calls} calls is reached"
        if limits.max_tokens is not None and total.tokens > limits.max_tokens:
            return (
                f"the limit of {limits.max_tokens} tokens is reached: {self.spent.tokens} are used, and the next call "
                f"may take {total.tokens - self.spent.tokens}"
            )
        if limits.max_cost is not None and total.cost > limits.max_cost + ROUNDING:
            return (
                f"the limit of ${limits.max_cost:g} is reached: ${self.spent.cost:.6g} are spent, and the next call "
                f"may cost ${total.cost - self.spent.cost:.6g}"
            )
        return None
