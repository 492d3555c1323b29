"""How little is computed when a corpus is read again: by later rounds, and for a second question.

    python benchmarks/rereading.py --texts ../shared/data/books/sherlock-holmes.txt --tokens 100000

ExtAgents reads every chunk of the text with an embedded model whose prompt cache must serve the chunks again. Written
are the tokens that were prefilled in each round of two questions, and their share of the first round's. The reasoning
agent is scripted to refuse, so that there always is a second round.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path

from pansophy.corpus import Corpus
from pansophy.engine import Limits
from pansophy.evaluation.provenance import command, machine, now, versions
from pansophy.events import ChunkRead, Event
from pansophy.models import ScriptedModel, open_model
from pansophy.reading.extagents import ExtAgents

REFUSAL = '{"answerable": false, "answer": "", "findings": []}'
QUESTIONS = ("Who came to ask for help, and why?", "What was hidden, and where?")


def prefilled(trace: tuple[Event, ...], round_: int) -> int:
    """Prompt tokens that seeking agents' calls of a round had to compute."""
    return sum(
        event.usage.prefilled_tokens for event in trace if isinstance(event, ChunkRead) and event.round == round_
    )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--tokens", type=int, default=100_000)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--window", type=int, default=8192)
    parser.add_argument("--chunk-tokens", type=int, default=8000, help="by estimate, which is about 1.4 times too high")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    model = open_model(options.model, window=options.window)
    text = options.texts.read_text("utf-8")
    while await model.count_tokens(text) > options.tokens * 1.01:
        text = text[: int(len(text) * max(0.5, options.tokens / await model.count_tokens(text)))]
    corpus = Corpus.from_texts({options.texts.stem: text})
    settings = {
        "order": "document",
        "chunk_tokens": options.chunk_tokens,
        "rounds": 2,
        "reread": True,
        "max_synchronised": 2,
        "schedule": ["all"],
        "stop_when_settled": False,
        "extract_tokens": 60,
    }
    rows = []
    for question in QUESTIONS:
        started = time.monotonic()
        refusing = ScriptedModel(lambda messages, schema: REFUSAL, window=100_000)
        # a chunk of thousands of tokens takes minutes to read the first time
        reader = ExtAgents(refusing, seeker_model=model, settings=settings, limits=Limits(call_timeout=3600))
        answer = await reader.run(question, corpus)
        for round_ in range(1, answer.rounds + 1):
            rows.append({"question": question, "round": round_, "prefilled": prefilled(answer.trace, round_)})
        rows[-1]["seconds"] = round(time.monotonic() - started, 1)
        print(rows[-answer.rounds :], flush=True)
    first = rows[0]["prefilled"]
    for row in rows:
        row["share_of_first"] = round(row["prefilled"] / first, 4)
    result = {
        "tokens": await model.count_tokens(text),
        "model": options.model,
        "window": options.window,
        "settings": settings,
        "rows": rows,
        "command": command(),
        "machine": machine(),
        "versions": versions(),
        "date": now(),
    }
    print(json.dumps(rows, indent=1))
    await model.aclose()
    if options.output:
        options.output.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


asyncio.run(main())
