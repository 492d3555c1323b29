"""A knowledge card: a small language model of one field, and a folder that says what it is.

A card is an adapter on a base model (`Card.train`, `Card.at`) or any chat model (`Card.of`). Its manifest, `card.json`,
has name, description, licence, base, tokenizer and the hashes of its files. Knows nothing of how cards are used.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pansophy.errors import RunError, UnknownModel, UsageError
from pansophy.evaluation.files import write_json
from pansophy.models import ChatModel
from pansophy.reading.cook.settings import CardTraining
from pansophy.settings import home as default_home

if TYPE_CHECKING:
    from pansophy.conflicts.training.train import Progress

MANIFEST = "card.json"
FOLDER = "cards"
"""Of the stored cards, under `PANSOPHY_HOME`."""
FORMAT = 1
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
ADAPTER_FILES = ("adapter_model.safetensors", "adapter_config.json")
TOLD = ("name", "description", "licence", "base", "base_identity", "tokenizer", "model", "base_url", "digest")
"""The fields of a card that its manifest has."""


@dataclass(frozen=True, slots=True)
class Card:
    """One card.

    `folder` holds its adapter, for the base model `base` with the weights `base_identity` and the tokenizer `tokenizer`
    (that of the base); `model` names a chat model instead, at `base_url` if it is an endpoint's. `digest` says which
    weights these are. `live` is a chat model in memory; such a card can't be stored.
    """

    name: str
    description: str
    licence: str = ""
    base: str = ""
    base_identity: str = ""
    tokenizer: str = ""
    model: str = ""
    base_url: str | None = None
    digest: str = ""
    folder: Path | None = None
    live: ChatModel | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise UsageError(f"a card's name is up to 64 letters, digits, - and _, and {self.name!r} isn't")
        if not self.description.strip():
            raise UsageError(f"the card {self.name} needs a description: it is chosen by it")

    @classmethod
    def train(
        cls,
        text_or_files: str | Path | Sequence[str | Path],
        base: str | Path,
        name: str,
        description: str,
        *,
        output: str | Path | None = None,
        licence: str = "",
        settings: CardTraining | None = None,
        device: str | None = None,
        dtype: str | None = None,
        home: Path | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Card:
        """Train an adapter on a text, or go on with what was broken off in `output`.

        Args:
            text_or_files: a text; or a path, or a list of sources as `pansophy corpus add` takes them.
            base: a white-box model, as for `WhiteBoxModel.load`.
            name: of the card.
            description: what it knows, in words that a model can choose it by.
            output: the card's folder; by default among the stored cards (`CardPool.open`).
            licence: of the text, and so of the card.
            settings: the training's.
            device, dtype, home: as for `WhiteBoxModel.load`.
            on_progress: called after each step.

        Raises:
            UsageError: name, description or text can't be used.
            SourceError: a source can't be read.
            RunError: `output` holds something else.
            ModelError: memory ran out.
            StoreError: the folder can't be written.
        """
        card = cls(name, description.strip(), licence)
        from pansophy.reading.cook.training import train_adapter

        folder = (home or default_home()) / FOLDER / name if output is None else Path(output).expanduser()
        made = train_adapter(
            text_or_files, base, folder, settings, device=device, dtype=dtype, home=home, on_progress=on_progress
        )
        card = replace(card, base=made.base, base_identity=made.base_identity, tokenizer=made.base_identity)
        return _written(replace(card, folder=folder))

    @classmethod
    def of(
        cls, name: str, description: str, model: str | ChatModel, *, licence: str = "", base_url: str | None = None
    ) -> Card:
        """A card of a chat model: its name as for `open_model`, or the model itself."""
        if isinstance(model, str):
            return cls(name, description, licence, model=model, base_url=base_url, digest=f"model:{model}")
        return cls(name, description, licence, digest=model.identity, live=model)

    @classmethod
    def at(cls, folder: str | Path) -> Card:
        """The card in a folder.

        Raises:
            UnknownModel: there is none, or it is damaged; says how.
        """
        folder = Path(folder).expanduser()
        try:
            told = json.loads((folder / MANIFEST).read_text("utf-8"))
            if told["format"] != FORMAT:
                raise UnknownModel(f"the card {folder} is of format {told['format']}; this version reads {FORMAT}")
            hashes = {name: told["sha256"][name] for name in (() if told["model"] else ADAPTER_FILES)}
            card = cls(**{name: told[name] for name in TOLD}, folder=folder if hashes else None)
            changed = [name for name, digest in hashes.items() if _sha256(folder / name) != digest]
            if hashes and card.digest != f"sha256:{hashes[ADAPTER_FILES[0]]}":
                changed.append("its digest")
        except FileNotFoundError as error:
            raise UnknownModel(f"{folder} is no card's folder: it has no {Path(error.filename).name}") from error
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise UnknownModel(f"the card {folder} can't be read: {error}") from error
        if changed:
            raise UnknownModel(
                f"the card {folder} is damaged: {', '.join(changed)} isn't what its manifest says; add it anew"
            )
        return card

    def described(self) -> dict[str, Any]:
        """Its manifest, without format and hashes."""
        return {name: getattr(self, name) for name in TOLD}

    def write(self, folder: Path) -> None:
        """Write the manifest into a folder that has the card's files, if it has any.

        Raises:
            UsageError: the card is a model in memory.
            StoreError: it can't be written.
        """
        if self.live is not None:
            raise UsageError(f"the card {self.name} is a model in memory and can't be stored: give the model's name")
        names = ADAPTER_FILES if self.folder is not None else ()
        hashes = {name: _sha256(folder / name) for name in names}
        write_json(folder / MANIFEST, {"format": FORMAT, **self.described(), "sha256": hashes})


def _written(card: Card) -> Card:
    """The card of a finished training, with its manifest in its folder; one that is there already must agree."""
    folder = card.folder
    assert folder is not None
    card = replace(card, digest=f"sha256:{_sha256(folder / ADAPTER_FILES[0])}")
    if (folder / MANIFEST).is_file():
        if (there := Card.at(folder)) != card:
            raise RunError(f"{folder} holds the card {there.name} ({there.description!r}) already: use another folder")
    else:
        card.write(folder)
    return card


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
