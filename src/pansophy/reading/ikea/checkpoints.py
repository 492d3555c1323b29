"""What a training leaves on disk while it goes on: a log of a line a step, and checkpoints to go on from.

Knows nothing of what is learnt.
"""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import torch

from pansophy.conflicts.training.folder import CHECKPOINTS, last_checkpoint
from pansophy.errors import RunError, StoreError
from pansophy.evaluation.files import drop_torn_line, read_lines, write_atomically, write_json
from pansophy.reading.ikea.learning import Learner

LOG = "log.jsonl"


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The lines of the steps that are done. Raises RunError if one is damaged."""
    return read_lines(folder / LOG, dict)


def save(folder: Path, learner: Learner, step: int) -> None:
    """A checkpoint after so many steps; what comes last in it says that it is whole. The two newest are kept.

    Raises:
        StoreError: it can't be written.
    """
    place = folder / CHECKPOINTS / f"checkpoint-{step}"
    try:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        torch.save(learner.state(), place / "state.pt")
    except (OSError, RuntimeError) as error:
        raise StoreError(f"can't write the checkpoint {place}: {error}") from error
    write_json(place / "trainer_state.json", {"step": step})
    for old in sorted(place.parent.glob("checkpoint-*"), key=lambda path: int(path.name.partition("-")[2]))[:-2]:
        shutil.rmtree(old, ignore_errors=True)


def resume(folder: Path, learner: Learner) -> int:
    """Take up the newest checkpoint and drop what the log tells of later steps; the number of steps that are done.

    Raises:
        RunError: it is damaged.
    """
    place, step = last_checkpoint(folder / CHECKPOINTS), 0
    if place is not None:
        try:
            learner.load(torch.load(Path(place) / "state.pt", map_location="cpu", weights_only=True))
            step = int(json.loads((Path(place) / "trainer_state.json").read_text("utf-8"))["step"])
        except (OSError, ValueError, KeyError, RuntimeError, pickle.UnpicklingError) as error:
            first = next(iter(str(error).splitlines()), type(error).__name__)
            raise RunError(f"the checkpoint {place} can't be read ({first}); delete it") from error
    drop_torn_line(folder / LOG)
    told = [line for line in read_log(folder) if line["step"] <= step]
    write_atomically(folder / LOG, "".join(json.dumps(line) + "\n" for line in told))
    return step
