"""What the service adds to the model's own time, and what it holds: `python benchmarks/service.py [--output FILE]`.

A fake endpoint of fixed latency and `pansophy serve` run in processes of their own; everything goes over real sockets.

- `overhead`: one chat request sent to the endpoint itself, then through the service (`model="pansophy"`, which passes
  on what fits the window), one after the other, alternating: the difference of the medians.
- `question`: a question over a small corpus, of one call: from the request to the answer, less the endpoint's latency.
- `first_event`: from the request for a question until the first event of its stream has come.
- `streams`: questions that are all asked and followed at once; how many were answered, whether any event was lost.
- `corpora`: listing many corpora.
- `memory`: the service's memory after warming up, and after many more requests of every kind.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from pansophy.evaluation import provenance

SERVER = Path(__file__).parent.parent / "tests" / "servers" / "misbehaving.py"
CHAT = {"messages": [{"role": "user", "content": "When was the lamp lit?"}]}
TEXT = "Ida lit the lamp at nine. The keeper wrote it into the ledger, and the boat came in before midnight.\n\n"
MIB = 2**20


def main() -> None:
    options = _options()
    with (
        tempfile.TemporaryDirectory() as home,
        fake_endpoint(options.latency) as endpoint,
        service(endpoint, Path(home), options.streams) as (address, process),
    ):
        results = asyncio.run(measure(endpoint, address, process, options))
    result = {
        "benchmark": "service",
        "command": provenance.command(),
        "measured": provenance.now(),
        "latency_seconds": options.latency,
        "targets": {
            "overhead_milliseconds": 15,
            "first_event_milliseconds": 200,
            "streams_lost": 0,
            "corpora_milliseconds": 100,
        },
        "results": results,
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
    parser.add_argument("--latency", type=float, default=0.05, help="of the fake endpoint, in seconds")
    parser.add_argument("--repeats", type=int, default=100, help="requests of each kind for a median")
    parser.add_argument("--streams", type=int, default=200, help="questions at once")
    parser.add_argument("--corpora", type=int, default=1000)
    parser.add_argument("--requests", type=int, default=10_000, help="for the memory")
    parser.add_argument("--output", help="write the result there as JSON")
    return parser.parse_args()


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
        process.wait(30)


@contextmanager
def service(endpoint: str, home: Path, at_once: int) -> Iterator[tuple[str, psutil.Process]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "pansophy", "serve", "--port", str(port), "--home", str(home), "--model", "fake",
               "--base-url", endpoint, "--window", "8192", "--questions-at-once", str(at_once)]  # fmt: skip
    environment = {**os.environ, "OPENAI_API_KEY": "none"}
    with (home / "log").open("w") as log, subprocess.Popen(command, env=environment, stdout=log, stderr=log) as process:
        try:
            address = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + 60
            while not _answers(address):
                if process.poll() is not None or time.monotonic() > deadline:
                    sys.exit((home / "log").read_text())
                time.sleep(0.2)
            yield address, psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(60)


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health/live").status_code == 200
    except httpx.TransportError:
        return False


async def measure(
    endpoint: str, address: str, process: psutil.Process, options: argparse.Namespace
) -> dict[str, dict[str, float]]:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
    async with httpx.AsyncClient(base_url=address, timeout=600, limits=limits) as client:
        await new_corpus(client, "lamps")
        return {
            "overhead": await overhead(client, endpoint, options.repeats),
            "question": await questions(client, options.latency, options.repeats),
            "first_event": await first_events(client, options.repeats),
            "streams": await streams(client, options.streams),
            "memory": await memory(client, process, options.requests),
            "corpora": await corpora(client, options.corpora, options.repeats),
        }


async def new_corpus(client: httpx.AsyncClient, name: str) -> None:
    (await client.post("/api/v1/corpora", json={"name": name})).raise_for_status()
    files = [("files", ("lamp.txt", TEXT.encode()))]
    (await client.post(f"/api/v1/corpora/{name}/documents", files=files)).raise_for_status()


async def overhead(client: httpx.AsyncClient, endpoint: str, repeats: int) -> dict[str, float]:
    times: dict[str, list[float]] = {"endpoint": [], "service": []}
    headers = {"Authorization": "Bearer none"}
    async with httpx.AsyncClient(timeout=600, headers=headers) as direct:
        for _ in range(repeats + 5):
            times["endpoint"].append(
                await seconds(lambda: direct.post(f"{endpoint}/chat/completions", json={"model": "fake", **CHAT}))
            )
            times["service"].append(
                await seconds(
                    lambda: client.post("/v1/chat/completions", json={"model": "pansophy", "store": False, **CHAT})
                )
            )
    through, alone = (_milliseconds(times[name][5:]) for name in ("service", "endpoint"))
    return {
        "endpoint_median_milliseconds": alone["median"],
        "service_median_milliseconds": through["median"],
        "median_milliseconds": round(through["median"] - alone["median"], 2),
    }


async def questions(client: httpx.AsyncClient, latency: float, repeats: int) -> dict[str, float]:
    times = []
    for _ in range(repeats + 5):
        started = time.perf_counter()
        events = await followed(client, await asked(client))
        times.append(time.perf_counter() - started)
        if (calls := sum(event["kind"] == "reasoning_tried" for event in events)) != 1:
            sys.exit(f"the question took {calls} calls")
    took = _milliseconds([seconds - latency for seconds in times[5:]])
    return {"median_milliseconds": took["median"], "p95_milliseconds": took["p95"]}


async def first_events(client: httpx.AsyncClient, repeats: int) -> dict[str, float]:
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        question = await asked(client)
        async with client.stream("GET", f"/api/v1/questions/{question}/events") as response:
            async for line in response.aiter_lines():
                if line.startswith("id:"):
                    times.append(time.perf_counter() - started)
                    break
    took = _milliseconds(times)
    return {"median_milliseconds": took["median"], "p95_milliseconds": took["p95"]}


async def streams(client: httpx.AsyncClient, many: int) -> dict[str, float]:
    started = time.perf_counter()

    async def one() -> tuple[bool, bool]:
        events = await followed(client, await asked(client))
        in_order = [event["id"] for event in events] == list(range(1, len(events) + 1))
        return events[-1]["kind"] == "job_ended", in_order

    told = await asyncio.gather(*(one() for _ in range(many)))
    return {
        "at_once": many,
        "lost": sum(not ended for ended, _ in told),
        "out_of_order": sum(not in_order for _, in_order in told),
        "seconds": round(time.perf_counter() - started, 2),
    }


async def memory(client: httpx.AsyncClient, process: psutil.Process, many: int) -> dict[str, float]:
    """Resident memory after a tenth of the requests, and after all the others."""
    ways: list[Callable[[], Awaitable[Any]]] = [
        lambda: client.get("/api/v1/corpora"),
        lambda: client.get("/api/v1/corpora/lamps/search", params={"query": "lamp"}),
        lambda: client.get("/v1/models"),
        lambda: client.post("/v1/chat/completions", json={"model": "pansophy", "store": False, **CHAT}),
        lambda: client.get("/api/v1/corpora/nowhere"),
        lambda: client.get("/api/v1/questions", params={"limit": 10}),
        lambda: client.post("/v1/chat/completions", json={"model": "pansophy/lamps", **CHAT}),
        lambda: client.get("/health/ready"),
    ]
    ended = 0
    sizes = []
    for part in (many // 10, many - many // 10):
        limit = asyncio.Semaphore(8)

        async def one(number: int, limit: asyncio.Semaphore = limit) -> int:
            async with limit:
                response = await ways[number % len(ways)]()
                return int(response.status_code < 500)

        ended += sum(await asyncio.gather(*(one(number) for number in range(part))))
        sizes.append(process.memory_info().rss / MIB)
    return {
        "requests": many,
        "answered": ended,
        "mebibytes_after_a_tenth": round(sizes[0], 1),
        "mebibytes_after_all": round(sizes[1], 1),
        "growth_bytes_a_request": round((sizes[1] - sizes[0]) * MIB / (many - many // 10), 1),
    }


async def corpora(client: httpx.AsyncClient, many: int, repeats: int) -> dict[str, float]:
    for number in range(many - 1):
        await new_corpus(client, f"corpus-{number}")
    first = await seconds(lambda: client.get("/api/v1/corpora"))
    took = _milliseconds([await seconds(lambda: client.get("/api/v1/corpora")) for _ in range(repeats)])
    return {
        "listed": len((await client.get("/api/v1/corpora")).json()["corpora"]),
        "first_milliseconds": round(first * 1000, 2),
        "median_milliseconds": took["median"],
        "p95_milliseconds": took["p95"],
    }


async def asked(client: httpx.AsyncClient) -> str:
    body = {"corpus": "lamps", "question": "When was the lamp lit?", "strategy": "direct", "fresh": True}
    response = await client.post("/api/v1/questions", json=body)
    response.raise_for_status()
    identity: str = response.json()["id"]
    return identity


async def followed(client: httpx.AsyncClient, question: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    async with client.stream("GET", f"/api/v1/questions/{question}/events") as response:
        number = 0
        async for line in response.aiter_lines():
            field, _, value = line.partition(": ")
            if field == "id":
                number = int(value)
            elif field == "data":
                events.append({"id": number, **json.loads(value)})
    return events


async def seconds(request: Callable[[], Awaitable[httpx.Response]]) -> float:
    started = time.perf_counter()
    response = await request()
    response.raise_for_status()
    return time.perf_counter() - started


def _milliseconds(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {
        "median": round(statistics.median(ordered) * 1000, 2),
        "p95": round(ordered[int(len(ordered) * 0.95)] * 1000, 2),
    }


if __name__ == "__main__":
    main()
