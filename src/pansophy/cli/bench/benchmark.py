"""Makes commands of benchmarks: one that measures strategies, and one that filters the questions.

A benchmark is a function whose parameters are its own options and that returns its data. Each command has these options
and those of the work that is done with the data.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, get_type_hints

from pansophy.cli.bench.running import keep, measure

if TYPE_CHECKING:
    from pansophy.cli.bench.running import Data

Benchmark = Callable[..., "Data"]
Command = Callable[..., None]


def measures(benchmark: Benchmark, *, strategies: str, without: Collection[str] = ()) -> Command:
    """The command that measures on `benchmark`, by default these strategies; it lacks the options `without`."""
    return _joined(benchmark, measure, {"strategies": strategies}, without, benchmark.__doc__)


def filters(benchmark: Benchmark, *, without: Collection[str] = ()) -> Command:
    """The command that keeps the questions of `benchmark` that no single chunk answers."""
    told = f"Keep the questions of `bench {benchmark.__name__}` that no single chunk answers."
    return _joined(benchmark, keep, {}, without, told)


def _joined(
    benchmark: Benchmark, work: Command, defaults: dict[str, Any], without: Collection[str], told: str | None
) -> Command:
    """A command with the options of both, which does `work` with what `benchmark` returns."""
    own = _options(benchmark)
    _, *rest = _options(work).items()  # the first is the data
    shared = {
        name: option.replace(default=defaults.get(name, option.default)) for name, option in rest if name not in without
    }

    def command(**given: Any) -> None:
        data = benchmark(**{name: given[name] for name in own})
        work(data, **{name: given[name] for name in shared})

    options = {**own, **{name: option for name, option in shared.items() if name not in own}}
    command.__name__, command.__doc__ = benchmark.__name__, told
    command.__signature__ = inspect.Signature(list(options.values()))  # type: ignore[attr-defined]
    command.__annotations__ = {name: option.annotation for name, option in options.items()}
    return command


def _options(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    types = get_type_hints(function, include_extras=True)
    return {
        name: parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=types[name])
        for name, parameter in inspect.signature(function).parameters.items()
    }
