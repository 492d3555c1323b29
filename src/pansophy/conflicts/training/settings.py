"""How a model is trained: light to import, so that a command can read the defaults without torch."""

from __future__ import annotations

from dataclasses import dataclass

from pansophy.errors import UsageError


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """Settings of one stage.

    Args:
        learning_rate: the highest; it falls linearly to 0.
        epochs: how often every row is seen.
        batch: rows of one step.
        at_once: rows computed at the same time, a divisor of `batch`; fewer take less memory. None for all of them.
        max_tokens: of a prompt and its answer; longer rows are left out.
        rank, alpha: of the LoRA matrices, which are put beside every linear layer.
        beta: of DPO, how strongly the model is held to where it began.
        imitation: of DPO, the weight of the preferred answers' own loss (mean of their tokens) beside that of the
            pairs, after Pang et al. 2024, arXiv 2404.19733; it keeps these answers likely. 0 is DPO alone.
        checkpointing: compute activations twice instead of keeping them, which takes less memory.
        save_every: steps from one checkpoint to the next.
        seed: of the matrices and of the order of rows.
    """

    learning_rate: float = 2e-4  # ours
    epochs: float = 3.0  # ours
    batch: int = 16  # ours
    at_once: int | None = None
    max_tokens: int = 512  # ours
    rank: int = 16  # ours
    alpha: int = 32  # ours
    beta: float = 0.1  # ours, DPO's usual value
    imitation: float = 0.0
    checkpointing: bool = False
    save_every: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        positive = ("learning_rate", "epochs", "batch", "max_tokens", "rank", "alpha", "beta", "save_every")
        if wrong := [name for name in positive if getattr(self, name) <= 0]:
            raise UsageError(f"{', '.join(wrong)} must be above 0")
        if self.imitation < 0:
            raise UsageError("imitation must be 0 or more")
        if self.at_once is not None and (self.at_once < 1 or self.batch % self.at_once):
            raise UsageError(f"at_once must divide batch ({self.batch}), and {self.at_once} doesn't")


KAFT = TrainingSettings()
KNOWPO_SFT = TrainingSettings(learning_rate=1e-4, epochs=2, max_tokens=1024)  # ours
KNOWPO_DPO = TrainingSettings(learning_rate=5e-5, epochs=1, max_tokens=1024)  # ours
CONSISTENCY = TrainingSettings(learning_rate=1e-5, epochs=1, batch=128, max_tokens=1024)  # the paper's; length: ours
