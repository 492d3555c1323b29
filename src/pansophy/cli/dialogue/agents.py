"""`pansophy dialogue train`, `respond` and `evaluate`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pansophy.cli.dialogue.balance import Dialogues, Seed, Store

if TYPE_CHECKING:
    from pansophy.reading.jointlm import Evaluation, HybridStore

Original = Annotated[
    list[Path] | None,
    typer.Option(help="Every fact in its table, to tell which entities are right.", show_default="the store"),
]
OtherStore = Annotated[
    list[Path] | None, typer.Option("--store", "-s", help="Another store.", show_default="the agent's own")
]
Agent = Annotated[Path, typer.Argument(help="The folder of a trained agent.", show_default=False)]
Limit = Annotated[int | None, typer.Option("--limit", "-n", min=1, help="How many dialogues.", show_default="all")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, ...", show_default="a GPU if there is one")]


def train(
    dialogues: Dialogues,
    store: Store,
    output: Annotated[Path, typer.Option("--output", "-o", help="The agent's folder; what was broken off goes on.")],
    original: Original = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="A white-box model (smollm2-135m, a folder, an encoder-decoder's too) that learns both tasks.",
            show_default="none: words find the entity, and the reply is the fact",
        ),
    ] = None,
    keep: Annotated[int, typer.Option(min=1, help="Entities that the model reads; words choose them.")] = 50,
    turns: Annotated[int, typer.Option(min=1, help="Of the dialogue, that the model reads.")] = 5,
    documents: Annotated[int | None, typer.Option(min=0, help="Of an entity.", show_default="all")] = None,
    max_tokens: Annotated[int, typer.Option(min=16, help="Of dialogue and entity.")] = 1024,
    no_entity: Annotated[bool, typer.Option("--no-entity", help="Where none is likely, reply without one.")] = False,
    epochs: Annotated[float, typer.Option(help="How often every row is seen.")] = 3.0,
    learning_rate: Annotated[float, typer.Option(help="The highest.")] = 2e-4,
    batch: Annotated[int, typer.Option(min=1, help="Rows of a step.")] = 16,
    at_once: Annotated[int | None, typer.Option(min=1, help="Rows computed at once.", show_default="the batch")] = None,
    rank: Annotated[int, typer.Option(min=1, help="Of the adapter's matrices.")] = 16,
    save_every: Annotated[int, typer.Option(min=1, help="Steps from one checkpoint to the next.")] = 50,
    limit: Limit = None,
    seed: Seed = 0,
    device: Device = None,
) -> None:
    """Train an agent on dialogues whose beliefs are told.

    For example: pansophy dialogue train said.jsonl -s balanced.jsonl --original inn.csv -o agent
    """
    from pansophy.conflicts.training.settings import TrainingSettings
    from pansophy.reading.jointlm import AgentSettings, JointAgent, PromptSettings, read_dialogues, read_store

    schedule = TrainingSettings(
        learning_rate=learning_rate,
        epochs=epochs,
        batch=batch,
        at_once=at_once,
        rank=rank,
        alpha=2 * rank,
        save_every=save_every,
        seed=seed,
    )
    JointAgent.train(
        output,
        read_store(store),
        read_dialogues(dialogues)[:limit],
        original=_store(original),
        model=model,
        agent=AgentSettings(keep=keep, no_entity=no_entity),
        prompts=PromptSettings(turns=turns, documents=documents, max_tokens=max_tokens),
        settings=schedule,
        seed=seed,
        device=device,
        on_progress=lambda told: typer.echo(f"{told.step}/{told.steps}  loss {told.loss:.3f}", err=True),
    )
    typer.echo(f"{output} is trained")


def respond(
    agent: Agent,
    said: Annotated[
        list[str], typer.Argument(help="What was said, by turns; the last is the user's.", show_default=False)
    ],
    store: OtherStore = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    device: Device = None,
) -> None:
    """Reply to a dialogue, and tell which entity and which fact the reply rests on.

    For example: pansophy dialogue respond agent "Are dogs allowed at the Heron?"
    """
    from pansophy.reading.jointlm import JointAgent

    reply = JointAgent.load(agent, _store(store), device=device).respond(said)
    entity, support = reply.entity, reply.support
    if as_json:
        told = {
            "reply": reply.text,
            "entity": {"domain": entity.domain, "name": entity.name} if entity is not None else None,
            "score": reply.score,
            "support": asdict(support) if support is not None else None,
            "ranked": [{"domain": key[0], "name": key[1], "score": score} for key, score in reply.ranked],
        }
        typer.echo(json.dumps(told, ensure_ascii=False))
        return
    typer.echo(reply.text)
    typer.echo(f"  {entity.domain} · {entity.name} · {reply.score:.2f}" if entity is not None else "  no entity")
    if support is not None:
        typer.echo(f"  {'note' if support.document is not None else 'table'} · {support.text}")


def evaluate(
    agent: Agent,
    dialogues: Dialogues,
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder for predictions; unfinished ones go on.")],
    store: OtherStore = None,
    original: Original = None,
    limit: Limit = None,
    device: Device = None,
) -> None:
    """Measure an agent on dialogues whose beliefs are told: entities found, replies, values.

    For example: pansophy dialogue evaluate agent tested.jsonl --original inn.csv -o results
    """
    from pansophy.evaluation.files import write_json
    from pansophy.reading.jointlm import JointAgent, label, read_dialogues
    from pansophy.reading.jointlm import evaluate as measure

    loaded = JointAgent.load(agent, _store(store), device=device)
    complete = _store(original) or loaded.ranker.store
    labelled = label(complete, read_dialogues(dialogues)[:limit], loaded.ranker.store)
    scores = measure(loaded, labelled, complete, output, on_progress=_show)
    write_json(output / "scores.json", asdict(scores))
    typer.echo(_table(scores))


def _store(paths: list[Path] | None) -> HybridStore | None:
    from pansophy.reading.jointlm import read_store

    return read_store(paths) if paths else None


def _show(done: int, total: int, row: dict[str, Any]) -> None:
    typer.echo(f"{done}/{total}  {row['id']}  {' '.join(row['reply'].split())[:100]}", err=True)


def _table(scores: Evaluation) -> str:
    lines = {
        "turns": f"{scores.turns:,}",
        "success@1, @5": f"{100 * scores.success1:.1f}, {100 * scores.success5:.1f}",
        "recall@1, @5": f"{100 * scores.recall1:.1f}, {100 * scores.recall5:.1f}",
        "label error": f"{100 * scores.label_error:.1f}",
        "BLEU-1 to -4": ", ".join(f"{100 * one:.1f}" for one in scores.bleu),
        "values: precision, recall, F1": ", ".join(
            f"{100 * one:.1f}" for one in (scores.slots.precision, scores.slots.recall, scores.slots.f1)
        ),
        "copy precision": f"{100 * scores.copy_precision:.1f}",
    }
    return "\n".join(f"{name}: {value}" for name, value in lines.items())
