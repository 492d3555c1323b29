"""Whether walking a graph helps a model: `python benchmarks/knowledge_solver.py --data FOLDER [--output FILE]`.

FOLDER holds the Disease Database graph of QA-GNN's repository (`medical-ddb_names.json`, `medical-ddb_relas.json`).
Questions ask which of four concepts is linked to another by one in between: the right one is two hops away, the others
have a relation of the same kind and are four or more hops away. Each is answered with the graph, without it, with a
graph whose facts lead to other ends, and with the graph by somebody who takes any of the listed facts (the controls).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

from pansophy import ScriptedModel, open_model
from pansophy.evaluation import provenance
from pansophy.evaluation.report.statistics import bootstrap
from pansophy.models import ChatModel
from pansophy.reading.knowledge_solver import KnowledgeGraph, KnowledgeSolver, NameLinker, Status
from pansophy.reading.knowledge_solver.dialogues import Choice
from pansophy.types import ChatMessage

RELATIONS = {"0": "belongs to", "2": "may cause", "3": "is a kind of", "4": "is a risk for", "233": "may treat"}
"""As they read; all others "is linked to"."""
MOST_NEIGHBOURS = 40
"""Concepts with more are neither asked about nor are they the one in between: everything is near to them."""


def main() -> None:
    options = _options()
    graph = read_graph(Path(options.data))
    questions = list(choices(graph, options.questions, options.seed))
    result = asyncio.run(_run(options, graph, questions))
    text = json.dumps(result, ensure_ascii=False, indent=2) + "\n"
    if options.output:
        Path(options.output).write_text(text, "utf-8")
    print(json.dumps(result["summary"], indent=2))


def read_graph(folder: Path, *, shuffled: int | None = None) -> KnowledgeGraph:
    """The graph; with a seed, each fact leads to the end of another."""
    names = json.loads((folder / "medical-ddb_names.json").read_text("utf-8"))
    facts = list(json.loads((folder / "medical-ddb_relas.json").read_text("utf-8")).values())
    called: dict[str, list[str]] = {}
    for name, (node, preferred) in names.items():
        called.setdefault(node, []).insert(0 if preferred == "1" else len(called[node]), name)
    ends = [tail for _, tail, _ in facts]
    if shuffled is not None:
        random.Random(shuffled).shuffle(ends)
    triples = [(head, relation, tail) for (head, _, relation), tail in zip(facts, ends, strict=True)]
    relations = {relation: RELATIONS.get(relation, "is linked to") for _, _, relation in facts}
    return KnowledgeGraph(triples, names=called, relations=relations)


def choices(graph: KnowledgeGraph, count: int, seed: int) -> Iterator[Choice]:
    """Questions of which the graph knows the answer, the same ones for the same seed."""
    chance = random.Random(seed)
    around = {node: {edge.end for edge in graph.neighbours(node)} for node in graph.nodes}
    quiet = [node for node in graph.nodes if 1 < len(around[node]) <= MOST_NEIGHBOURS]
    linker, made = NameLinker(graph.names()), 0
    while made < count:
        asked = chance.choice(quiet)
        near = _within(around, asked, 3)
        between = [node for node in sorted(around[asked]) if len(around[node]) <= MOST_NEIGHBOURS]
        right = [x for node in between for x in sorted(around[node]) if x != asked and x not in around[asked]]
        if not right:
            continue
        gold = chance.choice(right)
        kind = {edge.relation for edge in graph.neighbours(gold)}
        far = [node for node in quiet if node not in near and kind & {e.relation for e in graph.neighbours(node)}]
        if len(far) < 3:
            continue
        others = chance.sample(far, 3)
        listed = [graph.name(node) for node in [gold, *others]]
        if len({name.casefold() for name in listed}) < 4:
            continue
        place = chance.randrange(4)
        shown = [*listed[1:][:place], listed[0], *listed[1:][place:]]
        question = f"Which of these is most closely related to {graph.name(asked)}?"
        if linker(question) != [asked]:
            continue  # the name holds another concept's
        made += 1
        yield Choice(question, tuple(shown), place)


def _within(around: dict[str, set[str]], node: str, hops: int) -> set[str]:
    found, edge = {node}, {node}
    for _ in range(hops):
        edge = {other for one in edge for other in around[one]} - found
        found |= edge
    return found


async def _run(options: argparse.Namespace, graph: KnowledgeGraph, questions: list[Choice]) -> dict[str, object]:
    model = open_model(options.model)
    worlds: dict[str, tuple[KnowledgeGraph, ChatModel]] = {
        "graph": (graph, model),
        "none": (KnowledgeGraph([]), model),
        "shuffled": (read_graph(Path(options.data), shuffled=options.seed), model),
        "graph, any fact taken": (graph, _anybody(options.seed)),
    }
    rows = []
    try:
        for world, (known, walker) in worlds.items():
            rows += [row async for row in _answers(world, known, walker, questions)]
    finally:
        await model.aclose()
    return {
        "benchmark": "knowledge_solver",
        "command": provenance.command(),
        "measured": provenance.now(),
        "model": model.identity,
        "seed": options.seed,
        "questions": len(questions),
        "summary": {world: _summary([row for row in rows if row["world"] == world]) for world in worlds},
        "rows": rows,
        "machine": provenance.machine(),
        "versions": provenance.versions(),
    }


def _anybody(seed: int) -> ScriptedModel:
    """Takes one of the numbers or letters that are listed."""
    chance = random.Random(seed)

    def reply(messages: Sequence[ChatMessage], schema: object) -> str:
        listed: list[str] = re.findall(r"^(\d+|[A-Z])\. ", messages[-1].content, re.MULTILINE)
        return chance.choice(listed)

    return ScriptedModel(reply, window=8192)


async def _answers(
    world: str, graph: KnowledgeGraph, model: ChatModel, questions: list[Choice]
) -> AsyncIterator[dict[str, object]]:
    solver = KnowledgeSolver(graph, model)
    linked = {frozenset((head, tail)) for head, _, tail in graph.triples}
    for number, item in enumerate(questions):
        done = await solver.asolve(item.question, item.options)
        row = {
            "world": world,
            "question": number,
            "right": done.option == item.right,
            "status": str(done.status),
            "hops": len(done.path),
            "calls": done.usage.calls,
            "valid": all(frozenset((edge.start, edge.end)) in linked for edge in done.path),
        }
        print(row, flush=True)
        yield row


def _summary(rows: list[dict[str, object]]) -> dict[str, object]:
    reached = [row for row in rows if row["status"] == Status.REACHED]
    accuracy = bootstrap([float(bool(row["right"])) for row in rows])
    return {
        "accuracy": [round(accuracy.mean, 3), round(accuracy.low, 3), round(accuracy.high, 3)],
        "reached": round(len(reached) / len(rows), 3),
        "accuracy_given_reached": round(sum(bool(row["right"]) for row in reached) / len(reached), 3)
        if reached
        else None,
        "mean_calls": round(sum(int(str(row["calls"])) for row in rows) / len(rows), 2),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--model", default="qwen2.5-coder-1.5b")
    parser.add_argument("--questions", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", help="write the result there as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
