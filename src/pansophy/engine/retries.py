"""When a failed call is tried again, and how long to wait before: the project's only retry policy."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from pansophy.errors import ModelError, RateLimited

FIRST_WAIT = 0.5
"""Seconds before the second attempt; doubled for each further one."""
LONGEST_BACKOFF = 20.0
"""Seconds that the policy waits at most when the endpoint did not ask for more."""
PATIENCE = 4
"""A call that is refused for being one too many is tried at most this many times `attempts`."""


@dataclass(slots=True)
class RetryPolicy:
    """Exponential back-off with jitter; `Retry-After` is honoured up to `longest_wait` seconds."""

    attempts: int
    longest_wait: float
    random: random.Random = field(default_factory=random.Random)

    def wait(self, attempt: int, error: ModelError) -> float:
        """Seconds to wait after `attempt` (from 1) failed with `error`."""
        if error.retry_after is not None:
            asked = min(max(error.retry_after, 0.0), self.longest_wait)
            return min(asked * (1 + self.random.random() / 10), self.longest_wait)
        backoff = min(FIRST_WAIT * 2.0 ** min(attempt - 1, 30), LONGEST_BACKOFF, self.longest_wait)
        return backoff * (0.5 + self.random.random() / 2)


@dataclass(slots=True)
class Attempts:
    """Counts the attempts of one call.

    A refusal for being one too many says nothing about the call itself, so it is not counted while the same endpoint
    completes other calls; `PATIENCE` keeps even that finite.
    """

    policy: RetryPolicy
    made: int = 0
    counted: int = 0
    successes_seen: int = -1

    def failed(self, error: ModelError, successes: int) -> bool:
        """Note that an attempt failed; `successes` is the number of calls that the endpoint has completed so far.

        Returns:
            Whether to try again.
        """
        self.made += 1
        progress = 0 <= self.successes_seen < successes
        self.successes_seen = successes
        if not (isinstance(error, RateLimited) and progress):
            self.counted += 1
        limit = self.policy.attempts
        return error.retryable and self.counted < limit and self.made < limit * PATIENCE
