"""Corpora that are kept open between uses, for whoever serves many requests: opening one costs more than searching it.

Each is opened again when it has changed, whichever process changed it. Knows nothing of requests.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

from pansophy import settings
from pansophy.corpus.corpus import Corpus, CorpusInfo, corpus_names
from pansophy.errors import CorpusError, StoreError, UnknownCorpus

Stamp = tuple[int, int]
MOST_OPEN = 64


class Shelf:
    """The named corpora of `PANSOPHY_HOME` (or `home`). May be used from any thread.

    Args:
        home: used instead of `PANSOPHY_HOME`.
        most_open: how many corpora are kept open at the same time.
    """

    def __init__(self, home: Path | None = None, *, most_open: int = MOST_OPEN) -> None:
        self._home = home
        self._most_open = most_open
        self._open: OrderedDict[str, tuple[Stamp | None, Corpus]] = OrderedDict()
        self._infos: dict[str, tuple[Stamp | None, CorpusInfo]] = {}
        self._lock = threading.Lock()

    def open(self, name: str) -> Corpus:
        """The corpus of this name as it is now, to be read.

        Raises:
            UnknownCorpus: there is none. The message names no other: whoever asks may not be meant to know them.
        """
        stamp = self._stamp(name)
        with self._lock:
            kept = self._open.get(name)
            if kept is not None and stamp is not None and kept[0] == stamp:
                self._open.move_to_end(name)
                return kept[1]
        corpus = self.take(name)
        with self._lock:
            self._open[name] = (stamp, corpus)
            self._open.move_to_end(name)
            while len(self._open) > self._most_open:
                self._open.popitem(last=False)
        return corpus

    def take(self, name: str) -> Corpus:
        """The corpus of this name for oneself, to be changed. Raises UnknownCorpus, as `open`."""
        try:
            return Corpus.open(name, home=self._home)
        except UnknownCorpus:
            raise UnknownCorpus(f"There is no corpus named {name!r}.") from None

    def info(self, name: str) -> CorpusInfo:
        """What is known of the corpus of this name. Raises UnknownCorpus."""
        stamp = self._stamp(name)
        kept = self._infos.get(name)
        if kept is not None and stamp is not None and kept[0] == stamp:
            return kept[1]
        info = self.open(name).info()
        self._infos[name] = (stamp, info)
        return info

    def infos(self) -> list[CorpusInfo]:
        """All corpora, by name; one that can't be read, or goes at this moment, is left out."""
        found = []
        for name in corpus_names(self._home):
            try:
                found.append(self.info(name))
            except (CorpusError, StoreError):
                continue
        return found

    def _stamp(self, name: str) -> Stamp | None:
        """Changes whenever a change of the corpus is made visible. None: there is no such folder."""
        versions = (self._home or settings.home()) / "corpora" / name / "documents.lance" / "_versions"
        try:
            status = versions.stat()
        except (OSError, ValueError):
            return None
        return status.st_ino, status.st_mtime_ns
