"""The ledger's members: passages, each of which is asked by itself, and says nothing of what it can't see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic import BaseModel

from pansophy.corpus import Corpus
from pansophy.corpus.pages import pages_by_rank
from pansophy.engine import complete_as
from pansophy.events import ClaimTold
from pansophy.models import ChatModel
from pansophy.reading.conclusion import ANSWER_ALONE, SYSTEM
from pansophy.reading.extagents.messages import echoes, yes_probability
from pansophy.reading.ledger.dates import HEAD, date_of
from pansophy.reading.memory import recall
from pansophy.reading.passages import as_text, most_that_fit, quoted, whole
from pansophy.reading.quotes import sentences
from pansophy.reading.strategy import Session
from pansophy.types import Answer, ChatMessage, Chunk, Evidence, Span, Usage

MOST_MEMBERS = 8
"""Passages that are asked at most; ours."""
PASSAGE_TOKENS = 200
"""Of a passage that no strategy has quoted, by estimate; ours: two of them fit into any window."""
AROUND = 400
"""Characters before and after a quote that are read with it, in whole sentences."""
ANSWER_TOKENS = 96

JUDGE_TOKENS = 4
BELIEVED = 0.5
"""The least probability of a yes with which a passage is taken to answer the question; ours. Judged so, and not by a
field of its reply, a model of 1.5B told letters that answer from those about another place without an error, where the
field took 12 of 28 of these for an answer (docs/experiments.md)."""
REMEMBERED = 0.6
"""The share of the answers without a text that must agree for the model to remember anything; ours."""

JUDGE = "Question: {question}\n\nDoes the text above answer this question? Answer yes or no."

ALONE = f"""\
Question: {{question}}

Reply with a JSON object:
{ANSWER_ALONE}."""

TOGETHER = f"""\
Question: {{question}}

Read by itself, one of these passages was taken to answer the question otherwise than the other. Decide which of them \
really tells the answer to just this question. Reply with a JSON object:
"answerable": true if one of them does; false if none does, or if both do and contradict each other;
{ANSWER_ALONE}."""


class Told(BaseModel):
    """First whether the text tells the answer, where that is asked for, then the answer."""

    answerable: bool = True
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """A passage, the finding that it was read for, and the date of its document ("" if unknown)."""

    passage: Chunk
    evidence: Evidence
    date: str


def members_of(corpus: Corpus, question: str, answer: Answer) -> list[Member]:
    """The passages around what the answer cites and what else was found, best first; then those of the corpus that fit
    the question best and overlap none of these. A passage that nobody has rated has the rating 0."""
    findings = sorted(answer.evidence, key=lambda item: (not item.cited, -item.rating))
    found = [(_around(corpus, item), item) for item in findings]
    ranked = [page.pieces for page in pages_by_rank(corpus, question, PASSAGE_TOKENS, MOST_MEMBERS)]
    found += [(piece, whole(piece, 0.0)) for pieces in ranked for piece in pieces]
    members: list[Member] = []
    for passage, evidence in found:
        apart = all(
            passage.document != other.passage.document
            or passage.end <= other.passage.start
            or other.passage.end <= passage.start
            for other in members
        )
        if len(members) < MOST_MEMBERS and passage.text.strip() and (apart or evidence.cited):
            members.append(Member(passage, evidence, _date(corpus, passage.document)))
    return members


def _around(corpus: Corpus, evidence: Evidence) -> Chunk:
    """A quote with the sentences before and after it."""
    low = max(0, evidence.start - AROUND)
    high = min(corpus.characters(evidence.document), evidence.end + AROUND)
    text = corpus.text(Span(evidence.document, low, high))
    spans = sentences(text)
    start = next((low + a for a, _ in spans[low > 0 :] if low + a <= evidence.start), evidence.start)
    ends = [low + b for _, b in (spans if low + len(text) >= corpus.characters(evidence.document) else spans[:-1])]
    end = max((b for b in ends if b >= evidence.end), default=evidence.end)
    piece = text[start - low : end - low]
    return Chunk(evidence.document, start, end, piece, 0, title=evidence.document)


def _date(corpus: Corpus, document: str) -> str:
    head = corpus.text(Span(document, 0, min(HEAD, corpus.characters(document))))
    return date_of(document, corpus.metadata(document), head)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a passage tells ("" for nothing), where it says so, and how probable it is that it answers the question at
    all: 0..1, None where the model doesn't tell probabilities."""

    answer: str
    evidence: Evidence
    confidence: float | None


async def ask_alone(session: Session, model: ChatModel, member: Member) -> Reply:
    """What a member's passage tells by itself: first whether it answers, and only then what.

    Raises:
        ModelError, BudgetExceeded: as `Engine.complete`.
    """
    judged = await _prompt(session, model, [member.passage], JUDGE, JUDGE_TOKENS)
    said = await session.engine.complete(model, judged, max_tokens=JUDGE_TOKENS, logprobs=True)
    yes = yes_probability(said.text, said.logprobs) or 0.0
    confidence = yes if said.logprobs else None
    if yes < BELIEVED:
        session.emit(_told(member, "", said.usage))
        return Reply("", replace(member.evidence, cited=False), confidence)
    answer, usage = await _answer(session, model, [member.passage], ALONE)
    session.emit(_told(member, answer, said.usage + usage))
    rating = member.evidence.rating
    quote = quoted(answer, [member.passage], statement=answer, rating=rating, cited=False)
    return Reply(answer, quote or replace(member.evidence, cited=False), confidence)


async def ask_together(session: Session, model: ChatModel, one: Member, other: Member) -> str:
    """What two passages tell that are read in this order, "" if nothing, or if they contradict each other.

    Raises:
        ModelError, BudgetExceeded: as `Engine.complete`.
    """
    answer, usage = await _answer(session, model, [one.passage, other.passage], TOGETHER)
    session.emit(_told(one, answer, usage, beside=other.evidence.document))
    return answer


async def ask_memory(session: Session, model: ChatModel) -> str:
    """What the model answers without any text, "" if it answers differently each time.

    Raises:
        ModelError, BudgetExceeded: as `Engine.complete`.
    """
    memory = await recall(session, model)
    answer = memory.answer if memory.sureness >= REMEMBERED else ""
    session.emit(ClaimTold(document="", start=0, end=0, answer=answer, beside="", usage=memory.usage))
    return answer


async def _prompt(
    session: Session, model: ChatModel, passages: Sequence[Chunk], ask: str, max_tokens: int
) -> list[ChatMessage]:
    """The passages and then what is asked; empty if the window has no room for all of them."""

    def build(shown: Sequence[Chunk]) -> Sequence[list[ChatMessage]]:
        text = f"{as_text(shown)}\n\n{ask.format(question=session.question)}"
        return [[ChatMessage("system", SYSTEM), ChatMessage("user", text)]]

    shown = await most_that_fit(model, passages, build, max_tokens)
    return list(build(shown)[0]) if len(shown) == len(passages) else []


async def _answer(session: Session, model: ChatModel, passages: Sequence[Chunk], ask: str) -> tuple[str, Usage]:
    prompt = await _prompt(session, model, passages, ask, ANSWER_TOKENS)
    if not prompt:
        session.warn(f"the window of {model.name} is too small for two passages at once: they were not exchanged")
        return "", Usage()
    reply, completion = await complete_as(session.engine, model, prompt, Told, max_tokens=ANSWER_TOKENS)
    answer = reply.answer.strip() if reply is not None and reply.answerable else ""
    return _unechoed(answer, session.question), completion.usage


def _told(member: Member, answer: str, usage: Usage, *, beside: str = "") -> ClaimTold:
    place = member.evidence
    return ClaimTold(
        document=place.document, start=place.start, end=place.end, answer=answer, beside=beside, usage=usage
    )


def _unechoed(answer: str, question: str) -> str:
    """The answer; one that says nothing but the question's own words is none."""
    return "" if echoes(answer, question) else answer
