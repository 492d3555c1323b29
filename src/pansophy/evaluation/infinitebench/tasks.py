"""InfiniteBench's tasks: what is asked in each, and how its gold answer is written. Knows nothing of replies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pansophy.errors import SourceError, UsageError
from pansophy.evaluation.datasets.files import Entry

LETTERS = "ABCD"

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Task:
    """`rows` is how many the published file has, `label` reads the gold answer as `scoring.score` takes it.

    `asks` stands in for a question that the file leaves empty ("": it must have one), `closing` follows it.
    """

    rows: int
    label: Callable[[Entry], Any]
    scorer_name: str = "infinitebench-en"
    asks: str = ""
    closing: str = ""

    def question(self, entry: Entry) -> str:
        """What a strategy is asked; the options of a choice are part of it.

        Raises:
            SourceError: the question or an option is missing.
        """
        given = entry.fields.get("input", "")
        asked = self.asks if self.asks and given == "" else entry.text("input")
        if self.label is _option:
            options = zip(LETTERS, _options(entry), strict=True)
            asked += "\n" + "\n".join(f"{letter}. {text}" for letter, text in options)
        return f"{asked}\n{self.closing}".rstrip()


def task_of(path: str | Path, task: str | None = None) -> str:
    """The task that a file belongs to: `task` when given, else the one that its name has in it.

    Raises:
        UsageError: there is no such task, or the name says none.
    """
    named = [name for name in TASKS if name in Path(path).stem]
    if task is None and len(named) == 1:
        return named[0]
    if task in TASKS:
        return str(task)
    wrong = f"InfiniteBench has no task {task!r}" if task else f"the name of {Path(path).name} says no task: give it"
    raise UsageError(f"{wrong}; there are {', '.join(TASKS)}")


def answers_of(label: Any) -> tuple[str, ...]:
    """A label as gold answers for F1 and containment."""
    if isinstance(label, tuple) and all(isinstance(one, str) for one in label):
        return label
    return (", ".join(map(str, label)) if isinstance(label, tuple) else str(label),)


def _texts(entry: Entry) -> tuple[str, ...]:
    return entry.texts("answer")


def _text(entry: Entry) -> str:
    return _single(entry, entry.texts("answer"))


def _option(entry: Entry) -> tuple[str, str]:
    """The right option's text and letter."""
    options, answer = _options(entry), entry.texts("answer")
    if answer[0] not in options:
        raise SourceError(f"{entry.where}: the 'answer' {answer[0]!r} is none of the 'options'")
    letter = LETTERS[options.index(answer[0])]
    if answer[1:] not in ((), (letter,)):
        raise SourceError(f"{entry.where}: 'answer' must be an option's text, or its text and letter")
    return answer[0], letter


def _options(entry: Entry) -> tuple[str, ...]:
    options = entry.texts("options")
    if len(options) != len(LETTERS):
        raise SourceError(f"{entry.where}: 'options' must be four texts, not {len(options)}")
    return options


def _number(entry: Entry) -> int | float:
    return _single(entry, _numbers(entry))


def _numbers(entry: Entry) -> tuple[int | float, ...]:
    value = entry.fields.get("answer")
    while isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        value = value[0]
    numbers = tuple(_as_number(one) for one in (value if isinstance(value, list) else [value]))
    found = tuple(number for number in numbers if number is not None)
    if not found or len(found) < len(numbers):
        raise SourceError(f"{entry.where} has no 'answer': expected a number or a list of numbers")
    return found


def _as_number(value: Any) -> int | float | None:
    if isinstance(value, str):  # as exports with one type for all tasks write it
        for kind in (int, float):
            try:
                return kind(value)
            except ValueError:
                continue
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _single(entry: Entry, values: Sequence[Value]) -> Value:
    if len(values) != 1:
        raise SourceError(f"{entry.where}: 'answer' must be one, not {len(values)}")
    return values[0]


_ONE_LETTER = "Answer with one letter: A, B, C or D."

TASKS = {
    "passkey": Task(590, _text),
    "number_string": Task(590, _text),
    "kv_retrieval": Task(500, _text),
    "longbook_sum_eng": Task(103, _texts, asks="Summarise the book."),
    "longbook_qa_eng": Task(351, _texts),
    "longbook_choice_eng": Task(229, _option, "option-letter", closing=_ONE_LETTER),
    "longdialogue_qa_eng": Task(
        200,
        _texts,
        asks="Which character is $$MASK$$?",
        closing="Answer with the name alone, as it stands before the character's lines.",
    ),
    "longbook_qa_chn": Task(189, _texts, "infinitebench-zh"),
    "math_find": Task(350, _number),
    "math_calc": Task(
        50,
        _numbers,
        asks="What are the intermediate values of the expression, after each operation?",
        closing="Answer with the list of numbers, in their order, and nothing else.",
    ),
    "code_run": Task(400, _number),
    "code_debug": Task(
        394, _option, "option-letter", asks="Which function has the deliberate error?", closing=_ONE_LETTER
    ),
}
