"""How much time and processor the machinery adds to the model's own latency.

    python benchmarks/orchestration.py [--calls 2000] [--concurrency 64] [--latency 1.0] [--output FILE]
    python benchmarks/orchestration.py --ways strategy [--strategy extagents]

A fake endpoint of fixed latency runs in a process of its own (`tests/servers/misbehaving.py`). Chunk-sized prompts go
through the real path: `OpenAICompatible`, `Engine`, a run in the store that keeps every reply and an event for each.
The ideal is calls x latency / concurrency. Two controls tell what the parts cost: the same without a store, and the
bare client of the `openai` package with a semaphore. The way `strategy` sends a question through a whole strategy, over
a corpus of as many chunks, and stores the run.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import pstats
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from pansophy.corpus import Corpus
from pansophy.engine import Engine, Limits
from pansophy.evaluation import provenance
from pansophy.events import ChunkRead
from pansophy.models import OpenAICompatible
from pansophy.reading.ask import aask
from pansophy.runs import RunStore
from pansophy.types import ChatMessage

ROOT = Path(__file__).parent.parent
SERVER = ROOT / "tests" / "servers" / "misbehaving.py"
WORDS = ("harbour", "lamp", "keeper", "ledger", "winter", "signal", "copper", "letter", "island", "morning", "barrel")
MAX_TOKENS = 200
EVERY_CHUNK = '{"order": "document", "exhaustive": true, "rounds": 1, "chunk_tokens": 4900}'
SCHEMA = {
    "type": "object",
    "properties": {name: {"type": kind} for name, kind in
                   (("found", "boolean"), ("statement", "string"), ("quote", "string"), ("rating", "number"))},
    "required": ["found", "statement", "quote", "rating"],
    "additionalProperties": False,
}  # fmt: skip


def main() -> None:
    options = _options()
    prompts = make_prompts(options.calls, options.chunk_tokens, options.seed)
    with fake_endpoint(options.latency) as base_url:
        asyncio.run(warm_up(base_url, prompts[0]))
        runs = {name: measure(way, base_url, prompts, options) for name, way in WAYS.items() if name in options.ways}
        if "strategy" in options.ways:
            runs[options.strategy] = measure_strategy(base_url, prompts, options)
        if options.profile:
            profile(base_url, prompts, options)
    result = {
        "benchmark": "orchestration",
        "command": provenance.command(),
        "measured": provenance.now(),
        "seed": options.seed,
        "calls": options.calls,
        "concurrency": options.concurrency,
        "latency_seconds": options.latency,
        "chunk_tokens": options.chunk_tokens,
        "prompt_characters": sum(len(message.content) for message in prompts[0]),
        "target_over_ideal": 1.10,
        "results": runs,
        "machine": provenance.machine(),
        "versions": provenance.versions(),
        "load_average": [round(load, 2) for load in psutil.getloadavg()],
    }
    text = json.dumps(result, indent=2)
    print(text)
    if options.output:
        Path(options.output).write_text(text + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--latency", type=float, default=1.0, help="of the fake endpoint, in seconds")
    parser.add_argument("--chunk-tokens", type=int, default=2000, help="about this many tokens of text in each prompt")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=[*WAYS, "strategy"])
    parser.add_argument("--strategy", default="extagents", help="for the way `strategy`")
    parser.add_argument("--settings", default=EVERY_CHUNK, help="of the strategy, as JSON")
    parser.add_argument(
        "--profile", action="store_true", help="also print where the time of a run without latency goes"
    )
    parser.add_argument("--output", help="write the result there as JSON")
    return parser.parse_args()


def make_prompts(count: int, tokens: int, seed: int) -> list[list[ChatMessage]]:
    """Seek prompts as a reading strategy builds them: the chunk first, what is asked after it."""
    chance = random.Random(seed)
    system = ChatMessage("system", "You read one passage of a longer text and report what helps with the question.")
    question = "\n\nQuestion: when was the lamp lit?\nReply with JSON."
    return [[system, ChatMessage("user", " ".join(chance.choices(WORDS, k=tokens)) + question)] for _ in range(count)]


@contextmanager
def fake_endpoint(latency: float) -> Iterator[str]:
    command = [sys.executable, str(SERVER), "--latency", str(latency), "--fitting"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait(10)


async def warm_up(base_url: str, prompt: list[ChatMessage]) -> None:
    """Imports and the first connection are not what is measured."""
    model = OpenAICompatible("fake", base_url=base_url, api_key="none")
    await model.complete(prompt, schema=SCHEMA, max_tokens=MAX_TOKENS)
    await model.aclose()


Prompts = list[list[ChatMessage]]
Way = Callable[[str, Prompts, argparse.Namespace], Awaitable[None]]


async def with_store(base_url: str, prompts: Prompts, options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder, RunStore(f"{folder}/runs.sqlite") as store:
        run = store.start(question="When?", strategy="benchmark", settings={}, fingerprint="f", sources={})
        await _through_engine(base_url, prompts, options, run)
        assert run.info.completions == len(prompts)


async def without_store(base_url: str, prompts: Prompts, options: argparse.Namespace) -> None:
    await _through_engine(base_url, prompts, options, None)


async def _through_engine(base_url: str, prompts: Prompts, options: argparse.Namespace, run: Any) -> None:
    model = OpenAICompatible("fake", base_url=base_url, api_key="none")
    engine = Engine(Limits(concurrency=options.concurrency), journal=run)

    async def read(number: int) -> None:
        completion = await engine.complete(model, prompts[number], schema=SCHEMA, max_tokens=MAX_TOKENS, priority=10)
        reply = json.loads(completion.text)
        if run is not None:
            run.emit(
                ChunkRead(
                    round=1,
                    chunk=number,
                    document="lamp.txt",
                    start=0,
                    end=100,
                    usage=completion.usage,
                    seconds=engine.elapsed,
                    **reply,
                )
            )

    await asyncio.gather(*(read(number) for number in range(len(prompts))))
    assert engine.usage.calls == len(prompts)
    await model.aclose()


async def bare_client(base_url: str, prompts: Prompts, options: argparse.Namespace) -> None:
    import openai

    client = openai.AsyncOpenAI(api_key="none", base_url=base_url, max_retries=0)
    slots = asyncio.Semaphore(options.concurrency)
    form: Any = {"type": "json_schema", "json_schema": {"name": "reply", "schema": SCHEMA}}

    async def read(prompt: list[ChatMessage]) -> None:
        messages: Any = [{"role": message.role, "content": message.content} for message in prompt]
        async with slots:
            await client.chat.completions.create(
                model="fake", messages=messages, max_tokens=MAX_TOKENS, response_format=form
            )

    await asyncio.gather(*map(read, prompts))
    await client.close()


async def whole_strategy(base_url: str, corpus: Corpus, options: argparse.Namespace) -> int:
    """One question through a strategy that reads every chunk. Returns the number of calls."""
    with tempfile.TemporaryDirectory() as folder, RunStore(f"{folder}/runs.sqlite") as store:
        model = OpenAICompatible("fake", base_url=base_url, api_key="none", window=32_768)
        answer = await aask(
            "When was the lamp lit?",
            corpus=corpus,
            model=model,
            strategy=options.strategy,
            settings=json.loads(options.settings),
            limits=Limits(concurrency=options.concurrency),
            store=store,
        )
        assert answer.verdict == "answered", answer.to_json()
        return answer.usage.calls


WAYS: dict[str, Way] = {"engine_and_store": with_store, "engine_only": without_store, "bare_client": bare_client}


def measure(way: Way, base_url: str, prompts: Prompts, options: argparse.Namespace) -> dict[str, float]:
    return timed(lambda: way(base_url, prompts, options), options)


def measure_strategy(base_url: str, prompts: Prompts, options: argparse.Namespace) -> dict[str, float]:
    """The corpus is made before the clock starts: one document for each prompt."""
    corpus = Corpus.from_texts([prompt[-1].content for prompt in prompts])
    return timed(lambda: whole_strategy(base_url, corpus, options), options)


def timed(work: Callable[[], Awaitable[int | None]], options: argparse.Namespace) -> dict[str, float]:
    started, processor = time.perf_counter(), time.process_time()
    calls = asyncio.run(_awaited(work())) or options.calls
    seconds, processor = time.perf_counter() - started, time.process_time() - processor
    ideal = calls * options.latency / options.concurrency
    return {
        "calls": calls,
        "ideal_seconds": round(ideal, 3),
        "seconds": round(seconds, 3),
        "over_ideal": round(seconds / ideal, 4) if ideal else float("nan"),
        "calls_per_second": round(calls / seconds, 1),
        "processor_ms_per_call": round(processor / calls * 1000, 3),
        "resident_mb": round(psutil.Process().memory_info().rss / 1e6, 1),
    }


async def _awaited(work: Awaitable[int | None]) -> int | None:
    return await work


def profile(base_url: str, prompts: Prompts, options: argparse.Namespace) -> None:
    profiler = cProfile.Profile()
    profiler.enable()
    asyncio.run(_awaited(with_store(base_url, prompts, options)))
    profiler.disable()
    for order in ("tottime", "cumulative"):
        pstats.Stats(profiler, stream=sys.stderr).sort_stats(order).print_stats(30)


if __name__ == "__main__":
    main()
