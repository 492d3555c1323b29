"""`pansophy bench filter`: every benchmark's command once more, to keep the questions that no single chunk answers.

A benchmark's command ends in the function that measures; called from here, that function finds `wanted` set and filters
instead. So each benchmark says once what its data are.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

if TYPE_CHECKING:
    from pansophy.evaluation.filtering import Filtered, FilterSettings

wanted: ContextVar[FilterSettings | None] = ContextVar("wanted", default=None)

OF_MEASURING = frozenset(
    {"strategies", "seeker_model", "limit_all", "settings", "question_deadline", "deadline", "retry_failed"}
)
"""Options of a benchmark's command that mean nothing to a filter."""

ChunkTokens = Annotated[int, typer.Option(min=1, help="The most tokens of a chunk.")]
Threshold = Annotated[float, typer.Option(help="The F1 from which on an answer counts, where there is no own score.")]


def filter_app(benchmarks: Iterable[Callable[..., None]]) -> typer.Typer:
    """The group with a command for each benchmark."""
    app = typer.Typer(
        no_args_is_help=True,
        help="Keep the questions that no single chunk answers (the rule of Infinity-Bench+); --ids asks only these.",
    )
    for benchmark in benchmarks:
        name = benchmark.__name__
        app.command(name, help=f"Keep the questions of `bench {name}` that no single chunk answers.")(_of(benchmark))
    return app


def _of(benchmark: Callable[..., None]) -> Callable[..., None]:
    """The benchmark's command with a filter's options."""
    types = get_type_hints(benchmark, include_extras=True)
    parameters = [
        parameter.replace(annotation=types[name])
        for name, parameter in inspect.signature(benchmark).parameters.items()
        if name not in OF_MEASURING
    ]
    for name, default, annotation in (("chunk_tokens", 8000, ChunkTokens), ("threshold", 0.5, Threshold)):
        parameters.append(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        )

    def filtered(chunk_tokens: int, threshold: float, **given: Any) -> None:
        from pansophy.evaluation.filtering import FilterSettings

        before = wanted.set(FilterSettings(chunk_tokens, threshold))
        try:
            benchmark(**given)
        finally:
            wanted.reset(before)

    functools.update_wrapper(filtered, benchmark)
    filtered.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    filtered.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return filtered


def show_progress(number: int, total: int, question_id: str, state: Filtered) -> None:
    """One line on standard error for each question."""
    from pansophy.cli.wording import one_line

    dropped = next((one for one in state.dropped if one.question_id == question_id), None)
    what = "kept" if question_id in state.kept else "undecided: a chunk could not be read"
    if dropped is not None:
        what = f"dropped: chunk {dropped.chunk} alone gives {one_line(dropped.prediction)[:60]!r}"
    typer.echo(f"{number}/{total}  {question_id}  {what}", err=True)
