"""Ten million tokens on a laptop: text of any folder, repeated with shuffled words to 40 MB, is added to a corpus and
asked for one sentence of ours that is hidden in it, by the real command.

    python benchmarks/moonshot.py --texts ../shared/data/books --model embedded -o benchmarks/results/moonshot.json

The model must have been pulled before; nothing else is warm. `PANSOPHY_HOME` is a fresh folder that borrows the models.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from corpus import make_texts
from pansophy.evaluation.provenance import command, machine, now, versions
from pansophy.settings import home

NEEDLE = "The lighthouse at Aldmoor was painted orange by the keeper Ione Varga in the spring of the great flood."
QUESTION = "Which colour did Ione Varga paint the lighthouse at Aldmoor?"
RIGHT = "orange"


def run(arguments: list[str], environment: dict[str, str]) -> tuple[float, subprocess.CompletedProcess[str]]:
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pansophy", *arguments], env=environment, capture_output=True, text=True, check=False
    )
    return time.monotonic() - started, done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--megabytes", type=float, default=40.0)
    parser.add_argument("--files", type=int, default=40)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        texts, place = Path(scratch) / "texts", Path(scratch) / "home"
        texts.mkdir()
        place.mkdir()
        (place / "models").symlink_to(home() / "models")
        make_texts(options.texts, texts, options.megabytes, options.files)
        middle = sorted(texts.iterdir())[options.files // 2]
        text = middle.read_text("utf-8")
        border = text.index("\n\n", len(text) // 2)
        middle.write_text(f"{text[:border]}\n\n{NEEDLE}{text[border:]}", "utf-8")
        environment = {**os.environ, "PANSOPHY_HOME": str(place)}
        adding, added = run(["corpus", "add", "moonshot", str(texts)], environment)
        if added.returncode:
            sys.exit(added.stderr)
        rows = []
        for question in (QUESTION, "Who painted the lighthouse at Aldmoor?"):
            seconds, asked = run(
                ["ask", question, "--corpus", "moonshot", "--model", options.model, "--json"], environment
            )
            answer = json.loads(asked.stdout)
            cited = [item for item in answer["evidence"] if item["cited"]]
            rows.append(
                {
                    "question": question,
                    "seconds": round(seconds, 1),
                    "answer": answer["answer"],
                    "verdict": answer["verdict"],
                    "cites_the_sentence": any(item["quote"] == NEEDLE for item in cited),
                    "usage": answer["usage"],
                }
            )
            print(json.dumps(rows[-1], ensure_ascii=False), flush=True)
    result = {
        "megabytes": options.megabytes,
        "model": options.model,
        "seconds_to_add": round(adding, 1),
        "rows": rows,
        "load_average": os.getloadavg()[0],
        "command": command(),
        "machine": machine(),
        "versions": versions(),
        "date": now(),
    }
    print(f"added in {adding:.1f} s; answered in {rows[0]['seconds']} s")
    if options.output:
        options.output.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", "utf-8")


main()
