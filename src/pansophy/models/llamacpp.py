"""llama.cpp servers inside this process: started once for equal settings, shared, and really gone when unused.

Knows nothing of chat: it turns a file and settings into an address and a key, counted by how many hold them.
"""

from __future__ import annotations

import asyncio
import gc
import math
import os
import secrets
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pansophy.errors import RequestRefused, UsageError

PROMPT_CACHE_SHARE = 0.5
"""Share of the memory available after loading that saved prompt states may take."""

PROMPT_CACHE_MIB = (256, 16_384)
"""Least and most MiB for saved prompt states."""


SLOTS_VARIABLE = "PANSOPHY_SLOTS"
SLOTS = 2
SLOTS_WITH_GPU = 16
"""A GPU computes many prompts in the time of one; two cores don't."""

SPIN_COUNT = "100"
"""How often an OpenMP thread looks for work before it sleeps."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What makes two servers the same. `window` is the context of one slot in tokens, `slots` how many calls run at
    once, `threads` the threads that compute (0: one for each physical core), `cache_mib` the bound on saved prompt
    states in MiB."""

    path: Path
    window: int
    slots: int
    threads: int
    cache_mib: int


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens (loopback only) and the key that it wants."""

    url: str
    key: str = field(repr=False)


class _Shared:
    """One server, the number of its holders, and the future of its address."""

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self.holders = 0
        self.address: Future[Address] = Future()
        self.server: Any = None

    def start(self) -> None:
        try:
            self.server, address = _start(self.settings)
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits for the address
            self.address.set_exception(error)
        else:
            self.address.set_result(address)

    def stop(self) -> None:
        """Wait until it has started, then free it. Freeing waits for the server's threads to end."""
        self.address.exception()
        self.server = None
        gc.collect()


_lock = threading.Lock()
_servers: dict[ServerSettings, _Shared] = {}


class Lease:
    """The right to use a server: `address` waits until it listens, `release` gives it back (once is enough)."""

    def __init__(self, settings: ServerSettings) -> None:
        with _lock:
            shared = _servers.get(settings)
            if shared is None:
                shared = _servers[settings] = _Shared(settings)
                threading.Thread(target=shared.start, name="pansophy-llamacpp-start", daemon=True).start()
            shared.holders += 1
        self._shared: _Shared | None = shared

    async def address(self) -> Address:
        """The server's address once it has loaded.

        Raises:
            ModelError: llama.cpp can't load the file.
        """
        assert self._shared is not None, "the lease has been released"
        return await asyncio.shield(asyncio.wrap_future(self._shared.address))

    def forget(self) -> None:
        """Give the server back without waiting until it is freed."""
        self._give_back()

    async def release(self) -> None:
        """Give the server back; the last one to do so waits until it is freed."""
        if unused := self._give_back():
            await asyncio.to_thread(unused.stop)

    def _give_back(self) -> _Shared | None:
        with _lock:
            shared, self._shared = self._shared, None
            if shared is None:
                return None
            shared.holders -= 1
            if shared.holders:
                return None
            _servers.pop(shared.settings, None)
            return shared


def check_file(path: Path) -> None:
    """Refuse what is no GGUF file before llama.cpp does so without saying why.

    Raises:
        RequestRefused: missing, unreadable, or without the format's magic number.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise RequestRefused(f"the model file {path} can't be read: {error.strerror or error}") from None
    if magic != b"GGUF":
        raise RequestRefused(f"{path} is not a GGUF model file (it starts with {magic!r}, expected b'GGUF')")


def prompt_cache_mib(share: float = PROMPT_CACHE_SHARE) -> int:
    """How many MiB of saved prompt states this machine affords now."""
    import psutil

    least, most = PROMPT_CACHE_MIB
    return max(least, min(most, int(psutil.virtual_memory().available * share / 2**20)))


def physical_cores() -> int:
    """Physical cores that this process may use (at least 1)."""
    import psutil

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    return max(1, min(psutil.cpu_count(logical=False) or allowed, allowed, math.ceil(_cgroup_cpus(allowed))))


def usual_slots() -> int:
    """How many calls a model runs at once unless its user says so: what `PANSOPHY_SLOTS` says, else by whether
    llama.cpp computes on a GPU here.

    Raises:
        UsageError: `PANSOPHY_SLOTS` is no positive number.
        RequestRefused: llama.cpp can't be loaded.
    """
    if chosen := os.environ.get(SLOTS_VARIABLE):
        if not chosen.isdecimal() or int(chosen) < 1:
            raise UsageError(f"{SLOTS_VARIABLE} must be a positive number, not {chosen!r}")
        return int(chosen)
    return SLOTS_WITH_GPU if has_gpu(load_library()) else SLOTS


def has_gpu(xllamacpp: Any) -> bool:
    """Whether this build of llama.cpp sees a GPU (the package index's computes on the CPU; others are to be had)."""
    kinds = xllamacpp.ggml_backend_dev_type
    gpus = (kinds.GGML_BACKEND_DEVICE_TYPE_GPU, kinds.GGML_BACKEND_DEVICE_TYPE_IGPU)
    return any(device["type"] in gpus for device in xllamacpp.get_device_info())


def _cgroup_cpus(otherwise: int) -> float:
    """CPUs that the container grants by quota."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return otherwise
    return otherwise if quota == "max" else int(quota) / int(period)


def _start(settings: ServerSettings) -> tuple[Any, Address]:
    check_file(settings.path)
    xllamacpp = load_library()
    key = secrets.token_urlsafe(24)
    params = server_params(xllamacpp, settings)
    params.api_keys = [key]
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:
        raise RequestRefused(
            f"llama.cpp can't load {settings.path} with {settings.slots} x {settings.window} tokens of context: the "
            f"file may be damaged, of an architecture newer than this xllamacpp, or larger than memory ({error})"
        ) from None
    return server, Address(server.listening_address, key)


def load_library() -> Any:
    """The `xllamacpp` module, its threads told not to spin for long.

    By default llama.cpp's OpenMP threads wait by spinning for milliseconds. When another process wants the cores as
    well, generation becomes 10 to 25 times slower than its fair share (docs/experiments.md). A short spin costs a
    seventh of the speed on an idle machine. The runtime reads the variable once, when the library is loaded.

    Raises:
        RequestRefused: the library can't be loaded here.
    """
    chosen = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys()
    if not chosen:
        os.environ["GOMP_SPINCOUNT"] = SPIN_COUNT
    try:
        import xllamacpp
    except ImportError as error:
        raise RequestRefused(
            f"llama.cpp can't be loaded ({error}): the embedded model needs the xllamacpp package and, on Linux, "
            "libgomp (package libgomp1); a server can be used instead (--base-url)"
        ) from None
    finally:
        if not chosen:
            os.environ.pop("GOMP_SPINCOUNT", None)
    return xllamacpp


def server_params(xllamacpp: Any, settings: ServerSettings) -> Any:
    """llama.cpp's parameters for `settings` (measured: docs/experiments.md, "Embedded model settings")."""
    params = xllamacpp.CommonParams()
    params.model.path = str(settings.path)
    params.n_ctx = settings.window * settings.slots
    params.n_parallel = settings.slots
    threads = settings.threads or physical_cores()
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.cache_ram_mib = settings.cache_mib
    params.hostnames = ["127.0.0.1"]
    params.verbosity = 0
    params.ui = False
    params.warmup = False
    params.fit_params = False  # our settings hold; finding others would load the file twice
    params.swa_full = True  # else prefixes can't be reused by models with sliding-window attention
    params.enable_reasoning = 0  # short replies in a given form; a model that thinks first would be cut
    return params
