"""A process with the page and a scripted model; it prints its port. `python -m tests.server.page.site [KEY_FILE]`.

A question that says "slowly" is read slowly.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

import uvicorn
from tests.server.reader import Prompt, reader

from pansophy.server import ServerSettings, create_app, service_of
from pansophy.server.page import add_page

PAUSE_SECONDS = 1.0


async def _pause(prompt: Prompt) -> None:
    if "slowly" in prompt[-1].content:
        await asyncio.sleep(PAUSE_SECONDS)


def main() -> None:
    key_file = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    app = create_app(ServerSettings(model=reader(_pause, parallel=1), strategy="extagents", key_file=key_file))
    add_page(app, service_of(app), app.state.keys)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        uvicorn.Server(uvicorn.Config(app, http="h11", log_level="warning")).run(sockets=[listener])


if __name__ == "__main__":
    main()
