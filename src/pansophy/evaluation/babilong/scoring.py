"""Whether a reply is right, as the benchmark's own `compare_answers` decides it. Knows nothing of how it was obtained.

An older scorer in circulation merely looks whether the answer stands somewhere in the reply: numbers from the two can't
be set beside each other.
"""

from __future__ import annotations

from pansophy.errors import UsageError
from pansophy.evaluation.babilong.tasks import LABELS

VARIANT = "babilong-compare_answers"


def compare_answers(reply: str, target: str, question: str, task: str) -> bool:
    """Whether `reply` names the target's labels and no other.

    The reply is lower-cased and cut at its first full stop and at "<context>" and "<example>". The task's labels that
    stand in what is left, without those that stand in the question, must be exactly the target's (several with commas
    between in qa8). Labels are looked for as strings, as the benchmark does: "none" also says "one", so that this
    answer of qa7 is never right.

    Raises:
        UsageError: there is no such task.
    """
    if task not in LABELS:
        raise UsageError(f"there is no task {task!r}: choose one of {', '.join(LABELS)}")
    said = reply.lower().split(".")[0].split("<context>")[0].split("<example>")[0]
    asked = question.lower()
    found = {label for label in LABELS[task] if label in said and label not in asked}
    return found == set(target.lower().split(","))
