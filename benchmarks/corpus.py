"""How fast the corpus floor is: adding, memory, search.

    python benchmarks/corpus.py --texts ../shared/data/books --out benchmarks/results/corpus.json

Makes a corpus of the given size from the texts of any folder (default: `books` in $PANSOPHY_DATA), adding variations
with shuffled words until the size is reached, so that neither compression nor the index profits from repetition. Every
measurement runs in a fresh process.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

QUESTIONS = 40


def make_texts(source: Path, target: Path, megabytes: float, files: int) -> list[str]:
    """Writes `files` files of `megabytes` together; returns questions made of words that stand together in them."""
    rng = random.Random(7)
    texts = [path.read_text("utf-8", "replace") for path in sorted(source.rglob("*.txt"))]
    if not texts:
        raise SystemExit(f"{source} holds no .txt file: give a folder with texts by --texts.")
    paragraphs = [paragraph for text in texts for paragraph in text.split("\n\n") if paragraph.strip()]
    share = int(megabytes * 1e6 / files)
    for number in range(files):
        parts: list[str] = []
        size = 0
        while size < share:
            words = rng.choice(paragraphs).split()
            if number >= len(texts):
                rng.shuffle(words)
            # Rare words, as any large collection has them: they make the index's dictionary as large as it would be.
            words.insert(rng.randrange(len(words) + 1), f"{rng.choice(words).strip('.,;:')}{rng.randrange(200_000)}")
            paragraph = " ".join(words) + "\n\n"
            parts.append(paragraph)
            size += len(paragraph.encode())
        (target / f"text-{number:03}.txt").write_text("".join(parts), "utf-8")
    questions = []
    while len(questions) < QUESTIONS:
        words = rng.choice(paragraphs).split()
        if len(words) > 12:
            start = rng.randrange(len(words) - 10)
            questions.append(" ".join(words[start : start + 10]) + "?")
    return questions


def measure(job: str, folder: Path, home: Path, questions: Path | None = None, chunk_tokens: int = 400) -> dict:
    """Runs one of the jobs below in a process of its own and returns what it prints."""
    command = [sys.executable, __file__, "--job", job, "--texts", str(folder), "--chunk-tokens", str(chunk_tokens)]
    if questions:
        command += ["--questions", str(questions)]
    run = subprocess.run(command, env={**os.environ, "PANSOPHY_HOME": str(home)}, stdout=subprocess.PIPE, check=True)
    return json.loads(run.stdout)


def job_imports(_: argparse.Namespace) -> dict:
    begun = time.perf_counter()
    import lancedb  # noqa: F401
    import pyarrow  # noqa: F401

    return {"seconds": time.perf_counter() - begun}


def job_add(arguments: argparse.Namespace) -> dict:
    import lancedb  # noqa: F401 - its import is measured apart

    from pansophy.corpus import Corpus

    begun, cpu = time.perf_counter(), _cpu()
    corpus = Corpus.create("measured", chunk_tokens=arguments.chunk_tokens)
    report = corpus.add([arguments.texts])
    seconds, cpu = time.perf_counter() - begun, _cpu() - cpu
    size = sum(path.stat().st_size for path in arguments.texts.rglob("*.txt"))
    return {
        "megabytes": size / 1e6,
        "tokens_estimated_at_4_bytes": size // 4,
        "chunks": report.chunks,
        "seconds": seconds,
        "cpu_seconds": cpu,
        "megabytes_per_cpu_second": size / 1e6 / cpu,
        "store_megabytes": corpus.info().size / 1e6,
    }


def job_search(arguments: argparse.Namespace) -> dict:
    from pansophy.corpus import Corpus

    corpus = Corpus.open("measured")
    questions = json.loads(arguments.questions.read_text())
    milliseconds = []
    for question in questions:
        begun = time.perf_counter()
        hits = corpus.search(question, 20)
        milliseconds.append(1000 * (time.perf_counter() - begun))
        if not hits:
            raise SystemExit(f"nothing found for {question!r}")
    rest = sorted(milliseconds[1:])
    return {
        "chunks": corpus.chunk_count,
        "first_ms": milliseconds[0],
        "median_ms": statistics.median(rest),
        "p95_ms": rest[int(len(rest) * 0.95)],
        "slowest_ms": rest[-1],
    }


def job_pages(arguments: argparse.Namespace) -> dict:
    from pansophy.corpus import Corpus, pages_by_rank, pages_in_order

    corpus = Corpus.open("measured")
    questions = json.loads(arguments.questions.read_text())
    pages_by_rank(corpus, questions[0], 2000, 16)
    begun = time.perf_counter()
    for question in questions[1:]:
        pages_by_rank(corpus, question, 2000, 16)
    ranked = 1000 * (time.perf_counter() - begun) / (len(questions) - 1)
    begun = time.perf_counter()
    count = sum(1 for _ in pages_in_order(corpus, 2000))
    return {"rank_16_pages_ms": ranked, "all_pages_in_order": count, "all_pages_seconds": time.perf_counter() - begun}


def job_sync(arguments: argparse.Namespace) -> dict:
    """Opening a corpus of unchanged sources, the import apart."""
    import lancedb  # noqa: F401

    from pansophy.corpus import Corpus

    begun = time.perf_counter()
    corpus, report = Corpus.from_sources([arguments.texts])
    return {"seconds": time.perf_counter() - begun, "added": report.documents, "documents": len(corpus)}


JOBS = {"imports": job_imports, "add": job_add, "search": job_search, "pages": job_pages, "sync": job_sync}


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def machine() -> dict:
    model = next(
        (line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor(),
    )
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.system(),
        **{name: version(name) for name in ("pansophy", "lancedb", "pyarrow")},
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if os.path.exists(path) else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=Path, default=Path(os.environ.get("PANSOPHY_DATA", ".")) / "books")
    parser.add_argument("--megabytes", type=float, default=40.0)
    parser.add_argument("--files", type=int, default=40)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--job", choices=JOBS, help=argparse.SUPPRESS)
    parser.add_argument("--questions", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--chunk-tokens", type=int, default=400, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        result = JOBS[arguments.job](arguments)
        result["peak_megabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(result))
        return
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        results: dict = {"machine": machine()}
        for name, files in (("many_files", arguments.files), ("one_file", 1)):
            folder = root / name
            folder.mkdir()
            questions = root / f"{name}.json"
            questions.write_text(json.dumps(make_texts(arguments.texts, folder, arguments.megabytes, files)))
            home = root / f"home-{name}"
            results[name] = {"imports": measure("imports", folder, home), "add": measure("add", folder, home)}
            results[name]["search"] = measure("search", folder, home, questions)
            results[name]["pages"] = measure("pages", folder, home, questions)
            first = measure("sync", folder, home)
            results[name]["sync"] = {"first": first, "unchanged": measure("sync", folder, home)}
        # 50,000 chunks: the same text in smaller chunks.
        home = root / "home-small"
        measure("add", root / "many_files", home, chunk_tokens=260)
        results["search_50000_chunks"] = measure("search", root / "many_files", home, root / "many_files.json")
    text = json.dumps(results, indent=2)
    print(text)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
