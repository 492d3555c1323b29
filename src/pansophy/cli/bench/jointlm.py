"""`pansophy bench jointlm`: who still finds the entity of a dialogue when facts move from tables into notes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pansophy.cli.bench.options import ResultFile, write_result
from pansophy.errors import UsageError

if TYPE_CHECKING:
    from pansophy.conflicts.training.train import Progress

WIDTH = 34


def jointlm(
    data: Annotated[
        Path,
        typer.Option(
            help="A folder with MultiWOZ's tables (multiwoz-{hotel,restaurant,attraction}.json), DSTC9's FAQs "
            "(dstc9-knowledge.json) and SeKnow's dialogues (seknow-test-predictions.txt).",
            show_default=False,
        ),
    ],
    learnt: Annotated[int, typer.Option(min=1, help="Dialogues that are learnt from; the others are tested.")] = 500,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="Train and measure this white-box model (or an encoder-decoder's folder) instead; wants a GPU.",
            show_default="none: words alone",
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(help="With --model: for its adapter and predictions; what was broken off there goes on."),
    ] = None,
    turns: Annotated[int, typer.Option(min=1, help="That the model is trained on.")] = 150,
    epochs: Annotated[float, typer.Option(help="How often the model sees each.")] = 1.0,
    learning_rate: Annotated[float, typer.Option(help="The highest; it falls to 0.")] = 2e-4,
    keep: Annotated[int, typer.Option(min=1, help="Entities that the model reads; words choose them.")] = 5,
    asked: Annotated[int, typer.Option(min=1, help="Turns for which the model ranks entities, in each store.")] = 40,
    replies: Annotated[int, typer.Option(min=1, help="Of these, turns that the model replies to.")] = 40,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, ...", show_default="a GPU if there is one")] = None,
    embedder: Annotated[
        str | None,
        typer.Option(help="local:minilm, or another, to find entities by meaning too.", show_default="words alone"),
    ] = None,
    output: ResultFile = None,
) -> None:
    """Measure who finds the entity that a dialogue is about, with facts in tables, re-balanced, and all in notes.

    For example: pansophy bench jointlm --data multiwoz/ -o jointlm.json
    """
    from pansophy.corpus.embed import open_embedder
    from pansophy.reading.jointlm.benchmark import measure, read_material

    if (model is None) != (folder is None):
        raise UsageError("--model and --folder go together: a model's adapter and predictions need a place")
    if model is not None and embedder is not None:
        raise UsageError("a model is measured beside the words that it starts from: leave out --embedder")
    material = read_material(data)
    options: dict[str, Any] = {"learnt": learnt, "seed": seed, "model": model}
    packages: tuple[str, ...] = ()
    started = time.process_time()
    if model is not None and folder is not None:
        from pansophy.reading.jointlm.benchmark_model import ModelSettings, measure_model

        settings = ModelSettings(turns, epochs, learning_rate, keep, asked, replies)
        told = measure_model(
            model,
            material,
            folder,
            settings,
            learnt=learnt,
            seed=seed,
            device=device,
            on_step=_show_step,
            on_reply=_show_reply,
        )
        found, table = {"language_model": told}, _model_table(told)
        options |= {
            "turns": turns,
            "epochs": epochs,
            "learning_rate": learning_rate,
            "keep": keep,
            "asked": asked,
            "replies": replies,
        }
        packages = ("torch", "transformers", "trl", "peft")
    else:
        by_meaning = open_embedder(embedder) if embedder else None
        options |= {"embedder": embedder} if embedder else {}
        found = measure(material, learnt=learnt, seed=seed, embedder=by_meaning, say=_say)
        table = _table(found)
    typer.echo(table)
    if output is not None:
        result = {
            "options": options,
            **found,
            "cpu_seconds": round(time.process_time() - started, 1),
        }
        write_result(output, "jointlm", result, *packages)


def _say(words: str) -> None:
    typer.echo(words, err=True)


def _show_step(progress: Progress) -> None:
    _say(f"{progress.step}/{progress.steps}  loss {progress.loss:.3f}")


def _show_reply(store: str, done: int, total: int) -> None:
    _say(f"{store} {done}/{total}")


def _table(found: dict[str, Any]) -> str:
    from pansophy.reading.jointlm.benchmark import STORES

    there, cut, words, moved = (found[name] for name in ("rebuilt", "max_cut", "tf_idf", "robustness"))
    theirs = found["seknow_replies"]
    lines = [
        f"{there['entities']:,} entities, {there['entities_with_row_and_faqs']:,} of them with row and notes; "
        f"{there['dialogues']:,} dialogues, {there['turns']:,} turns",
        f"max-cut parts {', '.join(str(one['cut_percent']) for one in cut['seeds'])} % of the weight, "
        f"a random cut {cut['random_cut_percent']} %",
        "TF-IDF, success@1 and @5 on all labelled turns: "
        + "; ".join(f"{words[f'{n}_utterances']['of_labelled']} of {n} utterances" for n in (1, 3, 5)),
        f"SeKnow's replies: BLEU-1 {theirs['bleu'][0]}, BLEU-4 {theirs['bleu'][3]}, values' F1 {theirs['slots']['f1']}",
        "",
        _head(f"success@1 on {moved['seknow']['turns']:,} turns, %"),
    ]
    for title, field in (
        ("words with learnt weights", "scorer_success"),
        ("TF-IDF of three utterances", "tf_idf_3_success"),
        ("meaning of three utterances", "vectors_3_success"),
        ("the gold belief, asked of the table", "gold_belief_query_success"),
    ):
        if field not in moved["seknow"]:
            continue  # measured with --embedder alone
        lines.append(_row(title, [moved[store][field][0] for store in STORES]))
    return "\n".join(lines)


def _model_table(told: dict[str, Any]) -> str:
    from pansophy.reading.jointlm.benchmark import STORES

    lines = [_head(f"right entity on {told['seknow']['turns']:,} turns, %")]
    for title, field in (
        ("ranked best by words", "words_best_ranked"),
        ("among those that the model reads", "words_kept"),
        ("ranked best by the model", "model_best_ranked"),
    ):
        lines.append(_row(title, [told[store][field] for store in STORES]))
    lines.append(_row("success@1", [told[store]["model"]["success1"] for store in STORES]))
    lines.append(_row("F1 of values", [told[store]["model"]["slots"]["f1"] for store in STORES]))
    return "\n".join(lines)


def _head(title: str) -> str:
    from pansophy.reading.jointlm.benchmark import STORES

    return f"{title:{WIDTH}}" + "".join(f"{name:>14}" for name in STORES.values())


def _row(title: str, values: list[float]) -> str:
    return f"{title:{WIDTH}}" + "".join(f"{value:14.1f}" for value in values)
