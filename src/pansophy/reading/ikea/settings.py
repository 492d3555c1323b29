"""How the agent reads and how it is trained: light to import, so that a command can read the defaults without torch."""

from __future__ import annotations

from dataclasses import dataclass

from pansophy.errors import UsageError


@dataclass(frozen=True, slots=True)
class IkeaSettings:
    """How a question is answered.

    Args:
        rounds: generations in which the agent may search; one more follows in which it has to answer.
        max_chunks: passages that a search brings.
        reply_tokens: the most tokens of a generation.
        observation_tokens: the most tokens of a search's passages; fewer where the window asks for it.
        temperature: of the generations.
        search_seconds: after which a search counts as without result; None waits.
        instructions: what the agent is told before the question; None for the usual.
    """

    rounds: int = 3  # the authors' script
    max_chunks: int = 3  # the authors' script
    reply_tokens: int = 500  # the authors' script
    observation_tokens: int = 500  # the authors' script
    temperature: float = 0.0  # ours, as all strategies; training draws at 1
    search_seconds: float | None = None
    instructions: str | None = None

    def __post_init__(self) -> None:
        for name in ("max_chunks", "reply_tokens", "observation_tokens"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.rounds < 0 or self.temperature < 0:
            raise UsageError(f"rounds and temperature must be at least 0, not {self.rounds} and {self.temperature}")
        if self.search_seconds is not None and self.search_seconds <= 0:
            raise UsageError(f"search_seconds must be above 0, not {self.search_seconds}")


@dataclass(frozen=True, slots=True)
class GrpoSettings:
    """How the agent is trained. The authors' script trains all weights of 3 to 8 billion parameters on eight GPUs;
    what is marked as ours suits an adapter on one machine.

    Args:
        steps: batches of questions; the questions are taken in turn, in a new order each time all have been.
        questions: of a step.
        group: episodes of a question.
        updates: into how many parts a step's episodes are divided, each of which changes the weights once.
        learning_rate: the highest.
        warm_up: the share of the steps in which it rises to that.
        by_deviation: divide advantages by the group's standard deviation.
        clip: how far the ratio of probabilities may leave 1.
        entropy_weight, divergence_weight: of these two in the loss.
        temperature: of the episodes' generations.
        rank, alpha: of the LoRA matrices, which are put beside every linear layer.
        at_once: episodes computed at the same time; fewer take less memory.
        save_every: steps from one checkpoint to the next.
        seed: of everything that is drawn.
    """

    steps: int = 120  # the authors evaluate this checkpoint
    questions: int = 8  # ours; 256 in the authors' script
    group: int = 16  # the authors' script
    updates: int = 1  # the authors' script: a mini-batch is a batch
    learning_rate: float = 1e-5  # ours, for an adapter; 1e-7 for all weights in the authors' script
    warm_up: float = 0.1  # ours; 0.75 in the authors' script
    by_deviation: bool = True  # the authors' code
    clip: float = 0.2  # the authors' script
    entropy_weight: float = 0.001  # the authors' script
    divergence_weight: float = 0.001  # the authors' script
    temperature: float = 1.0  # the authors' script
    rank: int = 16  # ours
    alpha: int = 32  # ours
    at_once: int = 8  # ours
    save_every: int = 30  # the authors' script
    seed: int = 0

    def __post_init__(self) -> None:
        positive = (
            "steps", "questions", "group", "updates", "learning_rate", "clip", "temperature", "rank", "alpha",
            "at_once", "save_every",
        )  # fmt: skip
        if wrong := [name for name in positive if getattr(self, name) <= 0]:
            raise UsageError(f"{', '.join(wrong)} must be above 0")
        if self.group < 2:
            raise UsageError("an episode is compared with others of its question: group must be at least 2")
        if not 0 <= self.warm_up <= 1:
            raise UsageError(f"warm_up is a share of the steps, 0 to 1, not {self.warm_up}")
        if min(self.entropy_weight, self.divergence_weight) < 0:
            raise UsageError("entropy_weight and divergence_weight must be at least 0")
        if self.updates > self.questions * self.group:
            raise UsageError(f"there are not {self.updates} parts in {self.questions * self.group} episodes")
