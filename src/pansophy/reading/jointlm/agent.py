"""The agent: finds the entity that a dialogue is about, words the reply, and tells which fact supports it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pansophy.errors import RunError, StoreError, UsageError
from pansophy.evaluation.files import refuse_difference, write_json
from pansophy.reading.jointlm.balance import as_document
from pansophy.reading.jointlm.dialogues import Dialogue
from pansophy.reading.jointlm.labels import label
from pansophy.reading.jointlm.match import MatchRanker, MatchWeights
from pansophy.reading.jointlm.prompts import PromptSettings
from pansophy.reading.jointlm.ranking import JointRanker, Ranked, Ranker, WordIndex
from pansophy.reading.jointlm.store import Document, Entity, HybridStore, Key, Value, parts_of

if TYPE_CHECKING:  # torch is loaded only where a language model is used
    from pansophy.conflicts.training.settings import TrainingSettings
    from pansophy.reading.jointlm.model import Mixture, ModelScorer

STORE, CARD, MODEL = "store.jsonl", "agent.json", "model"
NOTHING = "I know nothing that fits."
SURE = 0.5
"""A yes is more probable than a no."""


@dataclass(frozen=True, slots=True)
class Support:
    """The fact that a reply rests on: a slot with its value, or a document."""

    slot: str = ""
    value: Value = ""
    document: Document | None = None

    @property
    def text(self) -> str:
        if self.document is not None:
            return f"{self.document.title} {self.document.body}".strip()
        return f"{self.slot}: {', '.join(parts_of(self.value))}"


@dataclass(frozen=True, slots=True)
class JointReply:
    """`entity` is None where none is meant; `score` is the probability of its yes; `ranked` are the five best."""

    text: str
    entity: Entity | None
    score: float
    support: Support | None
    ranked: tuple[tuple[Key, float], ...]


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """How an agent ranks and replies.

    Args:
        keep: entities that the language model reads; words alone choose them.
        no_entity: whether there may be none, where no yes is more probable than its no; else the best is always taken.
        max_new_tokens: of a reply.
    """

    keep: int = 50  # ours
    no_entity: bool = False
    max_new_tokens: int = 80  # ours


class JointAgent:
    """Replies from a store.

    Args:
        ranker: finds the entity; of equals, the first in the store is taken.
        writer: words the reply; without one the reply is the supporting fact itself.
        settings: see `AgentSettings`.
    """

    def __init__(
        self, ranker: Ranker, writer: ModelScorer | None = None, settings: AgentSettings | None = None
    ) -> None:
        self.ranker, self.writer, self.settings = ranker, writer, settings or AgentSettings()

    @property
    def identity(self) -> dict[str, Any]:
        """What replies depend on, beside the store."""
        writer = self.writer.identity if self.writer is not None else "facts"
        return {"ranker": self.ranker.identity, "writer": writer, "settings": asdict(self.settings)}

    def respond(self, history: Sequence[str]) -> JointReply:
        """The reply to what was said so far.

        Args:
            history: utterances by turns; the last is the user's.

        Raises:
            UsageError: nothing was said.
        """
        return self.reply(history, self.ranker.rank(history))

    def reply(self, history: Sequence[str], found: Ranked) -> JointReply:
        """The same where the ranking is known."""
        if not history or not history[-1].strip():
            raise UsageError("the history is empty: its last utterance is what the user says")
        key, score = found[0] if found else (None, 0.0)
        wanted = key is not None and (score > SURE or not self.settings.no_entity)
        entity = self.ranker.store[key] if key is not None and wanted else None
        if self.writer is not None:
            text = self.writer.reply(history, entity, self.settings.max_new_tokens)
        else:
            text = fact_reply(entity, history)
        support = supporting(entity, history[-1], text) if entity is not None else None
        return JointReply(text, entity, score, support, tuple(found[:5]))

    @classmethod
    def train(
        cls,
        folder: str | Path,
        store: HybridStore,
        dialogues: Sequence[Dialogue],
        *,
        original: HybridStore | None = None,
        model: str | Path | None = None,
        agent: AgentSettings | None = None,
        prompts: PromptSettings | None = None,
        mixture: Mixture | None = None,
        settings: TrainingSettings | None = None,
        seed: int = 0,
        device: str | None = None,
        home: Path | None = None,
        on_progress: Callable[[Any], None] | None = None,
    ) -> JointAgent:
        """Learn from annotated dialogues into `folder`; a training that was broken off there goes on.

        Args:
            folder: for the store, the weights and the adapter.
            store: what the agent will answer from.
            dialogues: with beliefs and replies.
            original: every fact in its table, for the labels; `store` by default.
            model: of a language model that learns both tasks (see `load_joint`); None for words and facts alone.
            agent, prompts, mixture, settings: how it replies, reads and learns.
            seed: of the negatives that are drawn.
            device, home: as for `load_joint`.
            on_progress: is told of each step of the language model's training.

        Raises:
            UsageError: there is nothing to learn from.
            RunError: the folder holds another agent.
        """
        place, agent, prompts = Path(folder).expanduser(), agent or AgentSettings(), prompts or PromptSettings()
        labelled = label(original or store, dialogues, store, seed=seed)
        match = MatchRanker.train(labelled, store)
        card = {
            "model": None if model is None else str(model),
            "match": asdict(match.weights),
            "settings": asdict(agent),
            "prompts": asdict(prompts),
        }
        _claim(place, store, json.loads(json.dumps(card)))
        if model is None:
            return cls(match, None, agent)
        from pansophy.reading.jointlm.model import load_joint, train_joint

        base = load_joint(model, device=device, home=home)
        train_joint(
            base,
            labelled,
            store,
            place / MODEL,
            prompts=prompts,
            mixture=mixture,
            settings=settings,
            on_progress=on_progress,
        )
        return cls.load(place, device=device, home=home)

    @classmethod
    def load(
        cls,
        folder: str | Path,
        store: HybridStore | None = None,
        *,
        device: str | None = None,
        home: Path | None = None,
    ) -> JointAgent:
        """A trained agent, with its own store or another one.

        Raises:
            RunError: the folder has no agent, or one whose training isn't finished.
        """
        place = Path(folder).expanduser()
        try:
            card = json.loads((place / CARD).read_text("utf-8"))
            match = MatchWeights(**{name: tuple(values) for name, values in card["match"].items()})
            settings, prompts = AgentSettings(**card["settings"]), PromptSettings(**card["prompts"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunError(f"{place} has no agent that can be read ({error}): train one there") from error
        first = MatchRanker(store or HybridStore.read(place / STORE), match)
        if card.get("model") is None:
            return cls(first, None, settings)
        from pansophy.reading.jointlm.model import ModelScorer, load_joint

        if not (place / MODEL).is_dir():
            raise RunError(f"the training of {place} was broken off before its model: start it again")
        scorer = ModelScorer(load_joint(place / MODEL, device=device, home=home), prompts)
        return cls(JointRanker(first, scorer, settings.keep), scorer, settings)


def _claim(place: Path, store: HybridStore, card: dict[str, Any]) -> None:
    if (place / CARD).is_file():
        refuse_difference(place, json.loads((place / CARD).read_text("utf-8")), card, "an agent")
        return
    if place.is_dir() and any(place.iterdir()):
        raise RunError(f"{place} is not empty, and no agent that pansophy began; use another folder")
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"can't write {place}: {error.strerror or error}") from error
    store.write(place / STORE)
    write_json(place / CARD, card)


def supporting(entity: Entity, asked: str, reply: str = "") -> Support | None:
    """The fact whose words are nearest to what was asked and replied; None where no word is shared."""
    facts = [Support(slot, value) for slot, value in entity.slots.items()]
    facts += [Support(document=note) for note in entity.documents]
    named = set(entity.name.lower().split())  # the entity's name tells no fact from another
    said = " ".join(word for word in f"{asked} {reply}".lower().split() if word not in named)
    scores = WordIndex([one.text for one in facts]).cosines(said)
    return facts[int(scores.argmax())] if len(facts) and scores.max() > 0 else None


def fact_reply(entity: Entity | None, history: Sequence[str]) -> str:
    """The reply without a language model: the entity's name, and the fact nearest to what was asked."""
    if entity is None:
        return NOTHING
    fact = supporting(entity, history[-1])
    if fact is None:
        return f"{entity.name}."
    note = fact.document or as_document(entity, fact.slot, fact.value)
    return f"{entity.name}: {note.body}"
