"""The `pansophy` command: its sub-commands, and what becomes of errors.

Knows nothing of what the sub-commands do; they are imported when they are called, so that `pansophy --help` is instant.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, NoReturn

import typer

import pansophy
from pansophy.cli.lazy import Lazy, LazyGroup
from pansophy.errors import PansophyError, UsageError


class Commands(LazyGroup):
    lazy_commands: ClassVar[Mapping[str, Lazy]] = {
        "ask": Lazy("pansophy.cli.ask", "ask", "Answer a question from any amount of text, with checked citations."),
        "corpus": Lazy("pansophy.cli.corpus", "app", "Keep texts so that they can be asked often."),
        "runs": Lazy("pansophy.cli.runs", "app", "Look at past runs, continue them, export them."),
        "models": Lazy("pansophy.cli.models", "app", "See, fetch and try the models that can be used here."),
        "serve": Lazy(
            "pansophy.cli.serve",
            "serve",
            "Serve corpora and questions over HTTP: to people on a page, and to programs, OpenAI's clients and MCP's.",
        ),
        "papers": Lazy(
            "pansophy.cli.papers", "papers", "List the systems in the library and the papers they come from."
        ),
        "mcp": Lazy(
            "pansophy.cli.mcp", "mcp", "Serve corpora to other models' programs over MCP, on standard input and output."
        ),
        "bench": Lazy("pansophy.cli.bench", "app", "Measure strategies and models on questions with known answers."),
        "graph": Lazy("pansophy.cli.graph", "app", "Answer questions by walking a graph of facts."),
        "conflict": Lazy(
            "pansophy.cli.conflict",
            "app",
            "See and settle conflicts between what a model believes and what it is told.",
        ),
        "card": Lazy(
            "pansophy.cli.card",
            "app",
            "Train small models on texts of their own, and let them tell another model what they know.",
        ),
        "timeline": Lazy(
            "pansophy.cli.timeline",
            "app",
            "See what a model knows of facts year by year, and ask again what it half knows.",
        ),
        "search-agent": Lazy(
            "pansophy.cli.search_agent",
            "app",
            "Train and ask a model that uses its own knowledge first and searches past its boundary.",
        ),
        "dialogue": Lazy(
            "pansophy.cli.dialogue",
            "app",
            "Train, ask and measure an agent that replies from tables and notes alike.",
        ),
    }


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Gives language models knowledge that they don't have: reads far more text than a context window holds.",
    epilog="Options of a command: pansophy COMMAND --help",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pansophy {pansophy.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error. May stand anywhere on the line.")
    ] = False,
) -> None:
    """Both options have done their work before this is called."""


OF_TORCH = {"torch", "transformers", "peft", "trl", "datasets", "accelerate", "gguf", "scipy", "sklearn", "PIL"}
"""Modules that come with the extra `torch`; commands that need them import them when they are called."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code.

    Exit codes: 0 done, 1 error, 2 wrong usage, 130 interrupted; commands add their own (`pansophy ask --help`).
    An error that pansophy raised on purpose is one line on standard error.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = _take_debug(words)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what the terminal's encoding lacks must not end a run
            stream.reconfigure(errors="backslashreplace")
    try:
        typer.main.get_command(app).main(args=words, prog_name="pansophy")
    except PansophyError as error:
        _explain(error, str(error), debug)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # noqa: BLE001 -- the last stop: whatever was not foreseen still gets a plain line
        if (missing := _missing_package(error)) is not None:
            _explain(error, str(missing), debug)
            sys.exit(missing.exit_code)
        hint = "" if debug else " (this was not foreseen: run it again with --debug to see where it comes from)"
        _explain(error, f"{type(error).__name__}: {error}{hint}", debug)
        sys.exit(1)
    finally:
        _flush()
    sys.exit(0)


def _missing_package(error: Exception) -> UsageError | None:
    """What to install, if that is all that is wrong."""
    name = error.name if isinstance(error, ModuleNotFoundError) and error.name else ""
    if name.partition(".")[0] not in OF_TORCH:
        return None
    return UsageError(f"this command needs more packages ({name} is missing): pip install 'pansophy[torch]'")


def _flush() -> None:
    """Write out what is left; when its reader has gone (`pansophy ... | head`) there is no one left to tell."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _take_debug(words: list[str]) -> bool:
    """Take `--debug` out of the words, wherever it stands before a `--`."""
    end = words.index("--") if "--" in words else len(words)
    if "--debug" not in words[:end]:
        return bool(os.environ.get("PANSOPHY_DEBUG"))
    words[:end] = [word for word in words[:end] if word != "--debug"]
    return True


def _explain(error: BaseException, message: str, debug: bool) -> None:
    if debug:
        import traceback

        traceback.print_exception(error)
    print(f"pansophy: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201
