"""What a knowledge card is worth: MidtermQA asked without any card, with knowledge that the model writes itself (GKP),
with a card that was trained on the answers, and with one that was trained on something else.

The check of Knowledge Card's claim that a small model's text patches what a model doesn't know (its table 3). Exact
match and F1 are counted as the authors do. What was broken off goes on: trainings from their checkpoints, questions
where they stopped. `midterms.py` has the questions and the cards' texts; `factcheck.py` measures the judge of facts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pansophy.engine import Engine
from pansophy.errors import EmptyReply, StoreError, UsageError
from pansophy.evaluation.files import append_line, drop_torn_line, read_lines
from pansophy.evaluation.metrics import contains, english_f1, exact_match
from pansophy.evaluation.report.statistics import bootstrap
from pansophy.models import ChatModel
from pansophy.reading.cook.asking import CooK
from pansophy.reading.cook.cards import Card
from pansophy.reading.cook.midterms import NEWS, Race, harbours, news
from pansophy.reading.cook.pool import CardPool
from pansophy.reading.cook.prompts import Examples, knowledge_prompt, with_knowledge
from pansophy.reading.cook.settings import CardTraining, CookSettings
from pansophy.reading.cook.writing import Draw, SharedBases, Writer

if TYPE_CHECKING:
    from pansophy.conflicts.training.train import Progress

CONDITIONS = ("none", "gkp", "midterms", "harbours")
DESCRIPTIONS = {"midterms": "news of the 2022 U.S. midterm elections", "harbours": "harbours and ships"}
"""The cards that are trained."""
TRAINING = CardTraining(epochs=30, batch=4, dropout=0.0, save_every=20)
ASKING = CookSettings(card_tokens=32, temperature=0.0, answer_tokens=24)


@dataclass(frozen=True, slots=True)
class Asked:
    """One question in one condition; `told` is the share of the documents shown that name the winner."""

    condition: str
    id: int | str
    winner: str
    answer: str
    em: float
    f1: float
    told: float
    documents: tuple[str, ...] = ()

    def scores(self) -> dict[str, Any]:
        """Without any text, for a result that is published."""
        return {name: getattr(self, name) for name in ("condition", "id", "em", "f1", "told")}


def train_cards(
    races: Sequence[Race],
    base: str | Path,
    folder: Path,
    *,
    wordings: int = 3,
    towns: int = 120,
    settings: CardTraining = TRAINING,
    device: str | None = None,
    dtype: str | None = None,
    on_progress: Callable[[str, Progress], None] = lambda name, progress: None,
) -> dict[str, Card]:
    """The card that knows who won these races, and the one that knows harbours; what is in the folder is gone on with.

    Args:
        races: what the first card is to learn.
        base: a white-box model, of which both are made.
        folder: for the cards and their texts.
        wordings: sentences about each race, each a document.
        towns: with three sentences each.
        settings: of both trainings.
        device, dtype: as for `WhiteBoxModel.load`.
        on_progress: called with a card's name after each step.

    Raises:
        UsageError: there are not as many wordings.
        As `Card.train`.
    """
    if not 1 <= wordings <= len(NEWS):
        raise UsageError(f"there are 1 to {len(NEWS)} wordings, not {wordings}")
    texts = {"midterms": [text for race in races for text in news(race, wordings)], "harbours": harbours(towns)}
    return {
        name: Card.train(
            _files(folder / f"{name}-text", texts[name]),
            base,
            name,
            description,
            output=folder / name,
            settings=settings,
            device=device,
            dtype=dtype,
            on_progress=partial(on_progress, name),
        )
        for name, description in DESCRIPTIONS.items()
    }


def _files(folder: Path, texts: Sequence[str]) -> list[Path]:
    """A file for each text: a card is trained on files."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{number:05}.txt" for number in range(len(texts))]
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text, "utf-8")
    except OSError as error:
        raise StoreError(f"can't write {folder}: {error.strerror or error}") from error
    return paths


class CardTest:
    """A model asked under each of the `CONDITIONS`.

    Args:
        cards: as from `train_cards`.
        llm: who answers, and writes for GKP.
        demos: shown as earlier turns with their answers; where the question has knowledge, with a sentence of news.
        settings: CooK's.
        bases: the cards' base.
        at_once: questions that a card writes about together.
    """

    def __init__(
        self,
        cards: Mapping[str, Card],
        llm: ChatModel,
        demos: Sequence[Race],
        *,
        settings: CookSettings = ASKING,
        bases: SharedBases | None = None,
        at_once: int = 8,
    ) -> None:
        self.cards, self.llm, self.settings, self.at_once = cards, llm, settings, at_once
        self._bases = bases or SharedBases()
        self._examples = {knowing: _examples(demos, knowing) for knowing in (False, True)}

    async def ask(
        self, races: Sequence[Race], folder: Path, *, on_progress: Callable[[int, int], None] = lambda done, of: None
    ) -> list[Asked]:
        """A row for each question and condition. What was asked in the same way and is in the folder isn't asked again.

        Args:
            races: whose winners are asked for.
            folder: must be there; each row is on disk in it before the next question is asked.
            on_progress: called with the questions done and all of them.

        Raises:
            RunError: a row in the folder is damaged.
            ModelError: the model or a card failed.
            StoreError: the folder can't be written.
        """
        path = folder / f"answers-{self._fingerprint()}.jsonl"
        drop_torn_line(path)
        rows = {(row.condition, row.id): row for row in read_lines(path, _row)}
        for begin in range(0, len(races), self.at_once):
            part = races[begin : begin + self.at_once]
            for condition in CONDITIONS:
                missing = [race for race in part if (condition, race.id) not in rows]
                # about all of them again: what is drawn for a question depends on its place among the others
                written = self._written(condition, part) if missing else {}
                for race in missing:
                    row = await self._ask(condition, race, written)
                    append_line(path, asdict(row))
                    rows[condition, race.id] = row
            on_progress(begin + len(part), len(races))
        return [rows[condition, race.id] for race in races for condition in CONDITIONS]

    def _written(self, condition: str, races: Sequence[Race]) -> dict[str, list[str]]:
        """What the condition's card writes about each question; nothing where the model itself writes, or nobody."""
        if condition not in self.cards:
            return {}
        settings, questions = self.settings, [race.question for race in races]
        draw = Draw(settings.documents, settings.card_tokens, settings.card_temperature, settings.seed)
        return dict(zip(questions, self._bases.write(self.cards[condition], questions, draw), strict=True))

    async def _ask(self, condition: str, race: Race, written: Mapping[str, list[str]]) -> Asked:
        settings = self.settings
        shown: tuple[str, ...] = ()
        try:
            if condition == "none":
                prompt = knowledge_prompt(race.question, (), self._examples[False])
                completion = await Engine().complete(
                    self.llm,
                    prompt,
                    max_tokens=settings.answer_tokens,
                    temperature=settings.temperature,
                    seed=settings.seed,
                )
                said = completion.text
            else:
                card = self.cards.get(condition) or Card.of(condition, "what the model itself knows", self.llm)
                cook = CooK(Written(card, written), self.llm, settings=settings, examples=self._examples[True])
                found = await cook.aanswer(race.question)
                said, shown = found.text, tuple(one.shown for one in found.kept)
        except EmptyReply:
            said = ""
        answer = (said.strip().splitlines() or [""])[0].rpartition("answer is ")[2]
        em, f1 = exact_match(answer, race.winner), english_f1(answer, race.winner)
        told = sum(contains(one, race.winner) for one in shown) / len(shown) if shown else 0.0
        return Asked(condition, race.id, race.winner, answer, em, f1, told, shown)

    def _fingerprint(self) -> str:
        """Stands for all that an answer depends on but the question."""
        told = {
            "model": self.llm.identity,
            "cards": {name: card.digest for name, card in self.cards.items()},
            "settings": asdict(self.settings),
            "examples": self._examples[True],
            "at_once": self.at_once,
        }
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]


class Written(CardPool):
    """A pool of one card, whose adapter (if it is one) has written beforehand, about many questions at a time."""

    def __init__(self, card: Card, documents: Mapping[str, list[str]]) -> None:
        super().__init__([card])
        self._documents = documents

    def writer(self, card: Card, engine: Engine) -> Writer:
        return self if card.folder is not None else super().writer(card, engine)

    async def write(self, questions: Sequence[str], draw: Draw) -> list[list[str]]:
        """See `Writer.write`."""
        return [self._documents[question] for question in questions]


def _examples(demos: Sequence[Race], knowing: bool) -> Examples:
    return [(with_knowledge(demo.question, news(demo, 1) if knowing else ()), demo.winner) for demo in demos]


def _row(told: dict[str, Any]) -> Asked:
    return Asked(**{**told, "documents": tuple(told["documents"])})


def summarise(rows: Sequence[Asked]) -> dict[str, dict[str, Any]]:
    """Of each condition the questions, and in percent exact match (with its 95% interval), F1, and the documents that
    name the winner."""
    scores = {}
    for condition in CONDITIONS:
        own = [row for row in rows if row.condition == condition]
        right = bootstrap([row.em for row in own])
        f1, told = (sum(getattr(row, name) for row in own) / max(len(own), 1) for name in ("f1", "told"))
        scores[condition] = {
            "questions": len(own),
            "em": _percent(right.mean),
            "em_95": [_percent(right.low), _percent(right.high)],
            "f1": _percent(f1),
            "told": _percent(told),
        }
    return scores


def _percent(share: float) -> float:
    return round(100 * share, 1)
