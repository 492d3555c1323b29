"""Answers that training needs: what a model says on its own, before, and what it says to rows, afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pansophy.conflicts.closed_book import few_shot_prompt
from pansophy.conflicts.decoding import Decoding, TwoStreamDecoder, decode
from pansophy.conflicts.training.items import Item
from pansophy.conflicts.training.rows import Example, Pair
from pansophy.conflicts.training.train import prompts_of
from pansophy.evaluation.files import append_line, drop_torn_line, read_lines
from pansophy.models.white_box import WhiteBoxModel
from pansophy.types import ChatMessage

Count = Callable[[int, int], None]
"""Told how many of how many are done."""


def own_answers(
    model: WhiteBoxModel,
    items: Sequence[Item],
    kept: str | Path | None = None,
    *,
    batch: int = 16,
    max_new_tokens: int = 16,
    on_progress: Count | None = None,
) -> dict[str, str]:
    """What a model says to each question without a text, greedily, by the items' ids.

    Args:
        model: which is asked by `few_shot_prompt`, as a chat if it has a template.
        items: what is asked.
        kept: a file of JSON lines that keeps the answers, so that no question is asked again.
        batch: questions at a time.
        max_new_tokens: of an answer; its first line counts.
        on_progress: called after each batch.

    Raises:
        RunError: the file is damaged; says where.
        StoreError: it can't be written.
    """
    path = None if kept is None else Path(kept).expanduser()
    known: dict[str, str] = {}
    if path is not None:
        drop_torn_line(path)
        told = read_lines(path, lambda row: (row["model"], row["question"], row["answer"]))
        known = {question: answer for name, question, answer in told if name == model.identity}
    asked = [question for question in dict.fromkeys(item.question for item in items) if question not in known]
    decoding = Decoding(max_new_tokens=max_new_tokens)
    for begin in range(0, len(asked), batch):
        questions = asked[begin : begin + batch]
        prompts = [_put(model, few_shot_prompt(question)) for question in questions]
        replies = decode(model, prompts, prompts, None, decoding, share=True)  # the examples shown are the longest part
        for question, reply in zip(questions, replies, strict=True):
            known[question] = reply.text.strip()
            if path is not None:
                append_line(path, {"model": model.identity, "question": question, "answer": known[question]})
        if on_progress is not None:
            on_progress(begin + len(questions), len(asked))
    return {item.id: known[item.question] for item in items}


def _put(model: WhiteBoxModel, messages: Sequence[ChatMessage]) -> str:
    if model.tokenizer.chat_template:
        return model.chat_prompt(messages)
    return "\n".join(message.content for message in messages)


def answer_rows(
    model: WhiteBoxModel,
    rows: Sequence[Example | Pair],
    *,
    batch: int = 8,
    max_new_tokens: int = 24,
    on_progress: Count | None = None,
) -> list[str]:
    """What a model says to the rows' questions with their contexts: greedily, put as in training."""
    decoder = TwoStreamDecoder(model, prompts_of(model))
    decoding = Decoding(max_new_tokens=max_new_tokens)
    order = sorted(range(len(rows)), key=lambda place: len(rows[place].context))  # like lengths together: less padding
    replies = [""] * len(rows)
    for begin in range(0, len(rows), batch):
        places = order[begin : begin + batch]
        asked = [rows[place] for place in places]
        said = decoder.generate_all([row.question for row in asked], [row.context for row in asked], decoding=decoding)
        for place, reply in zip(places, said, strict=True):
            replies[place] = reply.text.strip()
        if on_progress is not None:
            on_progress(begin + len(places), len(rows))
    return replies
