"""How ReadAgent reads: its settings, with where each default comes from."""

from __future__ import annotations

from dataclasses import dataclass

from pansophy.errors import UsageError

WAYS = ("parallel", "sequential")


@dataclass(frozen=True, slots=True)
class ReadAgentSettings:
    """How the text is cut, how long gists are, how pages are looked up, how to answer.

    Args:
        chunk_tokens: the most tokens of a page, by estimate; fewer where the window asks for it.
        max_chunks: remember only so many pages, those that fit the question best; None for all.
        gist_tokens: the most tokens of a gist, and reserved for the reply that names a pause.
        look_up: name the pages to look up "parallel" (all in one reply) or "sequential" (one by one, having seen the
            ones before).
        look_ups: the most pages that are looked up; 0 to answer from the gists alone.
        answer_tokens: tokens reserved for the answer, and for a reply that names pages.
        force: answer even after a refusal.
    """

    chunk_tokens: int = 1140  # the authors' code: 600 words
    max_chunks: int | None = None  # the paper remembers everything, or retrieves what the window holds
    gist_tokens: int = 256  # ours; the paper leaves the length to the model
    look_up: str = "parallel"  # the paper's ReadAgent-P; sequential is ReadAgent-S
    look_ups: int = 6  # the authors' code: 1 to 6 pages
    answer_tokens: int = 256  # ours
    force: bool = True  # ours, as ExtAgents' last round does

    def __post_init__(self) -> None:
        for name in ("chunk_tokens", "max_chunks", "gist_tokens", "answer_tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name} must be at least 1, not {value}")
        if self.look_ups < 0:
            raise UsageError(f"look_ups must be at least 0, not {self.look_ups}")
        if self.look_up not in WAYS:
            raise UsageError(f"look_up must be one of {', '.join(WAYS)}, not {self.look_up!r}")
