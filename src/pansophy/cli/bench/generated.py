"""The benchmarks whose data are made on the spot, of any length by the reasoning model's tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pansophy.cli.bench.options import Noise, ProblemSeed, Samples
from pansophy.cli.bench.running import Data

if TYPE_CHECKING:
    from pansophy.evaluation.datasets import Dataset
    from pansophy.evaluation.haystack import Count


def babilong(
    noise: Noise,
    tasks: Annotated[str, typer.Option(help="Such as qa1,qa4 or qa1-qa5 (of qa1 to qa10).")] = "qa1-qa5",
    length: Annotated[str, typer.Option(help="Tokens of a text: 0 (facts alone), 4000, 128k, 1M.")] = "128k",
    samples: Samples = 10,
    seed: ProblemSeed = 0,
    examples: Annotated[
        bool, typer.Option(help="Show strategies that take them worked examples of the tasks, as the paper does.")
    ] = True,
) -> Data:
    """Measure strategies on BABILong: facts of a small world, in their order, hidden in a text of any length.

    Texts are made with the reasoning model's tokenizer. For example: pansophy bench babilong --tasks qa1,qa4 --length
    32k --noise books/ --samples 10 -o results/babilong-32k
    """
    from pansophy.evaluation.babilong import EXAMPLES, TASKS
    from pansophy.evaluation.babilong import babilong as problems
    from pansophy.evaluation.haystack import length_of, names_of, read_noise

    chosen, tokens = names_of(tasks, list(TASKS)), length_of(length)
    worked = [example for task in chosen for example in EXAMPLES.get(task, ())] if examples else []
    return Data(
        lambda count: problems(chosen, tokens, samples, read_noise(noise, count), seed=seed),
        settings={"examples": worked},
    )


def ruler(
    noise: Annotated[
        Path | None,
        typer.Option(
            help="A text file, or a folder of .txt files, to hide the facts in.",
            show_default="none, for tasks that need none",
        ),
    ] = None,
    tasks: Annotated[str, typer.Option(help="Comma-separated; `bench list` names them.")] = "niah_multikey_1,vt,cwe",
    length: Annotated[str, typer.Option(help="Tokens of a text: 4000, 128k, 1M.")] = "32k",
    samples: Samples = 10,
    seed: ProblemSeed = 0,
) -> Data:
    """Measure strategies on RULER: needles, chains of variables, words to count, in a text of any length.

    For example: pansophy bench ruler --tasks niah_multikey_1,vt --length 32k --noise books/ -o results/ruler-32k
    """
    from pansophy.evaluation.haystack import length_of, names_of, read_noise
    from pansophy.evaluation.ruler import TASKS
    from pansophy.evaluation.ruler import ruler as problems

    chosen, tokens = names_of(tasks, TASKS), length_of(length)

    def make(count: Count) -> Dataset:
        return problems(chosen, tokens, samples, None if noise is None else read_noise(noise, count), count, seed=seed)

    return Data(make)


def hops(
    noise: Noise,
    hops: Annotated[str, typer.Option(help="Facts that an answer takes: such as 2,3 or 2-5 (of 2 to 5).")] = "2,3",
    length: Annotated[str, typer.Option(help="Tokens of a text: 0 (facts alone), 4000, 128k, 1M.")] = "32k",
    samples: Samples = 10,
    decoys: Annotated[int, typer.Option(min=0, help="Other chains of the same relations in each text.")] = 3,
    seed: ProblemSeed = 0,
) -> Data:
    """Measure strategies on chains of facts about invented people, which can only be found one after another.

    For example: pansophy bench hops --hops 2,3 --length 32k --noise books/ --samples 10 -o results/hops-32k
    """
    from pansophy.evaluation.haystack import length_of, names_of, read_noise
    from pansophy.evaluation.hops import HOPS
    from pansophy.evaluation.hops import hops as problems

    chosen, tokens = [int(number) for number in names_of(hops, [str(number) for number in HOPS])], length_of(length)
    return Data(lambda count: problems(chosen, tokens, samples, read_noise(noise, count), decoys=decoys, seed=seed))
