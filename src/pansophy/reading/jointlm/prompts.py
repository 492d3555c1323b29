"""What the joint model reads in its two tasks: a task token, the dialogue, an entity. One model, two kinds of reply."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pansophy.errors import UsageError
from pansophy.reading.jointlm.dialogues import last_turns
from pansophy.reading.jointlm.store import Document, Entity

RETRIEVAL, RESPONSE = "task-1", "task-2"
YES, NO = "yes", "no"
NOTHING = "<struct> <unstruct>"
"""The text of no entity."""

_WORD = re.compile(r"\w\w+")


@dataclass(frozen=True, slots=True)
class PromptSettings:
    """How dialogue and entity are put before the model.

    Args:
        turns: of the dialogue, the last ones.
        documents: of the entity, those that share most words with the user's last utterance; None for all.
        max_tokens: of both; a longer dialogue loses its beginning.
    """

    turns: int = 5  # ours
    documents: int | None = None
    max_tokens: int = 1024  # ours

    def __post_init__(self) -> None:
        if self.turns < 1 or self.max_tokens < 16 or (self.documents is not None and self.documents < 0):
            raise UsageError("turns must be 1 or more, max_tokens 16 or more, documents 0 or more")


@dataclass(frozen=True, slots=True)
class JointPrompt:
    """The task and the dialogue, and the entity's text."""

    dialogue: str
    entity: str


def joint_prompt(
    task: str,
    history: Sequence[str],
    entity: Entity | None,
    settings: PromptSettings,
    count: Callable[[str], int],
) -> JointPrompt:
    """The model's input, fitted into `settings.max_tokens`: words are dropped from the dialogue's beginning on.

    Args:
        task: `RETRIEVAL` or `RESPONSE`.
        history: utterances by turns; the last is the user's.
        entity: None for no entity.
        settings: how much is shown.
        count: the tokens of a text.

    Raises:
        UsageError: the entity alone takes all of the room.
    """
    about = _shown(entity, history, settings.documents).text() if entity is not None else NOTHING
    recent = last_turns(history, settings.turns)
    marked = [
        f"{'<u>' if (len(recent) - place) % 2 else '<r>'} {' '.join(text.split())}" for place, text in enumerate(recent)
    ]
    words = " ".join(marked).split(" ")
    room = settings.max_tokens - count(f"{task} {about}")
    if room < 1:
        raise UsageError(
            f"{entity.name if entity else 'no entity'} takes all of max_tokens={settings.max_tokens}: raise it, or "
            f"show fewer documents (documents={settings.documents})"
        )
    low, high = 0, len(words)  # the fewest words that have to go
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if count(" ".join(words[middle:])) <= room else (middle + 1, high)
    return JointPrompt(f"{task} {' '.join(words[low:])}".strip(), about)


def _shown(entity: Entity, history: Sequence[str], documents: int | None) -> Entity:
    """The entity with the documents nearest to what the user said last, in their order."""
    if documents is None or len(entity.documents) <= documents:
        return entity
    asked = set(_WORD.findall(history[-1].lower())) if history else set()
    order = sorted(entity.documents, key=lambda note: -_shared(note, asked))[:documents]
    return Entity(entity.domain, entity.name, entity.slots, tuple(note for note in entity.documents if note in order))


def _shared(note: Document, words: set[str]) -> float:
    """How many of a document's words the user said, longer documents counting for less."""
    own = set(_WORD.findall(f"{note.title} {note.body}".lower()))
    return len(own & words) / (5 + len(own)) if own else 0.0
