"""How well a model tells the chunks that a question needs from those that it doesn't, by what it says and by how sure
it is.

    python benchmarks/seeking_styles.py --model qwen2.5-coder-0.5b --data PATH/hotpotqa-100 --offset 70 --limit 10

For each question the first eight chunks of the search are read by a seeking agent in both styles ("statements": it
words, quotes and rates; "extracts": it says yes or no). Written are the chance that a needed chunk is rated above an
unneeded one of the same question (AUC; 0.5 is blind), the same for the search's order and for both fused, the share of
statements whose quote stands in its chunk, and what a call costs. Questions of the reported benchmark aren't used.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from pansophy.corpus import Corpus
from pansophy.corpus.pages import pages_by_rank
from pansophy.engine import Engine
from pansophy.evaluation.datasets import load_hotpotqa
from pansophy.evaluation.provenance import command, machine, now, versions
from pansophy.models import open_model
from pansophy.models.base import ChatModel
from pansophy.reading.extagents.messages import fused
from pansophy.reading.extagents.seeking import SeekingAgents
from pansophy.reading.quotes import locate
from pansophy.reading.strategy import Session

CHUNKS = 8


def auc(needed: Sequence[float], others: Sequence[float]) -> list[float]:
    """For each pair: 1 when the needed one is rated higher, 0.5 when equal."""
    return [(a > b) + 0.5 * (a == b) for a in needed for b in others]


async def read(
    style: str, model: ChatModel, corpus: Corpus, questions: Sequence[tuple[str, set[str]]]
) -> dict[str, object]:
    by_rating: list[float] = []
    by_search: list[float] = []
    by_both: list[float] = []
    verbatim: list[bool] = []
    calls = tokens = prefilled = 0
    seconds = 0.0
    for question, needed in questions:
        engine = Engine()
        session = Session(question, corpus, engine, None, None)
        judge = style == "extracts"
        agents = SeekingAgents(session, model, "en", judge, 256, 1000, exclude_empty=False, cap=None)
        pages = pages_by_rank(corpus, question, 400, CHUNKS)
        found = await asyncio.gather(*(agents.read(number, page, 1, ()) for number, page in enumerate(pages)))
        ratings = [message.rating if message else 0.0 for message in found]
        gold = [page.pieces[0].document in needed for page in pages]
        if not judge:
            verbatim += [
                locate(message.quote, page.text) is not None
                for message, page in zip(found, pages, strict=True)
                if message
            ]
        order = fused(list(range(len(pages))), ratings)
        scores = {
            "rating": ratings,
            "search": [-number for number in range(len(pages))],
            "both": [-order.index(number) for number in range(len(pages))],
        }
        for name, into in (("rating", by_rating), ("search", by_search), ("both", by_both)):
            values = scores[name]
            into += auc(
                [v for v, g in zip(values, gold, strict=True) if g],
                [v for v, g in zip(values, gold, strict=True) if not g],
            )
        calls += engine.usage.calls
        tokens += engine.usage.completion_tokens
        prefilled += engine.usage.prefilled_tokens
        seconds += engine.usage.seconds
    return {
        "style": style,
        "auc_rating": round(mean(by_rating), 3),
        "auc_search": round(mean(by_search), 3),
        "auc_both": round(mean(by_both), 3),
        "statements_kept": round(len(verbatim) / calls, 3) if verbatim else None,
        "calls": calls,
        "completion_tokens_per_call": round(tokens / calls, 1),
        "prefilled_tokens_per_call": round(prefilled / calls, 1),
        "seconds_per_call": round(seconds / calls, 2),
    }


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="qwen2.5-coder-0.5b")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--offset", type=int, default=70)
    parser.add_argument("--limit", type=int, default=10)
    parser.add_argument("--styles", default="extracts,statements")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    dataset = load_hotpotqa(options.data)
    chosen = dataset.questions[options.offset : options.offset + options.limit]
    corpus = Corpus.from_texts({document.id: document.text for document in dataset.documents})
    model = open_model(options.model)
    rows = []
    for style in options.styles.split(","):
        rows.append(await read(style, model, corpus, [(item.text, set(item.gold_documents)) for item in chosen]))
        print(json.dumps(rows[-1]), flush=True)
    await model.aclose()
    if options.output:
        made_by = {"command": command(), "machine": machine(), "versions": versions(), "date": now()}
        result = {"model": options.model, "questions": [item.id for item in chosen], "rows": rows, **made_by}
        options.output.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


asyncio.run(main())
