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
from pansophy.reading.extagents.messages import echoes
from pansophy.reading.ledger.dates import HEAD, date_of
from pansophy.reading.no_context import Knowing, memory_prompt
from pansophy.reading.passages import as_text, most_that_fit, quoted, whole
from pansophy.reading.quotes import sentences
from pansophy.reading.strategy import Session
from pansophy.types import Answer, ChatMessage, Chunk, Evidence, Span

MOST_MEMBERS = 8
"""Passages that are asked at most; ours."""
PASSAGE_TOKENS = 200
"""Of a passage that no strategy has quoted, by estimate; ours: two of them fit into any window."""
AROUND = 400
"""Characters before and after a quote that are read with it, in whole sentences."""
ANSWER_TOKENS = 96

ALONE = f"""\
First decide whether the text above tells the answer to the question. Reply with a JSON object:
"answerable": true or false;
{ANSWER_ALONE}."""

TOGETHER = f"""\
Read by itself, one of these passages was taken to answer the question otherwise than the other. Decide which of them \
really tells the answer to just this question. Reply with a JSON object:
"answerable": true if one of them does; false if none does, or if both do and contradict each other;
{ANSWER_ALONE}."""


class Told(BaseModel):
    """First whether the text tells the answer, then the answer."""

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


async def ask_alone(session: Session, model: ChatModel, member: Member) -> tuple[str, Evidence]:
    """What a member's passage tells, "" for nothing, and the sentence of it that says so (else what it was found for).

    Raises:
        ModelError, BudgetExceeded: as `Engine.complete`.
    """
    answer = await _ask(session, model, [member.passage], ALONE, member.evidence, beside="")
    said = quoted(answer, [member.passage], statement=answer, rating=member.evidence.rating, cited=False)
    return answer, said or replace(member.evidence, cited=False)


async def ask_together(session: Session, model: ChatModel, one: Member, other: Member) -> str:
    """What two passages tell that are read in this order, "" if nothing, or if they contradict each other.

    Raises:
        ModelError, BudgetExceeded: as `Engine.complete`.
    """
    return await _ask(
        session, model, [one.passage, other.passage], TOGETHER, one.evidence, beside=other.evidence.document
    )


async def ask_memory(session: Session, model: ChatModel) -> str:
    """What the model answers without any text, "" if it says that it doesn't know.

    Raises:
        ModelError, BudgetExceeded: as `Engine.complete`.
    """
    prompt = memory_prompt(session.question, forced=False)
    reply, completion = await complete_as(session.engine, model, prompt, Knowing, max_tokens=ANSWER_TOKENS)
    answer = _answer_of(reply, session.question)
    session.emit(ClaimTold(document="", start=0, end=0, answer=answer, beside="", usage=completion.usage))
    return answer


async def _ask(
    session: Session, model: ChatModel, passages: Sequence[Chunk], rules: str, evidence: Evidence, *, beside: str
) -> str:
    def build(shown: Sequence[Chunk]) -> Sequence[Sequence[ChatMessage]]:
        text = f"{as_text(shown)}\n\nQuestion: {session.question}\n\n{rules}"
        return [[ChatMessage("system", SYSTEM), ChatMessage("user", text)]]

    shown = await most_that_fit(model, passages, build, ANSWER_TOKENS)
    if len(shown) < len(passages):
        session.warn(f"the window of {model.name} is too small for two passages at once: they were not exchanged")
        return ""
    reply, completion = await complete_as(session.engine, model, build(shown)[0], Told, max_tokens=ANSWER_TOKENS)
    answer = _answer_of(reply, session.question)
    session.emit(
        ClaimTold(
            document=evidence.document,
            start=evidence.start,
            end=evidence.end,
            answer=answer,
            beside=beside,
            usage=completion.usage,
        )
    )
    return answer


def _answer_of(reply: Told | Knowing | None, question: str) -> str:
    """The answer in a reply; one that says nothing but the question's own words is none."""
    answer = reply.answer.strip() if reply is not None and reply.answerable else ""
    return "" if echoes(answer, question) else answer
