"""A program that asks many questions through the engine and keeps a run: to be killed and started again.

python resumable_program.py BASE_URL DATABASE COUNT
"""

from __future__ import annotations

import asyncio
import sys

from pansophy.engine import Engine, Limits
from pansophy.events import Warned
from pansophy.models import OpenAICompatible
from pansophy.runs import Run, RunStore
from pansophy.types import Answer, ChatMessage, Verdict

PRINT = "f" * 64
MAX_TOKENS = 20


def prompt(number: int) -> list[ChatMessage]:
    return [ChatMessage("user", f"question {number}")]


def model_at(base_url: str) -> OpenAICompatible:
    return OpenAICompatible("fake", base_url=base_url, api_key="none")


async def work(base_url: str, run: Run, count: int) -> str:
    model = model_at(base_url)
    engine = Engine(Limits(concurrency=3), journal=run, emit=run.emit)

    async def ask(number: int) -> str:
        completion = await engine.complete(model, prompt(number), max_tokens=MAX_TOKENS)
        run.emit(Warned(message=f"question {number} is answered"))
        return completion.text

    replies = await asyncio.gather(*(ask(number) for number in range(count)))
    await model.aclose()
    return "\n".join(replies)


def main() -> None:
    base_url, database, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    store = RunStore(database)
    run = store.unfinished(PRINT) or store.start(
        question="all of them", strategy="test", settings={}, fingerprint=PRINT, sources={}
    )
    text = asyncio.run(work(base_url, run, count))
    run.finish(Answer("all of them", text, Verdict.ANSWERED))


if __name__ == "__main__":
    main()
