"""How many calls one model gets at once, and who goes next. Knows nothing of what a call is.

The limit follows congestion control as in TCP: it is halved when the endpoint asks to slow down or a call times out, at
most once for all the calls that were under way together; it never falls below one or rises above where it began. After
a fall it grows by one a success up to half of where it fell from, then by one for as many successes as the limit.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Slot:
    """The right to run one call. `generation` counts the falls of the limit that happened before it was given out."""

    generation: int


class AdaptiveGate:
    """Gives out slots by priority (lower first), then by order of arrival, within a limit that adapts.

    Args:
        start: the limit at the start, and its ceiling.
        clock: seconds that only ever rise, the event loop's kind of time.
    """

    def __init__(self, start: int, clock: Callable[[], float]) -> None:
        self.ceiling = self.limit = max(1, start)
        self.in_flight = 0
        self.successes = 0
        self._clock = clock
        self._threshold = self.ceiling
        self._generation = 0
        self._since_growth = 0
        self._not_before = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: list[tuple[int, int, asyncio.Future[Slot]]] = []

    @asynccontextmanager
    async def slot(self, priority: int, order: int) -> AsyncIterator[Slot]:
        """A slot for the time of the `async with` block, freed however the block ends."""
        slot = await self._acquire(priority, order)
        try:
            yield slot
        finally:
            self._release()

    def succeeded(self, slot: Slot) -> None:
        """The call in `slot` went well."""
        self.successes += 1
        if slot.generation != self._generation or self.limit >= self.ceiling:
            return
        self._since_growth += 1
        if self.limit < self._threshold or self._since_growth >= self.limit:
            self.limit += 1
            self._since_growth = 0

    def refused(self, slot: Slot, retry_after: float | None) -> bool:
        """The endpoint refused the call in `slot` because it has too many; nothing is sent for `retry_after` seconds.

        What is still in flight beside it is the best guess of what the endpoint bears.

        Returns:
            Whether the limit was halved.
        """
        halved = self.timed_out(slot)
        self.limit = max(1, min(self.limit, self.in_flight - 1))
        if retry_after:
            self._not_before = max(self._not_before, self._clock() + retry_after)
        return halved

    def timed_out(self, slot: Slot) -> bool:
        """The call in `slot` timed out. Returns whether the limit was halved."""
        if slot.generation != self._generation:
            return False
        self._generation += 1
        self._since_growth = 0
        self.limit = self._threshold = max(1, self.limit // 2)
        return True

    async def _acquire(self, priority: int, order: int) -> Slot:
        future: asyncio.Future[Slot] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, order, future))
        self._admit()
        try:
            return await future
        except asyncio.CancelledError:
            if not future.cancelled():  # the slot was given in the moment of the cancellation
                self._release()
            raise

    def _release(self) -> None:
        self.in_flight -= 1
        self._admit()

    def _admit(self) -> None:
        pause = self._not_before - self._clock()
        if pause > 0:
            self._admit_later(pause)
            return
        while self._waiting and self.in_flight < self.limit:
            _, _, future = heapq.heappop(self._waiting)
            if not future.done():
                self.in_flight += 1
                future.set_result(Slot(self._generation))

    def _admit_later(self, pause: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(pause, self._admit)
