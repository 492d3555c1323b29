"""What models are shown, and what is read from their replies: the paper's form in our words, as pure functions.

Examples are earlier turns of the chat. A model without a chat template reads them as lines, as in the paper.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pansophy.reading.chroknowledge.bench import ChronoBench
from pansophy.reading.chroknowledge.facts import TIMELESS, TimelineFact
from pansophy.types import ChatMessage

SLOT = "[Object]"
LEAD = "A. "
LETTERS = "abcd"

Shown = tuple[str, str]
"""What is asked, and the right reply."""


@dataclass(frozen=True, slots=True)
class Template:
    """A way of asking. `show` has what is asked of a fact at a stamp, and the right reply to the prompt `draw`."""

    name: str
    told: str
    show: Callable[[ChronoBench, TimelineFact, str, int], Shown]


def question(fact: TimelineFact, stamp: str) -> str:
    """What is asked of a fact at a stamp, in one line."""
    asked = fact.questions.get(stamp) or f"{fact.subject}, {fact.relation}, {SLOT}"
    return asked if stamp == TIMELESS else f"In {stamp}, {asked}"


def _generation(bench: ChronoBench, fact: TimelineFact, stamp: str, draw: int) -> Shown:
    return question(fact, stamp), LEAD + fact.objects[stamp][0]


def _choice(bench: ChronoBench, fact: TimelineFact, stamp: str, draw: int) -> Shown:
    options, right = bench.options(fact, stamp, draw)
    listed = [f"({letter}) {option}" for letter, option in zip(LETTERS, options, strict=False)]
    return f"{question(fact, stamp)} {', '.join(listed)}", LEAD + listed[right]


def _true_false(bench: ChronoBench, fact: TimelineFact, stamp: str, draw: int) -> Shown:
    said = question(fact, stamp)
    said = said.replace(SLOT, fact.objects[stamp][0]) if SLOT in said else f"{said} {fact.objects[stamp][0]}"
    return f"{said}. True or false?", LEAD + "true"


def _false(bench: ChronoBench, fact: TimelineFact, stamp: str, draw: int) -> Shown:
    """The same with a wrong object: every other example is one, lest all that is ever shown is true."""
    options, right = bench.options(fact, stamp, draw)
    asked, _ = _true_false(bench, fact, stamp, draw)
    head, _, tail = asked.rpartition(options[right])
    return f"{head}{options[right - 1]}{tail}", LEAD + "false"


TEMPLATES = {
    one.name: one
    for one in (
        Template("generation", f"Say what belongs in place of {SLOT}, in the form of the examples.", _generation),
        Template("choice", f"Choose what belongs in place of {SLOT}, in the form of the examples.", _choice),
        Template("true_false", "Say whether the statement is true or false, in the form of the examples.", _true_false),
    )
}


def probe_prompt(
    bench: ChronoBench, fact: TimelineFact, stamp: str, draw: int, *, shots: int, template: str
) -> list[ChatMessage]:
    """Examples of the same relation and stamp, then the question."""
    way = TEMPLATES[template]
    messages = [ChatMessage("system", way.told)]
    for number, example in enumerate(bench.examples(fact, stamp, draw, shots)):
        show = _false if way.name == "true_false" and number % 2 else way.show
        asked, reply = show(bench, example, stamp, draw)
        messages += [ChatMessage("user", asked), ChatMessage("assistant", reply)]
    return [*messages, ChatMessage("user", way.show(bench, fact, stamp, draw)[0])]


def probed_answer(reply: str) -> str | None:
    """The answer of a probe: what stands behind "A. " in the first line; None for a reply that begins otherwise."""
    first = reply.strip().split("\n")[0]
    return first.removeprefix(LEAD).strip() if first.startswith(LEAD) else None


FIRST_ROLE = (
    "Answer the line that begins with Candidate by what the other lines say of other times. Output only the answer."
)
LATER_ROLE = (
    "The line that begins with Candidate has an answer. By what the other lines say of other times, keep it if it is "
    "right, else give a new one. Output only the answer."
)
OPENERS = ("sure", "understood", "yes", "certainly", "of course", "okay", "ok", "absolutely", "got it")

_OPENER = re.compile(rf"^\s*(?:(?:{'|'.join(OPENERS)})\b\s*[!.,:;-]+\s*)+", re.IGNORECASE)
_ANSWER = re.compile(
    r"(?:^|\n)\s*(?:candidate\s+)?a\.\s+(.+)|\banswers?\s*:\s*(.+)|\b(?:answer|candidate)\s+is\s*:?\s+(.+)",
    re.IGNORECASE,
)


def neighbours_prompt(
    before: Sequence[Shown], asked: str, candidate: str | None, after: Sequence[Shown]
) -> list[ChatMessage]:
    """Earlier stamps with their answers, the asked one with its candidate (None at first), and later ones."""
    lines = [*_lines(before), asked, f"Candidate {LEAD}{SLOT if candidate is None else candidate}", *_lines(after)]
    role = FIRST_ROLE if candidate is None else LATER_ROLE
    return [ChatMessage("system", role), ChatMessage("user", "\n".join(lines))]


def _lines(shown: Sequence[Shown]) -> list[str]:
    return [line for asked, answer in shown for line in (asked, LEAD + answer)]


def candidate_in(reply: str) -> str:
    """The answer in a reply to `neighbours_prompt`; the whole reply where none is marked as one."""
    plain = without_opener(reply)
    found = _ANSWER.search(plain)
    answer = next(group for group in found.groups() if group) if found else plain
    return " ".join(answer.split()).strip("\"'* ")


def without_opener(reply: str) -> str:
    """A reply without what people say before they answer: "Sure!", "Understood.", "Yes, "; never left empty."""
    return _OPENER.sub("", reply).strip() or reply.strip()
