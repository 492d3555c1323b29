"""Measure a search agent on questions: a row for each, gone on with where it broke off, and the sums.

Answers are judged by exact match alone, whatever the form, as the paper does outside training.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pansophy.errors import UsageError
from pansophy.evaluation import provenance
from pansophy.evaluation.files import append_line, drop_torn_line, read_lines, write_json
from pansophy.reading.ikea.boundary import Question, claim
from pansophy.reading.ikea.measures import Outcome, summary
from pansophy.reading.ikea.reward import IkeaReward
from pansophy.reading.ikea.writing import NetworkAgent, Rollout

CARD, ROWS = "measure.json", "rows.jsonl"


def measure(
    agent: NetworkAgent,
    questions: Sequence[Question],
    output: str | Path,
    *,
    at_once: int = 8,
    searched: str = "",
    on_progress: Callable[[int, int, Mapping[str, Any]], None] | None = None,
) -> dict[str, float | int | None]:
    """The measures of `measures.summary` over all questions, written into the folder `output` with a row for each.

    Args:
        agent: who answers.
        questions: with gold answers, and pass rates where decisions are to be measured.
        output: the folder; a question that has a row there isn't asked again.
        at_once: questions asked together.
        searched: says what the agent searches, so that a folder isn't gone on with over something else.
        on_progress: told how many of how many are done, and each row.

    Raises:
        UsageError: there are no questions.
        RunError: the folder has results of another agent or other questions.
        StoreError: it can't be written.
    """
    if not questions:
        raise UsageError("there are no questions to measure with")
    folder = Path(output).expanduser()
    card = {**_card(agent, questions), "searched": searched}
    claim(folder / CARD, card)
    drop_torn_line(folder / ROWS)
    rows = {row["id"]: row for row in read_lines(folder / ROWS, dict)}
    left = [one for one in questions if one.id not in rows]
    for begin in range(0, len(left), at_once):
        asked = left[begin : begin + at_once]
        played = agent.play([one.question for one in asked], begin)
        for question, rollout in zip(asked, played, strict=True):
            rows[question.id] = _row(question, rollout)
            append_line(folder / ROWS, rows[question.id])
            if on_progress is not None:
                on_progress(len(rows), len(questions), rows[question.id])
    told = summary(
        Outcome(row["exact_match"], row["searches"], row["malformed"], row["reward"], row["label"])
        for row in rows.values()
    )
    made = {"machine": provenance.machine(), "versions": provenance.versions(), "finished": provenance.now()}
    write_json(folder / CARD, {**card, **made, "measures": told})
    return told


def _row(question: Question, rollout: Rollout) -> dict[str, Any]:
    episode = rollout.episode
    judged = IkeaReward().judge(episode.transcript, question.answers)
    return {
        "id": question.id,
        "label": question.label,
        "exact_match": judged.exact,
        "searches": episode.searches,
        "malformed": judged.malformed,
        "reward": judged.reward,
        "answer": judged.answer,
        "tokens": rollout.written,
        "transcript": episode.transcript,
    }


def _card(agent: NetworkAgent, questions: Sequence[Question]) -> dict[str, Any]:
    rows = json.dumps([one.to_dict() for one in questions]).encode()
    return {
        "model": agent.model.identity,
        "questions": len(questions),
        "sha256": hashlib.sha256(rows).hexdigest(),
        "max_turns": agent.env.max_turns,
        "topk": agent.env.topk,
        "reply_tokens": agent.reply_tokens,
        "temperature": agent.temperature,
    }
