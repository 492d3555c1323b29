"""Who writes documents: chat models, and adapters that share their base model's weights in memory."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pansophy.engine import Engine
from pansophy.errors import EmptyReply, UnknownModel
from pansophy.models import ChatModel
from pansophy.reading.cook.cards import Card
from pansophy.reading.cook.prompts import write_prompt
from pansophy.reading.quotes import cut_at_sentence

if TYPE_CHECKING:
    from pansophy.models import WhiteBoxModel


@dataclass(frozen=True, slots=True)
class Draw:
    """How documents are drawn: how many for each question, of at most so many tokens. Equal draws are equal."""

    count: int
    max_tokens: int
    temperature: float
    seed: int


class Writer(Protocol):
    """Writes documents about questions; an empty text where it has nothing to say."""

    async def write(self, questions: Sequence[str], draw: Draw) -> list[list[str]]:
        """`draw.count` documents for each question."""
        ...


class ChatWriter:
    """A chat model that is asked for what it knows, through an engine that sees to limits and retries."""

    def __init__(self, model: ChatModel, engine: Engine) -> None:
        self._model, self._engine = model, engine

    async def write(self, questions: Sequence[str], draw: Draw) -> list[list[str]]:
        """See `Writer.write`; the i-th document of a question has the seed `seed + i`. Raises as `Engine.complete`."""
        seeds = range(draw.seed, draw.seed + draw.count)
        calls = [self._one(question, draw, seed) for question in questions for seed in seeds]
        said = await asyncio.gather(*calls)
        return [said[at : at + draw.count] for at in range(0, len(said), draw.count)]

    async def _one(self, question: str, draw: Draw, seed: int) -> str:
        try:
            completion = await self._engine.complete(
                self._model,
                write_prompt(question),
                max_tokens=draw.max_tokens,
                temperature=draw.temperature,
                seed=seed,
            )
        except EmptyReply:
            return ""
        return completion.text.strip()


@dataclass(slots=True)
class LoadedBase:
    """A model in memory with the adapters in it, by their weights' hash; one card writes at a time."""

    white: WhiteBoxModel
    network: Any = None
    adapters: set[str] = field(default_factory=set)
    busy: threading.Lock = field(default_factory=threading.Lock)


class SharedBases:
    """Base models, each once in memory, with the adapters of all cards that were asked.

    Args:
        device, dtype, home: as for `WhiteBoxModel.load`.

    Attributes:
        loaded: what is in memory, by the name of the base.
    """

    def __init__(self, device: str | None = None, dtype: str | None = None, home: Path | None = None) -> None:
        self._how: dict[str, Any] = {"device": device, "dtype": dtype, "home": home}
        self.loaded: dict[str, LoadedBase] = {}
        self._loading = threading.Lock()

    def write(self, card: Card, questions: Sequence[str], draw: Draw) -> list[list[str]]:
        """What the card's adapter writes after each question, without a sentence that is broken off at the end.

        Raises:
            UnknownModel: the base can't be loaded, is not the one that the adapter was trained on, or doesn't fit it.
            ContextOverflow: a question and the document don't fit the window.
        """
        from pansophy.conflicts.decoding import Decoding, decode

        base = self._base_of(card)
        decoding = Decoding(draw.max_tokens, draw.temperature, seed=draw.seed, stop=())
        with base.busy:
            name = self._put(base, card)
            base.network.set_adapter(name, inference_mode=True)
            rows = [question for question in questions for _ in range(draw.count)]
            said = decode(base.white, rows, rows, None, decoding)
        texts = [reply.text if reply.finished else cut_at_sentence(reply.text) for reply in said]
        return [texts[at : at + draw.count] for at in range(0, len(texts), draw.count)]

    def forget(self, card: Card) -> None:
        """Take a card's adapter out of memory, and with the last one its base."""
        with self._loading:
            base, name = self.loaded.get(card.base), _adapter_name(card)
            if base is None or name not in base.adapters:
                return
            with base.busy:
                base.adapters.remove(name)
                if not base.adapters:
                    del self.loaded[card.base]
                    return
                base.network.set_adapter(next(iter(base.adapters)), inference_mode=True)  # none but an idle one can go
                base.network.delete_adapter(name)

    def _base_of(self, card: Card) -> LoadedBase:
        from pansophy.models import WhiteBoxModel

        with self._loading:
            if card.base not in self.loaded:
                self.loaded[card.base] = LoadedBase(WhiteBoxModel.load(card.base, **self._how))
            return self.loaded[card.base]

    def _put(self, base: LoadedBase, card: Card) -> str:
        """Load the adapter, unless it is there; its name in the network."""
        from pansophy.models.white_box.adapters import adapter_at

        name = _adapter_name(card)
        if name in base.adapters:
            return name
        adapter = adapter_at(card.folder) if card.folder is not None else None
        if adapter is None:
            raise UnknownModel(f"the card {card.name} has no adapter in {card.folder}")
        network = base.white.network if base.network is None else base.network
        base.network = adapter.on(network, base.white.identity, name=name)
        base.network.eval()
        base.adapters.add(name)
        return name


def _adapter_name(card: Card) -> str:
    """Told by its weights: cards of the same name in two pools may share a base."""
    return card.digest.removeprefix("sha256:")[:16]


class AdapterWriter:
    """A card's adapter on its shared base."""

    def __init__(self, card: Card, bases: SharedBases) -> None:
        self._card, self._bases = card, bases

    async def write(self, questions: Sequence[str], draw: Draw) -> list[list[str]]:
        """See `Writer.write` and `SharedBases.write`. The same draw of the same questions writes the same."""
        return await asyncio.to_thread(self._bases.write, self._card, questions, draw)
