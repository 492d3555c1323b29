"""What a model is shown: parts that are texts or paths of images, in reading order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pansophy.conflicts.mmkc.items import LETTERS, Item
from pansophy.conflicts.reader import Part


class Setting(StrEnum):
    """What stands before the question: nothing, one false text (context against memory), or two that disagree."""

    ORIGINAL = "original"
    CONTEXT_MEMORY = "context_memory"
    INTER_CONTEXT = "inter_context"


class Form(StrEnum):
    """How an answer is asked for."""

    CHOICE = "choice"
    OPEN = "open"


INSTRUCTIONS = {
    Form.CHOICE: "Answer with the letter of the right option only.",
    Form.OPEN: "Answer with a single word or phrase.",
}
INFORMATION = "Here is external information:"


def question_parts(item: Item, setting: Setting, form: Form, *, images: bool = True) -> list[Part]:
    """The external information, if any, and the question.

    Args:
        item: the fact.
        setting: which external information.
        form: how the answer is asked for.
        images: show the item's images, where it has any.
    """
    shown = item.images if images else ()
    told = {Setting.ORIGINAL: 0, Setting.CONTEXT_MEMORY: 1, Setting.INTER_CONTEXT: 2}[setting]
    parts: list[Part] = [INFORMATION] if told else []
    for number in range(told):
        parts += [*shown[number + 1 : number + 2], item.conflict_texts[number]]
    asked = item.question
    if form is Form.CHOICE:
        asked += "".join(f"\n{letter}. {option}" for letter, option in zip(LETTERS, item.options, strict=True))
    return [*parts, f"{asked}\n{INSTRUCTIONS[form]}", *shown[:1]]


@dataclass(frozen=True, slots=True)
class DetectionPrompt:
    """Asks whether a text conflicts with what the model knows. `yes_is_conflict` says which way round it asks."""

    instruction: str
    yes_is_conflict: bool

    def conflict_in(self, reply: str) -> bool | None:
        """Whether a reply says that there is a conflict; None when it says neither yes nor no."""
        words = reply.strip().strip("*\"'([ ").lower()
        for word, means in (("yes", self.yes_is_conflict), ("no", not self.yes_is_conflict)):
            if words.startswith(word) and not words[len(word) : len(word) + 1].isalnum():
                return means
        return None


AGREES = DetectionPrompt("Read this. Say Yes if it agrees with what you remember, No if it doesn't.", False)
"""As the released prompt asks."""
CONFLICTS = DetectionPrompt("Read this. Say Yes if it conflicts with what you remember, No if it doesn't.", True)
"""As the paper asks."""


def detection_parts(
    item: Item, prompt: DetectionPrompt, *, conflict: bool, fine: bool, images: bool = True
) -> Sequence[Part]:
    """A true or false text, or only its sentence that says the answer (`fine`), to be judged."""
    if fine:
        text = item.conflict_sentence if conflict else item.sentence
    else:
        text = item.conflict_texts[0] if conflict else item.text
    return [prompt.instruction, *(item.images[:1] if images else ()), text]
