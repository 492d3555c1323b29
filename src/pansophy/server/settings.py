"""What a service is started with. Plain data; the environment and the command line are read elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from pansophy.engine import Limits

if TYPE_CHECKING:
    from pansophy.models import ChatModel

MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How a service listens, answers and limits.

    Args:
        host: the address that it is reached at; anything but loopback needs keys.
        port: its port.
        model: what reasons, and reads unless `seeker_model` does (as for `pansophy.ask`).
        seeker_model: what reads chunks.
        base_url: the OpenAI-compatible endpoint of models given by name.
        window: the context window of models given by name, in tokens.
        strategy: how a question is read that doesn't say how.
        database: where runs and jobs are kept, as for `RunStore`.
        key_file: the file with the keys that clients need; None for a service that everybody may use.
        allowed_hosts: names, beside those of loopback, that requests may be addressed to where there are no keys.
        allowed_origins: origins of web pages of others that may use the API (CORS); none by default.
        most: what no question may take more of, whichever way it comes in and whatever limits it asks for.
        questions_at_once: the most questions that this process reads at the same time.
        largest_request: the most bytes of a request that is no upload.
        largest_upload: the most bytes of an upload, all its files together.
        most_files: the most files of an upload.
        heartbeat: seconds after which a silent stream sends a sign of life.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    model: str | ChatModel = "default"
    seeker_model: str | ChatModel | None = None
    base_url: str | None = None
    window: int | None = None
    strategy: str = "auto"
    database: str | None = None
    key_file: Path | None = None
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    most: Limits = field(default_factory=Limits)
    questions_at_once: int = 8
    largest_request: int = 64 * MEGABYTE
    largest_upload: int = 256 * MEGABYTE
    most_files: int = 1000
    heartbeat: float = 15.0

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches the service."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether `host` is a name or an address of this machine that no other machine reaches."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
