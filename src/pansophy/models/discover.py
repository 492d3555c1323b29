"""What can be used here: the catalogue with what has been pulled and what fits, and servers running on this machine.

Servers are looked for on the ports that they usually have, on the loopback interface only, and only when asked. They
are offered, never used unless named.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pansophy.models.catalogue import CATALOGUE, DEFAULT_NAME, CatalogueModel, Fit, fits
from pansophy.models.files import ModelFiles
from pansophy.models.servers import OWNERS, Kind

PROBE_SECONDS = 1.0
PORTS: Mapping[int, Kind] = {11434: "ollama", 8080: "llama.cpp", 8000: "vllm", 1234: "lmstudio"}


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A catalogue model as this machine sees it. `path` is where it lies (None: not pulled), `fit` whether it fits in
    the memory available now, `memory` the bytes that it needs, `pinned` whether its hash is known."""

    model: CatalogueModel
    path: Path | None
    fit: Fit
    memory: int
    pinned: bool

    @property
    def is_default(self) -> bool:
        return self.model.name == DEFAULT_NAME


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server found on this machine; `models` is empty when it wants a key to tell."""

    kind: Kind
    base_url: str
    models: tuple[str, ...]
    wants_key: bool = False


def local_models(home: Path | None = None) -> list[LocalModel]:
    """The catalogue, in its order.

    Raises:
        StoreError: the list of written-down hashes is damaged.
    """
    import psutil

    from pansophy.models.embedded import DEFAULT_WINDOW
    from pansophy.models.llamacpp import SLOTS

    files, tokens = ModelFiles(home), SLOTS * DEFAULT_WINDOW
    available = psutil.virtual_memory().available
    return [
        LocalModel(
            model,
            files.path(model),
            fits(model, tokens, available=available),
            model.memory(tokens),
            files.sha256(model) is not None,
        )
        for model in CATALOGUE
    ]


async def running_servers(ports: Mapping[int, Kind] = PORTS) -> list[RunningServer]:
    """OpenAI-compatible servers on this machine's usual ports; takes at most about a second."""
    import httpx

    async with httpx.AsyncClient(trust_env=False, timeout=PROBE_SECONDS) as client:
        found = await asyncio.gather(*(_probe(client, port, kind) for port, kind in ports.items()))
    return [server for server in found if server is not None]


async def _probe(client: Any, port: int, usual: Kind) -> RunningServer | None:
    import httpx

    base_url = f"http://127.0.0.1:{port}/v1"
    try:
        reply = await client.get(f"{base_url}/models")
        if reply.status_code in (401, 403):
            return RunningServer(usual, base_url, (), wants_key=True)
        entries = reply.json()["data"]
        names = tuple(str(entry["id"]) for entry in entries)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError):
        return None  # nothing there, or something else that is no model server
    kind = next((OWNERS[entry["owned_by"]] for entry in entries if entry.get("owned_by") in OWNERS), usual)
    return RunningServer(kind, base_url, names)
