"""Answers that training needs: what a model says on its own, before, and what it says to rows, afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pansophy.conflicts.closed_book import Prompt, closed_book_prompt
from pansophy.conflicts.decoding import Decoding, TwoStreamDecoder
from pansophy.conflicts.sampling import Sampler
from pansophy.conflicts.training.items import Item
from pansophy.conflicts.training.rows import Row
from pansophy.conflicts.training.train import prompts_of
from pansophy.models.white_box import WhiteBoxModel
from pansophy.types import ChatMessage

Count = Callable[[int, int], None]
"""Told how many of how many are done."""


SHOTS = (
    ("Who painted the Mona Lisa?", "Leonardo da Vinci"),
    ("What is the capital of Japan?", "Tokyo"),
    ("What sport does Serena Williams play?", "tennis"),
)
"""What a short answer looks like."""


def few_shot_prompt(question: str) -> list[ChatMessage]:
    """A question behind three that are answered in a word or two: small models answer at length otherwise."""
    turns = []
    for asked, said in SHOTS:
        turns += [*closed_book_prompt(asked), ChatMessage("assistant", said)]
    return [*turns, *closed_book_prompt(question)]


async def own_answers(
    items: Sequence[Item],
    sampler: Sampler,
    *,
    prompt: Prompt = few_shot_prompt,
    max_tokens: int = 20,
    on_progress: Count | None = None,
) -> dict[str, str]:
    """The first line of what a model says to each question without a text, greedily, by the items' ids.

    Args:
        items: what is asked.
        sampler: the model; a `CachedSampler` asks it only once.
        prompt: how it is asked.
        max_tokens: of an answer.
        on_progress: called after each item.
    """
    found = {}
    for number, item in enumerate(items, start=1):
        (said,) = await sampler.sample(prompt(item.question), count=1, temperature=0.0, max_tokens=max_tokens, seed=0)
        found[item.id] = next(iter(said.text.strip().splitlines()), "").strip()
        if on_progress is not None:
            on_progress(number, len(items))
    return found


def answer_rows(
    model: WhiteBoxModel,
    rows: Sequence[Row],
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
