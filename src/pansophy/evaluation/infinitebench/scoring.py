"""InfiniteBench's scores, in the three variants that published numbers were counted with.

`openbmb` is the benchmark's own scorer (OpenBMB/InfiniteBench, src/compute_scores.py), `extagents` and `llmxmapreduce`
are the copies in those systems' repositories. They agree on En.QA, Zh.QA, En.Sum, KV, Code.Run, Math.Find and Math.Calc
and differ elsewhere, by up to thirty points on the same replies: numbers of two variants can't be set side by side.

Departures: where the scorers end with an exception (Math.Find's "3.5" for a whole number), the reply is wrong. The
first number of a Math.Calc reply counts for every model; the scorers skip it for one that they call gpt4. Knows nothing
of files or models.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from pansophy.errors import UsageError
from pansophy.evaluation.metrics import chinese_f1, english_f1

VARIANTS = ("openbmb", "extagents", "llmxmapreduce")

Label = Any
"""A task's gold: a text, a number, a list of numbers (Math.Calc), texts (questions on books and dialogues), or an
option's text and letter."""

_MARKS = re.compile(r"[\n\"'.,?!{}]")
_MARKS_AND_COLONS = re.compile(r"[\n:\"'.,?!{}]")
_LAST_OPTION_OF_FOUR = re.compile(r"\b[A-D]\b(?!.*\b[A-D]\b)")  # of the first line that has one
_LAST_OPTION_OF_TEN = re.compile(r"\b[A-J]\b(?!.*\b[A-J]\b)")


def score(task: str, prediction: str, label: Label, variant: str = "openbmb") -> float:
    """The score of one reply, 0..1.

    Args:
        task: one of InfiniteBench's, such as "longbook_qa_eng".
        prediction: the reply.
        label: the gold, in the form of `Label` that the task has.
        variant: of `VARIANTS`.

    Raises:
        UsageError: there is no such task or variant, or the `rouge-score` package that En.Sum needs is missing.
    """
    if variant not in VARIANTS:
        raise UsageError(f"there is no variant {variant!r} of InfiniteBench's scores: choose one of {_named(VARIANTS)}")
    if task not in _SCORES:
        raise UsageError(f"InfiniteBench has no task {task!r}: choose one of {_named(_SCORES)}")
    return float(_SCORES[task](prediction, label, variant))


def check_rouge() -> None:
    """Make sure that En.Sum can be scored.

    Raises:
        UsageError: the package that scores it is missing; says how to get it.
    """
    try:
        import rouge_score.rouge_scorer  # noqa: F401
    except ImportError:
        raise UsageError("summaries are scored with ROUGE, which needs a package: pip install rouge-score") from None


def _number(prediction: str, label: str, variant: str) -> bool:
    """PassKey, Number: the reply's first run of digits is the label; for llmxmapreduce, any is."""
    runs = re.findall("[0-9]+", prediction)
    return label in (runs if variant == "llmxmapreduce" else runs[:1])


def _value(prediction: str, label: str, variant: str) -> bool:
    return label in _MARKS_AND_COLONS.sub(" ", prediction).split()


def _returned(prediction: str, label: int, variant: str) -> bool:
    """Code.Run: the reply's last word is the label."""
    words = re.sub(r"[\n.`'\":]", " ", prediction).split()
    try:
        return bool(words) and int(words[-1]) == label
    except ValueError:  # the last word is no number
        return False


def _found(prediction: str, label: int | float, variant: str) -> bool:
    """Math.Find: the reply's first number, without its sign, is the label."""
    number = re.search(r"\d+\.\d+|\d+", prediction)
    try:
        return number is not None and type(label)(number[0]) == label
    except ValueError:  # a decimal for a whole number, or more digits than Python reads
        return False


def _calculated(prediction: str, label: Sequence[int], variant: str) -> float:
    """Math.Calc: the share of steps that are right before the first wrong one. Signs are lost in the reply alone."""
    right = 0
    for number, step in zip(re.findall("[0-9]+", prediction), label, strict=False):
        if (number.lstrip("0") or "0") != str(step):
            break
        right += 1
    return right / len(label)


def _character(prediction: str, label: Sequence[str], variant: str) -> bool:
    """En.Dia: the first name is one of the reply's words; in the copies, any name stands somewhere in the reply."""
    if variant == "openbmb":
        return label[0] in _MARKS_AND_COLONS.sub(" ", prediction).upper().split()
    return any(name.upper() in prediction.strip().upper() for name in label)


def _choice(prediction: str, label: Sequence[str], variant: str) -> bool:
    """En.MC: the option's letter or text, stated in one of several ways, of which the first that occurs counts."""
    reply = prediction.strip()
    if variant != "openbmb" and (last := _LAST_OPTION_OF_FOUR.search(reply)) and last[0] in label:
        return True
    if not reply or reply[0] in "ABCD":
        return reply[:1] in label
    if reply in label:
        return True
    reply = _single_blanks(_MARKS.sub(" ", reply))
    prefixes: tuple[str, ...] = ("answer is:", "answer:", "answer is", "option is")
    if variant == "llmxmapreduce":
        prefixes = ("Answer:", *prefixes)
    if (stated := _stated(reply, prefixes)) is not None:
        return stated.startswith(tuple(label))
    return next((word in label for word in reply.split() if word in "ABCD"), False)


def _bug(prediction: str, label: Sequence[str], variant: str) -> bool:
    """Code.Debug: the option's letter or its function's name, at the beginning or after words such as "answer is:"."""
    function, letter = label
    reply = prediction.strip()
    if variant == "openbmb":
        if reply[:2] in (f"{letter}.", f"{letter}:"):
            return True
    elif (last := _LAST_OPTION_OF_TEN.search(reply)) and last[0] == letter:
        return True
    reply = _single_blanks(re.sub(r"[\n`'\"*-]|[Oo]ption", " ", reply))
    if variant != "openbmb" and reply.startswith((letter, function)):
        return True
    prefixes: tuple[str, ...] = ("answer is:", "is:", "answer:")
    if variant == "llmxmapreduce":
        prefixes = ("answer is:", "Answer:", "is:", "answer:")
    return (_stated(reply, prefixes) or "").startswith((letter, function))


def _summary(prediction: str, label: Sequence[str], variant: str) -> float:
    """En.Sum: ROUGE-Lsum without stemming, the best over the golds."""
    check_rouge()
    from rouge_score.rouge_scorer import RougeScorer

    return float(RougeScorer(["rougeLsum"]).score_multi(list(label), prediction)["rougeLsum"].fmeasure)


def _stated(reply: str, prefixes: Sequence[str]) -> str | None:
    """What follows the first prefix (in their order) that the reply has, and one character; None without a prefix."""
    for prefix in prefixes:
        if (at := reply.find(prefix)) >= 0:
            return reply[at + len(prefix) + 1 :]
    return None


def _single_blanks(text: str) -> str:
    return re.sub(" {2,}", " ", text)


def _named(names: Sequence[str] | dict[str, Any]) -> str:
    return ", ".join(names)


_SCORES: dict[str, Callable[[str, Any, str], float]] = {
    "passkey": _number,
    "number_string": _number,
    "kv_retrieval": _value,
    "longbook_qa_eng": lambda prediction, label, variant: english_f1(prediction, label),
    "longbook_qa_chn": lambda prediction, label, variant: chinese_f1(prediction, label),
    "longbook_choice_eng": _choice,
    "longbook_sum_eng": _summary,
    "longdialogue_qa_eng": _character,
    "math_find": _found,
    "math_calc": _calculated,
    "code_run": _returned,
    "code_debug": _bug,
}
