"""`pansophy models`: what can be used here, does it answer, fetch it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from pansophy.models.checkup import CheckUp
    from pansophy.models.discover import LocalModel, RunningServer
    from pansophy.models.pull import Progress, PullProgress

app = typer.Typer(no_args_is_help=True, help="See, fetch and try the models that can be used here.")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List the models known by name, and the servers running on this machine (offered, never used unless named)."""
    from pansophy.models.discover import local_models, running_servers
    from pansophy.models.files import ModelFiles

    models, servers = local_models(), asyncio.run(running_servers())
    if as_json:
        import json

        data = {"models": [_as_data(item) for item in models], "servers": [_server_data(item) for item in servers]}
        typer.echo(json.dumps(data, ensure_ascii=False, indent=2))
        return
    from rich.console import Console

    console = Console()
    console.print(_model_table(models))
    console.print(
        "* called embedded; by default it reads and the 1.5B reasons. "
        "Needs: memory with the default window. Fits: in the memory free now. "
        "Fetched with `pansophy models pull NAME` or when first used, from the hub or the package index, and accepted "
        "only with the hash known here; ¹ from the hub alone, its hash is written down at the first pull. "
        f"Kept in {ModelFiles().folder}.\n"
        "Also usable: any .gguf file by its path, any of the hub's as hf://owner/repository/file.gguf.",
        style="dim",
    )
    _print_servers(console, servers)


@app.command("test")
def try_model(
    name: Annotated[str, typer.Argument(help="A model's name, as for `ask --model`.")] = "embedded",
    base_url: Annotated[
        str | None, typer.Option(help="Address of an OpenAI-compatible endpoint, e.g. http://127.0.0.1:8080/v1.")
    ] = None,
    api_key: Annotated[
        str | None, typer.Option(envvar="OPENAI_API_KEY", show_envvar=True, help="Its key.", show_default=False)
    ] = None,
    window: Annotated[int | None, typer.Option(min=512, help="Context window in tokens.")] = None,
    as_json: AsJson = False,
) -> None:
    """Load a model, ask it a tiny question, and measure its speed and whether it remembers prefixes."""
    from rich.console import Console

    from pansophy.models import open_model
    from pansophy.models.checkup import check_model

    with _pull_bar() as progress:
        model = open_model(name, base_url=base_url, api_key=api_key, window=window, progress=progress)

        async def check() -> CheckUp:
            try:
                return await check_model(model)
            finally:
                await model.aclose()

        result = asyncio.run(check())
    if as_json:
        import dataclasses
        import json

        data = {**dataclasses.asdict(result), "remembers_prefixes": result.remembers_prefixes}
        typer.echo(json.dumps(data, ensure_ascii=False, indent=2))
    else:
        _print_check_up(Console(highlight=False), result)


@app.command("pull")
def pull(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Catalogue names, or hf://owner/repository/file.gguf.", show_default="what `ask` uses by default"
        ),
    ] = None,
) -> None:
    """Fetch model files: from the hub, else from the package index. Goes on where an earlier pull stopped."""
    from pansophy.models.opening import DEFAULT, catalogue_model
    from pansophy.models.pull import pull_async

    for model in [catalogue_model(name) for name in names or ("embedded", DEFAULT)]:
        with _pull_bar() as progress:
            path = asyncio.run(pull_async(model, progress=progress))
        typer.echo(str(path))


@contextmanager
def _pull_bar() -> Iterator[Progress]:
    """A progress bar on standard error that appears with the first byte; nothing when that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bar

    bar = Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    tasks: dict[str, Any] = {}

    def show(step: PullProgress) -> None:
        if not bar.console.is_terminal:
            return
        if not tasks:
            bar.start()
        if step.phase not in tasks:
            for task in tasks.values():
                bar.update(task, visible=False)
            tasks[step.phase] = bar.add_task(f"{step.name}: {step.phase}", total=step.total or None)
        bar.update(tasks[step.phase], completed=step.done)

    try:
        yield show
    finally:
        bar.stop()


def _model_table(models: list[LocalModel]) -> Any:
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("name", "what", "size", "needs", "fits", "pulled"):
        table.add_column(heading, justify="right" if heading in ("size", "needs") else "left", no_wrap=True)
    for item in models:
        model = item.model
        missing = "no" if model.parts else "no ¹"
        table.add_row(
            f"{model.name} *" if item.is_default else model.name,
            f"{model.parameters:g}B, {model.licence}",
            _size(model.size),
            _size(item.memory),
            item.fit,
            "yes" if item.path else missing,
            style="dim" if item.fit == "no" else None,
        )
    return table


def _hash_state(item: LocalModel) -> str:
    if item.model.sha256:
        return "exact"
    return "pinned" if item.pinned else "first use"


def _print_servers(console: Console, servers: list[RunningServer]) -> None:
    console.print()
    if not servers:
        console.print("No model server is running on this machine's usual ports (Ollama, llama.cpp, vLLM, LM Studio).")
        return
    console.print("Running on this machine:", style="bold")
    for server in servers:
        names = ", ".join(server.models) or ("wants a key" if server.wants_key else "no models loaded")
        console.print(f"  {server.kind}  --base-url {server.base_url}  --model {names}", soft_wrap=True, markup=False)


def _print_check_up(console: Console, result: CheckUp) -> None:
    counting = "the model's own tokenizer" if result.counts_exactly else "an estimate with a margin"
    share = f"{result.prefix_cached} of {result.prefix_tokens} prompt tokens"
    lines = [
        ("model", f"{result.name} ({result.identity})"),
        ("answer", result.answer or "(nothing)"),
        ("window", f"{result.window} tokens, {result.parallel} calls at once, counted by {counting}"),
        ("loading", f"{result.load_seconds:.1f} s"),
        ("speed", f"{result.prefill_speed:.0f} tokens/s read, {result.generation_speed:.0f} tokens/s written"),
        ("prefixes", f"{'remembered' if result.remembers_prefixes else 'not remembered'}: {share} from the cache"),
    ]
    if result.prompt_cache_mib is not None:
        lines.append(("cache", f"at most {result.prompt_cache_mib:,} MiB of memory for states of earlier prompts"))
    lines += [("note", warning) for warning in result.warnings]
    for label, text in lines:
        console.print(f"{label:<9} {text}", soft_wrap=True, markup=False)


def _size(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def _as_data(item: LocalModel) -> dict[str, Any]:
    model = item.model
    return {
        "name": model.name,
        "title": model.title,
        "uri": model.uri,
        "sources": ["hub", "package index"] if model.parts else ["hub"],
        "size": model.size,
        "licence": model.licence,
        "memory": item.memory,
        "fits": item.fit,
        "hash": _hash_state(item),
        "path": str(item.path) if item.path else None,
        "default": item.is_default,
    }


def _server_data(server: RunningServer) -> dict[str, Any]:
    return {
        "kind": server.kind,
        "base_url": server.base_url,
        "models": list(server.models),
        "wants_key": server.wants_key,
    }
