"""`pansophy bench`: ask a dataset's questions of several strategies, and report what came of it.

`files.py` and `generated.py` say what each benchmark's data are; `benchmark.py` makes commands of them, whose work
`running.py` does. `options.py` has what the commands share.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pansophy.cli.ask import STRATEGIES
from pansophy.cli.bench import files, generated
from pansophy.cli.bench.benchmark import filters, measures
from pansophy.cli.bench.chroknowledge import chroknowledge
from pansophy.cli.bench.conflicts import conflicts
from pansophy.cli.bench.cook import cook, factcheck
from pansophy.cli.bench.ikea import ikea
from pansophy.cli.bench.jointlm import jointlm
from pansophy.cli.bench.judge import judge
from pansophy.cli.bench.knowledge_solver import knowledge_solver
from pansophy.cli.bench.options import USUAL
from pansophy.cli.bench.pike_rag import pike_rag

app = typer.Typer(no_args_is_help=True, help="Measure strategies and models on questions with known answers.")
only = typer.Typer(
    no_args_is_help=True,
    help="Keep the questions that no single chunk answers (the rule of Infinity-Bench+); --ids asks only these.",
)
for made in (generated.babilong, generated.ruler, generated.hops):
    # they have --samples instead
    app.command()(measures(made, strategies=USUAL, without=("limit", "offset")))
    only.command()(filters(made, without=("limit", "offset")))
for read in (files.hotpotqa, files.musique, files.infinitebench, files.longbench, files.questions):
    # HotpotQA is small enough for every strategy, and so well known that the control belongs to it
    app.command()(measures(read, strategies=",".join(STRATEGIES) if read is files.hotpotqa else USUAL))
    only.command()(filters(read))
app.add_typer(only, name="filter")
app.command()(judge)
app.command()(conflicts)
app.command("pike-rag")(pike_rag)
app.command()(ikea)
app.command("knowledge-solver")(knowledge_solver)
app.command()(jointlm)
app.command()(chroknowledge)
app.command()(cook)
app.command("cook-factcheck")(factcheck)


@app.command("list")
def list_datasets() -> None:
    """List the datasets that can be measured on, and whether they are found here."""
    from pansophy.errors import SourceError
    from pansophy.evaluation.babilong import TASKS as BABILONG_TASKS
    from pansophy.evaluation.datasets import HOTPOTQA_FOLDER, find_data
    from pansophy.evaluation.infinitebench import TASKS as INFINITEBENCH_TASKS
    from pansophy.evaluation.ruler import TASKS as RULER_TASKS

    typer.echo("babilong: facts hidden in a text of any length (Kuratov et al. 2024); made on the spot")
    typer.echo(f"  {', '.join(BABILONG_TASKS)}")
    typer.echo("ruler: needles, variables and words in a text of any length (Hsieh et al. 2024); made on the spot")
    typer.echo(f"  {', '.join(RULER_TASKS)}")
    typer.echo("hops: chains of 2 to 5 facts with invented names in a text of any length; made on the spot")
    typer.echo("hotpotqa: questions that need two paragraphs (Yang et al. 2018), over the union of all paragraphs")
    try:
        typer.echo(f"  {find_data(HOTPOTQA_FOLDER)}")
    except SourceError as error:
        typer.echo(f"  {error}")
    typer.echo("  2wikimultihopqa has the same form (Ho et al. 2020): --data dev.json")
    typer.echo("musique: questions of two to four hops (Trivedi et al. 2022); --data musique_ans_v1.0_dev.jsonl")
    typer.echo("infinitebench: questions on texts beyond 100,000 tokens (Zhang et al. 2024); --data TASK.jsonl")
    typer.echo(f"  {', '.join(INFINITEBENCH_TASKS)}")
    typer.echo("longbench: hard questions with four choices, LongBench v2 (Bai et al. 2024); --data data.json")
    typer.echo("questions: your own, with their texts or over a corpus; --data FILE.jsonl")
    typer.echo("cook: who won which race of the 2022 U.S. midterm elections (MidtermQA, Feng et al. 2023)")
    typer.echo("  --data midtermqa-openbook.json; cook-factcheck reads the same file")
    typer.echo(
        "knowledge-solver: a model walks a graph of facts, questions made of it; --data FOLDER, or FILE of triples"
    )
    typer.echo("ikea: from which share of right memories on a reward stops a search; made on the spot")
    typer.echo(
        "jointlm: dialogues over tables and notes, MultiWOZ with DSTC9's FAQs (Mishra et al. 2023); --data FOLDER"
    )
    typer.echo("chroknowledge: timelines with gaps, planted in a small model (Park et al. 2024); made on the spot")
    typer.echo(f"strategies: {', '.join(STRATEGIES)}")


@app.command("report")
def report(
    folders: Annotated[list[Path], typer.Argument(help="Folders of benches, finished or not.", show_default=False)],
    reference: Annotated[str, typer.Option(help="The strategy that the others are compared with.")] = "extagents",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of Markdown.")] = False,
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            help="Also write it here: a page with plots (.html), the tables (.md), the data (.json), quality against "
            "length (.svg), or a folder for report.md and report.json. May be given several times.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Report benches: F1 beside containment, 95% intervals, paired comparisons, plots against length and cost.

    For example: pansophy bench report results/babilong-* -o babilong.html
    """
    from pansophy.evaluation.report import build_report

    built = build_report(folders, reference=reference)
    built.save(*output or ())
    typer.echo(built.json() if as_json else built.markdown())
