"""Measures llama.cpp's settings for the embedded model: slots, batches, cache types, schemas, and the prompt cache.

    python benchmarks/embedded_settings.py MODEL.gguf TEXT.txt [--parts waiting slots …] [--cache-tokens N]

MODEL is a GGUF file, TEXT any long English text. Prints a line for each setting and writes everything, with machine and
versions, to benchmarks/results/embedded_settings.json (parts that are not measured again are kept). `others` is the
share of the machine's cores that other processes used meanwhile: wall times count only where it is near 0, processor
times (`cpu_seconds_per_call`, over all cores) always.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import platform
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil

from pansophy.models.llamacpp import SPIN_COUNT, ServerSettings, load_library, physical_cores, server_params

xllamacpp = load_library()

RESULTS = Path(__file__).parent / "results" / "embedded_settings.json"
INSTRUCTION = "Copy the sentence that helps most to answer, say what it tells, and rate it from 0 to 100."
QUESTIONS = ("Who came to the door, and why?", "What did the letter say about the money?")
SCHEMA = {
    "type": "object",
    "properties": {
        "quote": {"type": "string", "maxLength": 200},
        "finding": {"type": "string", "maxLength": 200},
        "rating": {"type": "integer", "minimum": 0, "maximum": 100},
    },
    "required": ["quote", "finding", "rating"],
}
FORMAT = {"response_format": {"type": "json_schema", "json_schema": {"name": "reply", "schema": SCHEMA}}}


class Server:
    """A llama.cpp server in this process with some parameters changed, and a client for it."""

    def __init__(self, settings: ServerSettings, **changes: Any) -> None:
        params = server_params(xllamacpp, settings)
        for name, value in changes.items():
            setattr(params, name, value)
        params.api_keys = ["bench"]
        before = psutil.Process().memory_info().rss
        started = time.perf_counter()
        self.server: Any = xllamacpp.Server(params)
        self.load_seconds = round(time.perf_counter() - started, 2)
        self.load_mb = (psutil.Process().memory_info().rss - before) // 2**20
        self.client = httpx.AsyncClient(
            base_url=self.server.listening_address, headers={"Authorization": "Bearer bench"}, timeout=1200
        )

    async def ask(self, text: str, max_tokens: int, **more: Any) -> dict[str, Any]:
        body = {"messages": [{"role": "user", "content": text}], "max_tokens": max_tokens, "temperature": 0, **more}
        reply = (await self.client.post("/v1/chat/completions", json=body)).raise_for_status()
        data: dict[str, Any] = reply.json()
        return data

    async def chunks(self, text: str, tokens: int, count: int) -> list[str]:
        """`count` neighbouring pieces of `text` of `tokens` tokens each."""
        body = {"content": text[: tokens * count * 8]}
        ids = (await self.client.post("/tokenize", json=body)).json()["tokens"]
        pieces = [ids[start : start + tokens] for start in range(0, tokens * count, tokens)]
        assert len(pieces[-1]) == tokens, "the text is too short"
        replies = [await self.client.post("/detokenize", json={"tokens": piece}) for piece in pieces]
        return [reply.json()["content"] for reply in replies]

    async def close(self) -> None:
        await self.client.aclose()
        self.server = None
        gc.collect()


def prompt(chunk: str, question: str) -> str:
    return f"Text:\n{chunk}\n\nQuestion: {question}\n{INSTRUCTION}"


class Meter:
    """Wall time, and what other processes took of the machine meanwhile."""

    def __enter__(self) -> Meter:
        self._own, self._all, self._start = self._cpu(), psutil.cpu_times(), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._start
        now = psutil.cpu_times()
        self.cpu = self._cpu() - self._own
        busy = sum(now[:3]) - sum(self._all[:3]) - self.cpu
        self.others = round(max(0.0, busy) / self.seconds / (os.cpu_count() or 1), 2)

    @staticmethod
    def _cpu() -> float:
        times = psutil.Process().cpu_times()
        return times.user + times.system


async def throughput(server: Server, text: str, parallel: int, calls: int = 6, **more: Any) -> dict[str, Any]:
    """Read `calls` chunks of 560 tokens (prompts of about 620), `parallel` at a time, with replies of 60 tokens."""
    chunks = await server.chunks(text, 560, calls)
    gate = asyncio.Semaphore(parallel)

    async def read(chunk: str) -> dict[str, Any]:
        async with gate:
            return await server.ask(prompt(chunk, QUESTIONS[0]), 60, ignore_eos=True, **more)

    await server.ask("Say yes.", 4)
    with Meter() as meter:
        replies = await asyncio.gather(*(read(chunk) for chunk in chunks))
    prefilled = sum(reply["timings"]["prompt_n"] for reply in replies)
    generated = sum(reply["timings"]["predicted_n"] for reply in replies)
    return {
        "calls": calls,
        "seconds": round(meter.seconds, 1),
        "prefilled": prefilled,
        "generated": generated,
        "seconds_per_call": round(meter.seconds / calls, 2),
        "cpu_seconds_per_call": round(meter.cpu / calls, 2),
        "tokens_per_second": round((prefilled + generated) / meter.seconds, 1),
        "others": meter.others,
    }


async def measured(name: str, settings: ServerSettings, text: str, parallel: int, **changes: Any) -> dict[str, Any]:
    server = Server(settings, **changes)
    try:
        row = {"setting": name, "load_seconds": server.load_seconds, "load_mb": server.load_mb}
        row |= await throughput(server, text, parallel)
    finally:
        await server.close()
    print(json.dumps(row), flush=True)
    return row


async def slots(base: ServerSettings, text: str) -> list[dict[str, Any]]:
    rows = [await measured(f"{n} slots", replace(base, slots=n), text, n) for n in (1, 2, 4)]
    rows.append(await measured("2 slots, unified", replace(base, slots=2), text, 2, kv_unified=True))
    return rows


async def batch(base: ServerSettings, text: str) -> list[dict[str, Any]]:
    sizes = ((512, 128), (512, 256), (2048, 512), (2048, 1024))
    return [
        await measured(f"n_batch {n}, n_ubatch {u}", base, text, base.slots, n_batch=n, n_ubatch=u) for n, u in sizes
    ]


async def kv(base: ServerSettings, text: str) -> list[dict[str, Any]]:
    kinds, flash = xllamacpp.ggml_type, xllamacpp.llama_flash_attn_type
    on, off = flash.LLAMA_FLASH_ATTN_TYPE_ENABLED, flash.LLAMA_FLASH_ATTN_TYPE_DISABLED
    f16, q8 = kinds.GGML_TYPE_F16, kinds.GGML_TYPE_Q8_0
    rows = []
    for name, kind, attention in (
        ("f16, flash attention", f16, on),
        ("f16, no flash attention", f16, off),
        ("q8_0, flash attention", q8, on),
    ):
        changes = {"cache_type_k": kind, "cache_type_v": kind, "flash_attn_type": attention}
        rows.append(await measured(name, base, text, base.slots, **changes))
    return rows


async def schema(base: ServerSettings, text: str) -> list[dict[str, Any]]:
    """Replies without a form, by the server's schema, and by a grammar that allows no blanks between JSON's marks."""
    compact = {**SCHEMA, "x-guidance": {"whitespace_flexible": False}}
    grammar = xllamacpp.json_schema_to_grammar(compact)
    server, rows = Server(replace(base, slots=1)), []
    chunks = await server.chunks(text, 560, 6)
    for chunk in chunks:  # so that only sampling differs
        await server.ask(prompt(chunk, QUESTIONS[0]), 1)
    for name, more in (
        ("free", {"ignore_eos": True}),
        ("json schema", FORMAT),
        ("compact grammar", {"grammar": grammar}),
    ):
        with Meter() as meter:
            replies = [await server.ask(prompt(chunk, QUESTIONS[0]), 100, **more) for chunk in chunks]
        generated = sum(reply["timings"]["predicted_n"] for reply in replies)
        sampling = sum(reply["timings"]["predicted_ms"] for reply in replies) / 1000
        texts = [reply["choices"][0]["message"]["content"] for reply in replies]
        row = {
            "setting": name,
            "tokens_per_reply": round(generated / len(replies), 1),
            "generated_per_second": round(generated / sampling, 1),
            "seconds_per_reply": round(meter.seconds / len(replies), 2),
            "cpu_ms_per_token": round(1000 * meter.cpu / generated, 1),
            "in_order": sum(_in_order(text) for text in texts),
            "of": len(texts),
            "others": meter.others,
            "example": texts[0],
        }
        print(json.dumps(row), flush=True)
        rows.append(row)
    await server.close()
    return rows


def _in_order(text: str) -> bool:
    try:
        return list(json.loads(text)) == list(SCHEMA["properties"])
    except (ValueError, TypeError):
        return False


async def cache(base: ServerSettings, text: str, total: int) -> list[dict[str, Any]]:
    """Two questions over `total` tokens of chunks of 1,500 tokens, more chunks than slots."""
    server = Server(base)
    chunks = await server.chunks(text, 1500, total // 1500)
    gate, rows = asyncio.Semaphore(base.slots), []

    async def read(chunk: str, question: str) -> dict[str, Any]:
        async with gate:
            return (await server.ask(prompt(chunk, question), 4))["timings"]

    for question in QUESTIONS:
        with Meter() as meter:
            timings = await asyncio.gather(*(read(chunk, question) for chunk in chunks))
        prefilled, cached = sum(t["prompt_n"] for t in timings), sum(t["cache_n"] for t in timings)
        rows.append(
            {
                "question": question,
                "chunks": len(chunks),
                "prompt_tokens": prefilled + cached,
                "prefilled": prefilled,
                "share_of_first": round(prefilled / (rows[0]["prefilled"] if rows else prefilled), 4),
                "most_prefilled_in_a_call": max(t["prompt_n"] for t in timings),
                "seconds": round(meter.seconds, 1),
                "cpu_seconds": round(meter.cpu, 1),
                "others": meter.others,
                "memory_mb": psutil.Process().memory_info().rss // 2**20,
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    await server.close()
    return rows


async def waiting(base: ServerSettings, text: str) -> list[dict[str, Any]]:
    """How threads wait: generation by one process alone, and by two at once, each with all cores."""
    rows = []
    for name, variables in (
        ("default (spin 300000)", {"GOMP_SPINCOUNT": "300000"}),
        (f"spin {SPIN_COUNT} (ours)", {}),
        ("passive", {"OMP_WAIT_POLICY": "passive"}),
    ):
        for processes in (1, 2):
            with Meter() as meter:
                speeds = await asyncio.gather(*(_generate(base.path, variables) for _ in range(processes)))
            row = {"setting": name, "processes": processes, "tokens_per_second_each": sorted(speeds)}
            rows.append(row | {"seconds": round(meter.seconds, 1)})
            print(json.dumps(rows[-1]), flush=True)
    return rows


async def _generate(path: Path, variables: dict[str, str]) -> float:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        __file__,
        str(path),
        "",
        "--child",
        env={**os.environ, **variables},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    return float(output)


async def _child(base: ServerSettings) -> None:
    server = Server(replace(base, slots=1))
    await server.ask("Say yes.", 2)
    reply = await server.ask("Tell a story about a dog.", 40, ignore_eos=True)
    print(round(reply["timings"]["predicted_per_second"], 1))
    await server.close()


def machine() -> dict[str, Any]:
    cpu = next((line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "")
    return {
        "processor": cpu or platform.processor(),
        "cores": physical_cores(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "system": platform.system(),
        "python": platform.python_version(),
        "xllamacpp": xllamacpp.__version__,
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("text", type=Path)
    parser.add_argument("--parts", nargs="+", default=["waiting", "slots", "batch", "kv", "schema", "cache"])
    parser.add_argument("--cache-tokens", type=int, default=100_500)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--cache-mib", type=int, default=8192)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    base = ServerSettings(options.model, 4096, options.slots, 0, options.cache_mib)
    if options.child:
        asyncio.run(_child(base))
        return
    text = options.text.read_text(encoding="utf-8", errors="replace")[5000:]
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for part in options.parts:
        more = (options.cache_tokens,) if part == "cache" else ()
        rows = asyncio.run(globals()[part](base, text, *more))
        measured_on = {**machine(), "model": options.model.name, "date": datetime.now(UTC).date().isoformat()}
        results[part] = {"machine": measured_on, "rows": rows}
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
