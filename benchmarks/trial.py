"""Ask the trial questions and say how many answers are right.

    python benchmarks/trial.py --set test --books PATH -o benchmarks/results/trial.json

Answers are judged by a regular expression, and shown with their quotes for a person to judge. The result file holds
ids, verdicts and numbers only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import time
from pathlib import Path

from pansophy.corpus import Corpus
from pansophy.evaluation.provenance import command, machine, now, versions
from pansophy.models import open_pair
from pansophy.reading.ask import strategy_class

HERE = Path(__file__).parent


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", default="validation", choices=["validation", "test"])
    parser.add_argument("--topics", default="python,books")
    parser.add_argument("--only", default="", help="comma-separated ids")
    parser.add_argument("--model", default="default")
    parser.add_argument("--seeker-model")
    parser.add_argument("--strategy", default="extagents")
    parser.add_argument("--settings", default="{}", help="JSON")
    parser.add_argument("--books", type=Path, help="folder of the novels")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    questions = json.loads((HERE / "data" / "trial_questions.json").read_text("utf-8"))[options.set]
    # one pair of models for all questions: they load once, and chunks that two questions share are read once
    model, seeker = open_pair(options.model, options.seeker_model)
    reader = strategy_class(options.strategy)(model, seeker_model=seeker, settings=json.loads(options.settings))
    rows = []
    only = set(filter(None, options.only.split(",")))
    for topic in options.topics.split(","):
        source = "python-docs:" if topic == "python" else options.books
        if source is None:
            sys.exit("--books is needed for the topic books")
        corpus, _ = Corpus.from_sources([source])
        for item in questions[topic]:
            if only and item["id"] not in only:
                continue
            started = time.monotonic()
            answer = await reader.run(item["question"], corpus)
            seconds = time.monotonic() - started
            right = bool(re.search(item["right"], answer.text, re.IGNORECASE)) and len(answer.text) < 400
            rows.append(
                {
                    "id": item["id"],
                    "right": right,
                    "verdict": str(answer.verdict),
                    "seconds": round(seconds, 1),
                    "calls": answer.usage.calls,
                    "prefilled_tokens": answer.usage.prefilled_tokens,
                    "completion_tokens": answer.usage.completion_tokens,
                }
            )
            quote = answer.citations[0].quote[:160].replace("\n", " ") if answer.citations else ""
            print(
                f"{'ok   ' if right else 'WRONG'} {item['id']} {seconds:5.1f} s {answer.verdict}: {item['question']}\n"
                f"      {answer.text[:200]!r}\n      “{quote}”",
                flush=True,
            )
    right = sum(row["right"] for row in rows)
    median = sorted(row["seconds"] for row in rows)[len(rows) // 2]
    print(f"{right}/{len(rows)} right, median {median:.1f} s")
    if options.output:
        summary = {"set": options.set, "right": right, "of": len(rows), "median_seconds": median}
        made_by = {"command": command(), "machine": machine(), "versions": versions(), "date": now()}
        result = {**summary, "settings": reader.describe(), "rows": rows, **made_by}
        options.output.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    await reader.aclose()


asyncio.run(main())
