"""Auto: picks the strategy by what the question asks for and by how much there is to read, then reads as that one does.

Jeong et al. 2024, Adaptive-RAG, arXiv 2403.14403, choose among ways of answering by a trained classifier of questions.
Here the choice is a table of rules (`RULES`), of which the first that holds is taken, over the words of the question
(`cues.py`), the length of the text, the window and the limits: deterministic, without a model call, and told with its
reason (the event `Routed`, the answer's settings). Where the user allows it (`memory`), the model is first asked a few
times without any text, and nothing is read if it says the same nearly each time.

Limits count, so a run that is resumed without those it began with may go on in another way; what was read is kept.
Knows nothing of prompts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pansophy.corpus import Corpus
from pansophy.engine import Limits
from pansophy.events import Routed
from pansophy.papers import Paper
from pansophy.reading.ask import STRATEGIES, strategy_class
from pansophy.reading.cues import Asked, asked_for
from pansophy.reading.extagents.chain import chain_of
from pansophy.reading.extagents.plan import is_small
from pansophy.reading.memory import recall
from pansophy.reading.strategy import Session, Strategy
from pansophy.tokens import BYTES_PER_TOKEN, estimate_tokens
from pansophy.types import Answer, Example, Verdict

PAPER = Paper(
    system="Auto",
    title="Adaptive-RAG: Learning to Adapt Retrieval-Augmented Large Language Models through Question Complexity",
    authors="Soyeong Jeong, Jinheon Baek, Sukmin Cho, Sung Ju Hwang, Jong C. Park",
    year=2024,
    arxiv="2403.14403",
    module="pansophy.reading.auto",
    venue="NAACL 2024",
)

REMEMBERED = 0.8
"""The share of the answers without a text that must agree for nothing to be read; ours: four of five."""
INSTRUCTIONS = 700
"""Tokens that stand in a prompt beside text and question, the reply included."""
SMALL_WINDOW = 2000
"""Tokens that a small model still reads well at once, whatever its window."""
USUAL_PAGE = 2000
"""Tokens of a part when everything is read, for the number of calls that it takes."""
REREADING = 1.5
"""Tokens that reading everything takes, for each token of the text: instructions and replies come on top."""


@dataclass(frozen=True, slots=True)
class Case:
    """What the rules look at: what is asked for, the text's tokens (estimated), how many fit the window beside the
    question, whether the limits allow reading everything, whether there is a plan or a model that can make one, whether
    the question nests relations of which the model can't hold several (`extagents/chain.py`), and whether the model
    remembers the answer."""

    asked: Asked
    tokens: int
    room: int
    affordable: bool
    planned: bool
    chained: bool
    remembered: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """The first of `strategies` that there is, with these `settings` where the user gave none, `when` this holds;
    `reason` is told to the user."""

    strategies: tuple[str, ...]
    when: Callable[[Case], bool]
    reason: str
    settings: Mapping[str, Any] = field(default_factory=dict)


RULES = (
    Rule(
        ("no_context",),
        lambda case: case.remembered,
        "the model answers it without any text, and says the same nearly each time",
    ),
    Rule(
        ("aggregation",),
        lambda case: case.asked is Asked.AGGREGATE and case.planned,
        "the question asks for a count, a list or an extreme over the whole text",
    ),
    Rule(
        ("extagents",),
        lambda case: case.chained,
        "the question nests several, and a model this small answers them one by one",
        {"unit": "sentences"},
    ),
    Rule(
        ("direct",),
        lambda case: case.tokens <= case.room,
        "the text fits the window",
    ),
    Rule(
        ("readagent", "map_reduce"),
        lambda case: case.asked is Asked.OVERVIEW and case.affordable,
        "the question is about the text as a whole",
    ),
    Rule(
        ("extagents",),
        lambda case: case.asked is Asked.OVERVIEW,
        "the question is about the text as a whole, but the limits don't allow reading all of it",
    ),
    Rule(
        ("extagents",),
        lambda case: case.asked is Asked.AGGREGATE,
        "the question asks for a count, a list or an extreme over the whole text, but a model this small makes no plan "
        "for it (give one)",
    ),
    Rule(
        ("extagents",),
        lambda case: True,
        "the question asks for facts in a text longer than the window",
    ),
)


def route(case: Case) -> tuple[str, Rule]:
    """The strategy for this case, and the rule that chose it."""
    for rule in RULES:
        if rule.when(case) and (known := [name for name in rule.strategies if name in STRATEGIES]):
            return known[0], rule
    raise AssertionError("the last rule holds always")


def affordable(tokens: int, limits: Limits) -> bool:
    """Whether reading a text of `tokens` tokens once stays within the limits of tokens and calls."""
    calls = -(-tokens // USUAL_PAGE) + 1
    return (limits.max_tokens is None or tokens * REREADING <= limits.max_tokens) and (
        limits.max_calls is None or calls <= limits.max_calls
    )


@dataclass(frozen=True, slots=True)
class AutoSettings:
    """Settings for the strategy that is chosen, where it has them; None for its own default.

    Args:
        order: in which order chunks are read.
        unit: what is read at once.
        examples: worked examples.
        exhaustive: read every chunk before answering.
        rounds: the most rounds of reading.
        chunk_tokens: how much text one agent reads, in tokens.
        max_chunks: the most chunks to read.
        language: of the prompts.
        plan: the plan of an aggregation.
        memory: read nothing if the model, asked a few times without any text, nearly always says the same.
    """

    order: str | None = None
    unit: str | None = None
    examples: tuple[Example, ...] | None = None
    exhaustive: bool | None = None
    rounds: int | None = None
    chunk_tokens: int | None = None
    max_chunks: int | None = None
    language: str | None = None
    plan: Mapping[str, Any] | None = None
    memory: bool = False


class Auto(Strategy[AutoSettings]):
    """Reads as the strategy does that the rules choose for the question and the text."""

    name = "auto"
    settings_class = AutoSettings

    async def _read(self, session: Session) -> Answer:
        case = self._case(session.question, session.corpus)
        memory = None
        if self.settings.memory and case.asked is Asked.FACT:
            memory = await recall(session, self.model)
            case = dataclasses.replace(case, remembered=memory.sureness >= REMEMBERED)
        name, rule = route(case)
        chosen = self._made(session, strategy_class(name), rule.settings)
        session.emit(Routed(strategy=name, reason=rule.reason))
        session.described = {"chosen": {"reason": rule.reason, **chosen.describe()}}
        if self.trust is not None and not chosen.contestable:
            session.contestable = False
            session.warn(f"the answers of the strategy {name} rest on no single passages: there is no ledger")
        if memory is not None and case.remembered:
            chosen._begin(session, chunks=0, order="document")
            return session.answer(memory.answer, Verdict.ANSWERED)
        return await chosen._read(session)

    def _case(self, question: str, corpus: Corpus) -> Case:
        tokens = int(sum(corpus.chunk_sizes(0, corpus.chunk_count)) / BYTES_PER_TOKEN) + 1
        small = is_small(self.model)
        window = min(self.model.window, SMALL_WINDOW) if small else self.model.window
        room = window - INSTRUCTIONS - estimate_tokens(question)
        asked = Asked.AGGREGATE if self.settings.plan is not None else asked_for(question)
        planned = self.settings.plan is not None or not small
        chained = small and chain_of(question) is not None
        return Case(asked, tokens, room, affordable(tokens, self.limits), planned, chained)

    def _made(self, session: Session, kind: type[Strategy[Any]], usual: Mapping[str, Any]) -> Strategy[Any]:
        given = {name: value for name, value in dataclasses.asdict(self.settings).items() if value is not None}
        del given["memory"]  # that is for the choice alone
        known = {field.name for field in dataclasses.fields(kind.settings_class)}
        if given.get("order") == "latest" and "unit" not in known:  # ExtAgents' alone
            known.discard("order")
        if unused := sorted(set(given) - known):
            session.warn(f"the strategy {kind.name} has no setting {', '.join(unused)}: it reads without")
        settings = {**usual, **{name: value for name, value in given.items() if name in known}}
        return kind(
            self.model, seeker_model=self.seeker_model, settings=settings, limits=self.limits, prices=self.prices
        )
