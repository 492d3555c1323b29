"""A llama.cpp server in a process of its own: python llamacpp_server.py MODEL.gguf KEY; prints its address, then serves
until its standard input closes."""

from __future__ import annotations

import sys
from pathlib import Path

from pansophy.models.llamacpp import ServerSettings, load_library, server_params


def main() -> None:
    xllamacpp = load_library()
    params = server_params(xllamacpp, ServerSettings(Path(sys.argv[1]), 2048, 2, 0, 256))
    params.api_keys = [sys.argv[2]]
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)  # noqa: T201
    sys.stdin.read()
    del server


if __name__ == "__main__":
    main()
