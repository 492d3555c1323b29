"""The benchmarks whose data the user has as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pansophy.cli.bench.running import Data
from pansophy.errors import UsageError

if TYPE_CHECKING:
    from pansophy.corpus import Corpus
    from pansophy.evaluation.datasets import Dataset


def hotpotqa(
    data: Annotated[
        Path | None,
        typer.Option(
            help="A folder with questions.json and corpus.json, or a file in the form of HotpotQA and 2WikiMultihopQA.",
            show_default="found through PANSOPHY_DATA",
        ),
    ] = None,
) -> Data:
    """Measure strategies on HotpotQA, or on 2WikiMultihopQA: questions whose answer takes two paragraphs or more.

    For example: pansophy bench hotpotqa --data hotpotqa-100 --strategies extagents,top_k --limit 20 -o results/try
    """
    from pansophy.evaluation.datasets import load_hotpotqa

    dataset = load_hotpotqa(data)
    return Data(lambda count: dataset)


def infinitebench(
    data: Annotated[Path, typer.Option(help="One of its files, such as longbook_qa_eng.jsonl.")],
    task: Annotated[
        str | None, typer.Option(help="Which task the file is; `bench list` names them.", show_default="by its name")
    ] = None,
    variant: Annotated[
        str, typer.Option(help="Whose scorer is followed: openbmb, extagents or llmxmapreduce.")
    ] = "openbmb",
) -> Data:
    """Measure strategies on a task of InfiniteBench: books, dialogues, code and numbers of 100,000 tokens and more.

    For example: pansophy bench infinitebench --data longbook_qa_eng.jsonl --limit 20 -o results/en-qa
    """
    from pansophy.evaluation.infinitebench import TASKS, load_infinitebench, task_of

    dataset = load_infinitebench(data, task=task, variant=variant)
    _note_rows(dataset, TASKS[task_of(data, task)].rows)
    return Data(lambda count: dataset)


def longbench(
    data: Annotated[Path, typer.Option(help="The benchmark's data.json.")],
    kinds: Annotated[str, typer.Option(help="Tell results apart by difficulty, length or domain.")] = "length",
) -> Data:
    """Measure strategies on LongBench v2: hard questions with four choices over texts of up to two million words.

    For example: pansophy bench longbench --data data.json --kinds difficulty --limit 50 -o results/longbench
    """
    from pansophy.evaluation.longbench import QUESTIONS, load_longbench

    dataset = load_longbench(data, kinds=kinds)
    _note_rows(dataset, QUESTIONS)
    return Data(lambda count: dataset)


def musique(
    data: Annotated[Path, typer.Option(help="A file of its answerable part, such as musique_ans_v1.0_dev.jsonl.")],
) -> Data:
    """Measure strategies on MuSiQue: questions of two to four hops, over the union of all questions' paragraphs.

    For example: pansophy bench musique --data musique_ans_v1.0_dev.jsonl --limit 50 -o results/musique
    """
    from pansophy.evaluation.datasets import load_musique

    dataset = load_musique(data)
    return Data(lambda count: dataset)


def questions(
    data: Annotated[
        Path, typer.Option(help="JSON lines with question, answer or answers, and perhaps id, kind, context.")
    ],
    corpus: Annotated[
        str | None,
        typer.Option(
            help="Ask a stored corpus, or the texts of a file or folder; for questions that bring no context.",
            show_default=False,
        ),
    ] = None,
    rules: Annotated[
        str, typer.Option(help="How answers are compared: hotpotqa, infinitebench-zh for Chinese.")
    ] = "hotpotqa",
) -> Data:
    """Measure strategies on questions of your own.

    For example: pansophy bench questions --data mine.jsonl --corpus handbook/ -o results/mine
    """
    from pansophy.evaluation.datasets import load_questions

    dataset = load_questions(data, rules=rules)
    if dataset.documents_of is None and corpus is None:
        raise UsageError(f"the questions in {data} bring no 'context': name what they are asked of with --corpus")
    if dataset.documents_of is not None and corpus is not None:
        raise UsageError(f"the questions in {data} bring their own 'context': leave out --corpus")
    return Data(lambda count: dataset, None if corpus is None else _open_corpus(corpus))


def _open_corpus(name: str) -> Corpus:
    """The stored corpus of this name, else what a file or folder of this name holds."""
    from pansophy.corpus import Corpus, list_corpora

    if any(info.name == name for info in list_corpora()) or not Path(name).expanduser().exists():
        return Corpus.open(name)
    corpus, report = Corpus.from_sources([name])
    for failed in report.failed:
        typer.echo(f"{failed.source} could not be read: {failed.reason}", err=True)
    return corpus


def _note_rows(dataset: Dataset, published: int) -> None:
    if (count := len(dataset.questions)) != published:
        typer.echo(f"{dataset.name}: {count} questions in the file, {published} in the published one", err=True)
