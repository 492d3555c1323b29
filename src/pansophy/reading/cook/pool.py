"""The cards that there are: in memory, or in a folder where each has a folder of its own.

Nothing is kept of all cards together, so that adding or removing one touches no other.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from pansophy.engine import Engine
from pansophy.errors import StoreError, UnknownModel, UsageError
from pansophy.models import ChatModel, open_model
from pansophy.reading.cook.cards import ADAPTER_FILES, FOLDER, MANIFEST, Card
from pansophy.reading.cook.writing import AdapterWriter, ChatWriter, SharedBases, Writer
from pansophy.settings import home as default_home

COPIED = (*ADAPTER_FILES, "pansophy.json")
"""The files of an adapter beside the manifest; the last says how it was trained."""


class CardPool:
    """Cards by name, in the order of their names.

    Args:
        cards: the first ones.
        folder: where cards are kept; None keeps them in memory alone.
        bases: the base models in memory; by default those of this pool alone.

    Raises:
        UsageError: two have the same name.

    Attributes:
        damaged: cards in the folder that can't be used, by name, with the reason; they can be removed.
    """

    def __init__(
        self, cards: Iterable[Card] = (), *, folder: Path | None = None, bases: SharedBases | None = None
    ) -> None:
        self.folder = folder
        self._bases = bases or SharedBases()
        self._models: dict[str, ChatModel] = {}
        self._cards: dict[str, Card] = {}
        self.damaged: dict[str, str] = {}
        for place in sorted(folder.glob("[!.]*/")) if folder is not None else ():
            try:
                card = Card.at(place)
                if card.name != place.name:
                    raise UnknownModel(f"it is called {card.name}: use pansophy card add")
                self._cards[card.name] = card
            except UnknownModel as error:
                begun = not (place / MANIFEST).exists()
                self.damaged[place.name] = "its training was broken off: run it again" if begun else str(error)
        for card in cards:
            self.add(card)

    @classmethod
    def open(cls, home: Path | None = None) -> CardPool:
        """The stored pool, in `PANSOPHY_HOME` or another home."""
        return cls(folder=(home or default_home()) / FOLDER, bases=SharedBases(home=home))

    def __iter__(self) -> Iterator[Card]:
        return iter(self._cards[name] for name in sorted(self._cards))

    def __len__(self) -> int:
        return len(self._cards)

    def __getitem__(self, name: str) -> Card:
        if name in self.damaged:
            raise UnknownModel(f"the card {name} can't be used: {self.damaged[name]}")
        if name not in self._cards:
            there = ", ".join(card.name for card in self) or "none: pansophy card train makes one"
            raise UsageError(f"there is no card {name!r}; there are {there}")
        return self._cards[name]

    def only(self, names: Collection[str]) -> list[Card]:
        """The cards of these names; all of them if there is no name.

        Raises:
            UsageError: there is no card of a name, or no card at all.
        """
        chosen = [self[name] for name in dict.fromkeys(names)] if names else list(self)
        if not chosen:
            raise UsageError("there are no cards: train one (pansophy card train) or add one (pansophy card add)")
        return sorted(chosen, key=lambda card: card.name)

    def add(self, card: Card) -> Card:
        """Add a card; where the pool has a folder, a copy of it.

        Returns:
            The card as it is in the pool.

        Raises:
            UsageError: there is a card of this name, be it in other letter case, or it can't be stored.
            StoreError: it can't be written.
        """
        if any(card.name.casefold() == name.casefold() for name in (*self._cards, *self.damaged)):
            raise UsageError(
                f"there is a card {card.name} already: remove it first (pansophy card remove), or choose another name"
            )
        self._cards[card.name] = self._stored(card) if self.folder is not None else card
        return self._cards[card.name]

    def remove(self, name: str) -> None:
        """Remove a card, from the folder and from memory; what it was copied from stays.

        Raises:
            UsageError: there is no card of this name.
            StoreError: its folder can't be deleted.
        """
        card = None if name in self.damaged else self[name]
        if self.folder is not None:
            try:
                shutil.rmtree(self.folder / name)
            except OSError as error:
                raise StoreError(f"can't delete {self.folder / name}: {error.strerror or error}") from error
        if card is not None:
            self._bases.forget(card)
        for known in (self._cards, self._models, self.damaged):
            known.pop(name, None)

    def writer(self, card: Card, engine: Engine) -> Writer:
        """What writes for a card of the pool."""
        if card.folder is not None and card.base:
            return AdapterWriter(card, self._bases)
        if card.live is not None:
            return ChatWriter(card.live, engine)
        if card.name not in self._models:
            self._models[card.name] = open_model(card.model, base_url=card.base_url)
        return ChatWriter(self._models[card.name], engine)

    async def aclose(self) -> None:
        """Free the chat models that were opened here."""
        while self._models:
            await self._models.popitem()[1].aclose()

    def _stored(self, card: Card) -> Card:
        assert self.folder is not None
        place = self.folder / card.name
        if card.folder is not None and card.folder.resolve() == place.resolve():
            return card
        partial = self.folder / f".{card.name}.partial"
        try:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            if card.folder is not None:
                for name in COPIED:
                    shutil.copy2(card.folder / name, partial / name)
            card.write(partial)
            os.replace(partial, place)
        except OSError as error:
            raise StoreError(f"can't write {place}: {error.strerror or error}") from error
        return replace(card, folder=place if card.folder is not None else None)
