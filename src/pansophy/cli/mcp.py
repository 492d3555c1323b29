"""`pansophy mcp`: the programs of other models ask, search and read corpora through the Model Context Protocol."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated

import typer

from pansophy.errors import UsageError


def mcp(
    corpus: Annotated[
        list[str] | None,
        typer.Option(help="Offer this corpus; may be given several times.", show_default="all of them"),
    ] = None,
    model: Annotated[
        str, typer.Option("--model", "-m", help="What answers questions, as for pansophy ask.")
    ] = "default",
    seeker_model: Annotated[
        str | None,
        typer.Option(help="Another model for the reading agents, often a smaller one.", show_default=False),
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option(help="The endpoint (else OPENAI_BASE_URL; the key is OPENAI_API_KEY).", show_default=False),
    ] = None,
    strategy: Annotated[str, typer.Option(help="How a question is read that doesn't say how.")] = "auto",
    window: Annotated[
        int | None, typer.Option(min=256, help="Use this context window, in tokens.", show_default="the model's")
    ] = None,
) -> None:
    """Serve corpora to other models' programs over MCP, on standard input and output.

    A client starts this command by itself; see docs/guide/mcp.md for its configuration.
    """
    if find_spec("mcp") is None:
        raise UsageError("the MCP server needs the extra serve: pip install 'pansophy[serve]'")
    import asyncio
    import signal

    from pansophy.reading.ask import strategy_class
    from pansophy.server.mcp import Offer, serve_stdio

    offer = Offer(
        model,
        seeker_model=seeker_model,
        base_url=base_url,
        window=window,
        corpora=tuple(corpus) if corpus else None,
        strategy=strategy_class(strategy).name,
    )
    # Standard input is read in a thread that nothing can interrupt, so Ctrl-C has to end the process itself.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    asyncio.run(serve_stdio(offer))
