"""Dialogues to learn from and to measure with: turns of a user and the system, and what the user wants by then."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pansophy.errors import SourceError
from pansophy.evaluation.files import json_objects, write_atomically

Belief = Mapping[str, Mapping[str, str]]
"""By domain, the slots that the user has told values of."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What the user said, what the system replied, and the gold belief in between: needed to learn from, not to answer.

    The domain that is talked of stands first in the belief.
    """

    user: str
    system: str = ""
    belief: Belief = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dialogue:
    """An id and the turns."""

    id: str
    turns: tuple[Turn, ...]

    @property
    def utterances(self) -> tuple[str, ...]:
        return tuple(text for turn in self.turns for text in (turn.user, turn.system) if text)

    def history(self, turn: int) -> tuple[str, ...]:
        """What was said before the system's reply of this turn: by turns user, system, ..., user."""
        before = [text for one in self.turns[:turn] for text in (one.user, one.system)]
        return (*before, self.turns[turn].user)


def read_dialogues(path: str | Path) -> list[Dialogue]:
    """Lines of JSON: {"id": ..., "turns": [{"user": ..., "system": ..., "belief": {domain: {slot: value}}}]}.

    Raises:
        SourceError: the file can't be read, has no dialogue, or a line is none; says which.
    """
    place = Path(path).expanduser()
    found = [
        Dialogue(str(row.get("id", number)), tuple(_turns(row, where)))
        for number, where, row in json_objects(place, "turns")
    ]
    if not found:
        raise SourceError(f"{place} has no dialogues")
    return found


def _turns(row: Mapping[str, Any], where: str) -> Iterator[Turn]:
    turns = row.get("turns")
    if not isinstance(turns, list) or not turns:
        raise SourceError(f"{where} has no turns: expected [{{user: ..., system: ..., belief: {{...}}}}, ...]")
    for turn in turns:
        if not isinstance(turn, Mapping) or not isinstance(turn.get("user"), str):
            raise SourceError(f"{where} has a turn without the text of its user")
        belief = turn.get("belief") or {}
        if not isinstance(belief, Mapping) or not all(isinstance(slots, Mapping) for slots in belief.values()):
            raise SourceError(f"{where} has a belief that isn't {{domain: {{slot: value}}}}")
        told = {str(domain): {str(slot): str(one) for slot, one in slots.items()} for domain, slots in belief.items()}
        yield Turn(turn["user"], str(turn.get("system") or ""), told)


def write_dialogues(dialogues: Iterable[Dialogue], path: str | Path) -> None:
    """As `read_dialogues` reads them. Raises StoreError if the file can't be written."""
    lines = (json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in dialogues)
    write_atomically(Path(path).expanduser(), "".join(lines))


def last_turns(history: Sequence[str], turns: int) -> tuple[str, ...]:
    """The end of a history: the user's last utterance and the `turns - 1` pairs before it."""
    return tuple(history[-(2 * turns - 1) :]) if turns > 0 else ()
