"""Whether passages are found better by the questions that they answer than by their text, on real passages:
`python benchmarks/question_index.py --data PASSAGES.json --work FOLDER [--embedder NAME] [--output FILE]`.

A model writes the questions of each passage (PIKE-RAG's knowledge atomizing) and puts one of them in other words, as
somebody might ask it who doesn't know the index. Each such question is looked for among the questions of the index and
among the texts of the passages; found is the passage that the question is of, if it is among the first few passages.
PASSAGES.json is an array of objects with the fields `title` and `text`. What calls made stays in FOLDER, so that a
killed run goes on. The result holds numbers alone.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pansophy import Corpus, open_model
from pansophy.corpus.derived import Derived
from pansophy.corpus.embed import open_embedder
from pansophy.engine import Engine
from pansophy.evaluation import provenance
from pansophy.evaluation.hops.finding import interval
from pansophy.events import Event, NoteWritten
from pansophy.models import ChatModel
from pansophy.reading.pike_rag import PikeRag
from pansophy.reading.pike_rag.knowledge import KnowledgeBase
from pansophy.reading.pike_rag.likeness import VectorLikeness
from pansophy.reading.strategy import Session
from pansophy.types import ChatMessage, Document

DEPTHS = (1, 5)

REWORD = """\
You ask a question in a different way. Keep the names of persons, places and things as they are; use other words than \
the question for everything else, and begin with another word. What is asked for stays the same. Reply with the new \
question alone."""

SHOWN = {
    "Who built the ferry Hulda?": "Name the builder of the ferry Hulda?",
    "What is Tom Reed's profession?": "How does Tom Reed earn his living?",
    "When was the novel The Salt Road published?": "In which year did The Salt Road appear in print?",
    "Who was Ada Bol?": "Tell me about the person called Ada Bol?",
    "Where is the Kran mill located?": "In what place can the Kran mill be found?",
}
"""Examples, about nobody in particular."""


def main() -> None:
    options = _options()
    passages = json.loads(Path(options.data).read_text("utf-8"))
    chosen = random.Random(options.seed).sample(passages, options.passages)
    corpus = Corpus.create("passages", uri=options.work)
    texts = {f"{number:04}": one["text"] for number, one in enumerate(chosen)}
    if not len(corpus):
        corpus.add_documents(
            Document(id=name, title=one["title"], text=one["text"], source="", sha256="")
            for name, one in zip(texts, chosen, strict=True)
        )
    if {info.id: corpus.document(info.id).text for info in corpus.documents()} != texts:
        raise SystemExit(f"{options.work} holds other passages: name another folder for this data, number and seed")
    knowledge, asked, identity = asyncio.run(_made(options, corpus))
    results = {}
    for name, base in _measures(knowledge, options.embedder):
        results[name] = _compared(base, asked)
    result = {
        "benchmark": "question-index",
        "command": provenance.command(),
        "measured": provenance.now(),
        "model": identity,
        "seed": options.seed,
        "passages": options.passages,
        "chunks": len(knowledge.units),
        "questions": len(knowledge.atoms),
        "asked": len(asked),
        "results": results,
        "machine": provenance.machine(),
        "versions": provenance.versions(),
    }
    if options.output:
        Path(options.output).write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    print(json.dumps(results, indent=2))


async def _made(options: argparse.Namespace, corpus: Corpus) -> tuple[KnowledgeBase, list[tuple[str, int]], str]:
    """The knowledge base, a question about each chunk in words of its own with the chunk's number, and who wrote it."""
    model = open_model(options.model)
    reader = PikeRag(model, settings={"atom_temperature": 0})
    engine = Engine(reader.limits, emit=lambda event: None)
    try:
        await engine.prepare(model)
        knowledge = await reader.knowledge(Session("every question", corpus, engine, _told, None))
        return knowledge, await _reworded(options.seed, corpus, knowledge, engine, model), model.identity
    finally:
        await model.aclose()


async def _reworded(
    seed: int, corpus: Corpus, knowledge: KnowledgeBase, engine: Engine, model: ChatModel
) -> list[tuple[str, int]]:
    """One question of every chunk that has any, in other words; one that came back as it was is left out."""
    chance = random.Random(seed)
    shown = [
        ChatMessage(role, text)
        for pair in SHOWN.items()
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]
    kept = Derived(corpus.location, "reworded", {"model": model.identity, "prompt": REWORD, "shown": SHOWN})
    asked = []
    for unit in knowledge.units:
        own = [atom.question for atom in knowledge.atoms if atom.unit == unit.number and atom.question.endswith("?")]
        if not own:
            continue
        question = chance.choice(own)
        if question not in kept.records:
            messages = [ChatMessage("system", REWORD), *shown, ChatMessage("user", question)]
            completion = await engine.complete(model, messages, max_tokens=64, temperature=0)
            kept.add(question, unit.chunk.document, reworded=completion.text.strip())
            print(f"reworded {len(asked) + 1}", flush=True)
        if (reworded := kept.records[question]["reworded"]).casefold() != question.casefold():
            asked.append((reworded, unit.number))
    return asked


def _measures(knowledge: KnowledgeBase, embedder_name: str | None) -> Iterator[tuple[str, KnowledgeBase]]:
    """The knowledge base by words, and by an embedder's vectors if one is named."""
    questions = [atom.question for atom in knowledge.atoms]
    texts = [f"{unit.chunk.title} {unit.chunk.text}" for unit in knowledge.units]
    titles = [unit.chunk.title for unit in knowledge.units]
    yield "words", dataclasses.replace(knowledge, least=0)  # the corpus has no embedder
    if embedder_name:
        embedder = open_embedder(embedder_name)
        vectors = [VectorLikeness(embedder, embedder.embed(layer)) for layer in (questions, texts, titles)]
        yield embedder_name, KnowledgeBase(knowledge.units, knowledge.atoms, *vectors, least=0)


def _compared(knowledge: KnowledgeBase, asked: Sequence[tuple[str, int]]) -> dict[str, Any]:
    """The share of questions whose passage is among the first 1 and 5, by index, and the difference between them."""
    found: dict[str, dict[int, list[float]]] = {}
    for question, gold in asked:
        orders = {
            "questions": _first(one.unit.number for one in knowledge.atoms_for(question, len(knowledge.atoms))),
            "texts": [one.unit.number for one in knowledge.chunks_for(question, max(DEPTHS))],
            "all layers": [
                unit.number for unit, _ in knowledge.best_units(question, PikeRag.settings_class().weights, max(DEPTHS))
            ],
        }
        for name, order in orders.items():
            for depth in DEPTHS:
                found.setdefault(name, {}).setdefault(depth, []).append(float(gold in order[:depth]))
    told: dict[str, Any] = {}
    for depth in DEPTHS:
        for name, hits in found.items():
            told[f"{name}, recall at {depth}"] = round(sum(hits[depth]) / len(asked), 4)
        gained = [one - other for one, other in zip(found["questions"][depth], found["texts"][depth], strict=True)]
        told[f"questions over texts at {depth}"] = {
            "difference": round(sum(gained) / len(gained), 4),
            "interval_95": [round(bound, 4) for bound in interval(gained)],
            "found by questions alone": gained.count(1.0),
            "found by texts alone": gained.count(-1.0),
        }
    return told


def _first(units: Iterator[int]) -> list[int]:
    """Each passage once, where its best question stands."""
    return list(dict.fromkeys(units))


def _told(event: Event) -> None:
    if isinstance(event, NoteWritten):
        print(f"{event.step} of {event.of}: {event.text}", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--work", required=True, help="folder for the corpus and what calls made of it")
    parser.add_argument("--model", default="qwen2.5-coder-1.5b")
    parser.add_argument("--embedder", help="also compare by meaning: endpoint:MODEL or local:minilm")
    parser.add_argument("--passages", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output")
    return parser.parse_args()


if __name__ == "__main__":
    main()
