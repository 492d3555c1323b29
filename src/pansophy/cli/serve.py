"""`pansophy serve`: the HTTP service, and the keys of those who may use it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pansophy.errors import UsageError

if TYPE_CHECKING:
    from fastapi import FastAPI

NEEDED = ("fastapi", "mcp", "nicegui", "uvicorn", "multipart", "prometheus_client")
GRACE_SECONDS = 10
"""How long requests that are under way may take to end when the service is stopped."""

MODELS = "Models"
KEYS = "Keys"
LIMITS = "Limits"


def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen at; anything but this machine's own needs --api-key-file.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0 for any that is free.")] = 8765,
    model: Annotated[
        str, typer.Option("--model", "-m", help="As for pansophy ask.", rich_help_panel=MODELS)
    ] = "default",
    seeker_model: Annotated[
        str | None,
        typer.Option(help="Another model for the reading agents.", rich_help_panel=MODELS, show_default=False),
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option(
            help="The models' endpoint (else OPENAI_BASE_URL; the key is OPENAI_API_KEY).",
            rich_help_panel=MODELS,
            show_default=False,
        ),
    ] = None,
    window: Annotated[
        int | None,
        typer.Option(
            min=256, help="Use this context window, in tokens.", rich_help_panel=MODELS, show_default="the model's"
        ),
    ] = None,
    strategy: Annotated[
        str, typer.Option(help="How a question is read that doesn't say how.", rich_help_panel=MODELS)
    ] = "auto",
    database: Annotated[
        str | None,
        typer.Option(
            help="Where runs and questions are kept: a file, or a PostgreSQL URL that several services share.",
            envvar="PANSOPHY_DATABASE",
            show_default="runs.sqlite in the home",
        ),
    ] = None,
    home: Annotated[
        Path | None,
        typer.Option(help="Folder for corpora, models and runs.", envvar="PANSOPHY_HOME", show_default=False),
    ] = None,
    api_key_file: Annotated[
        Path | None,
        typer.Option(help="File with the keys that clients need.", rich_help_panel=KEYS, show_default=False),
    ] = None,
    new_key: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Make a key, print it, add its hash to --api-key-file, and exit.",
            rich_help_panel=KEYS,
            show_default=False,
        ),
    ] = None,
    key_corpora: Annotated[
        str | None,
        typer.Option(
            metavar="A,B", help="With --new-key: the corpora that it is for.", rich_help_panel=KEYS, show_default="all"
        ),
    ] = None,
    key_rate: Annotated[
        int | None,
        typer.Option(
            min=1, help="With --new-key: its most requests a minute.", rich_help_panel=KEYS, show_default="any number"
        ),
    ] = None,
    deadline: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            help="The most seconds of one question, whatever it asks for.",
            rich_help_panel=LIMITS,
            show_default=False,
        ),
    ] = None,
    max_calls: Annotated[
        int | None,
        typer.Option(min=1, help="The most model calls of one question.", rich_help_panel=LIMITS, show_default=False),
    ] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option(
            min=1, help="The most tokens of one question, both ways.", rich_help_panel=LIMITS, show_default=False
        ),
    ] = None,
    max_cost: Annotated[
        float | None,
        typer.Option(
            min=0.000001,
            help="The most US dollars of one question, where prices are known.",
            rich_help_panel=LIMITS,
            show_default=False,
        ),
    ] = None,
    questions_at_once: Annotated[
        int, typer.Option(min=1, help="The most questions read at the same time.", rich_help_panel=LIMITS)
    ] = 8,
    upload_megabytes: Annotated[
        int, typer.Option(min=1, help="The most megabytes of one upload.", rich_help_panel=LIMITS)
    ] = 256,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Another name that requests may be addressed to, without keys.", show_default=False),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(help="Origin of web pages of others that may use the API.", show_default=False),
    ] = None,
) -> None:
    """Serve corpora and questions over HTTP: to people on a page, and to programs, OpenAI's clients and MCP's.

    For example: pansophy serve, then open http://127.0.0.1:8765

    Stops at Ctrl-C or SIGTERM; questions that are being read are continued at the next start.
    """
    _require_packages()
    if home is not None:
        import os

        os.environ["PANSOPHY_HOME"] = str(home)
    if new_key is not None:
        _make_key(new_key, api_key_file, key_corpora, key_rate)
        return
    if key_corpora is not None or key_rate is not None:
        raise UsageError("--key-corpora and --key-rate belong to --new-key")
    from pansophy.engine import Limits
    from pansophy.server import ServerSettings, create_app, service_of
    from pansophy.server.page import add_page
    from pansophy.server.settings import MEGABYTE

    settings = ServerSettings(
        host=host,
        port=port,
        model=model,
        seeker_model=seeker_model,
        base_url=base_url,
        window=window,
        strategy=strategy,
        database=database,
        key_file=api_key_file,
        allowed_hosts=tuple(allow_host or ()),
        allowed_origins=tuple(allow_origin or ()),
        most=Limits(deadline=deadline, max_calls=max_calls, max_tokens=max_tokens, max_cost=max_cost),
        questions_at_once=questions_at_once,
        largest_upload=upload_megabytes * MEGABYTE,
    )
    app = create_app(settings)
    add_page(app, service_of(app), app.state.keys)
    _run(app, host, port)


def _require_packages() -> None:
    if missing := [name for name in NEEDED if find_spec(name) is None and find_spec(f"python_{name}") is None]:
        raise UsageError(f"the service needs more packages ({', '.join(missing)}): pip install 'pansophy[serve]'")


def _make_key(name: str, path: Path | None, corpora: str | None, rate: int | None) -> None:
    from pansophy.server.keys import new_key

    if path is None:
        raise UsageError("--new-key needs --api-key-file FILE, to which the key's hash is added")
    names = None if corpora is None else [part.strip() for part in corpora.split(",")]
    key = new_key(path, name, corpora=names, per_minute=rate)
    typer.echo(f"The key of {name}; it is shown only now, and {path} holds only its hash:", err=True)
    typer.echo(key)


def _run(app: FastAPI, host: str, port: int) -> None:
    """Serve until the process is told to stop; open streams are then ended, so that nothing waits for them."""
    import uvicorn

    from pansophy.server import service_of, tracing
    from pansophy.server.logs import log_as_json

    service = service_of(app)

    class Server(uvicorn.Server):
        async def shutdown(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
            service.feed.close()
            await super().shutdown(sockets)  # type: ignore[arg-type]

    log_as_json()
    tracing.set_up()
    server = Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http="h11",  # the other one that may be installed reads headers of any size
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
    try:
        server.run()
    except SystemExit as error:
        raise UsageError(
            f"{host}:{port} can't be listened at: choose another --port, or end what listens there"
        ) from error
