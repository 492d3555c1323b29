"""From an answer to a ledger: who is asked, what is settled, what becomes of the answer.

The step in which members that disagree read each other's chunks is from Zhao et al. 2024, "LongAgent", arXiv
2402.11550 (section on the inter-member communication; there is no official code).

Departures: its members are the passages that the strategy cites or found, and the best ranked others; a passage that is
cited and says the answer isn't asked again; two members that read each other's passages do so in both orders, and
have settled their conflict only if they then agree.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pansophy.errors import BudgetExceeded, ModelError
from pansophy.events import ConflictSettled
from pansophy.models import ChatModel
from pansophy.papers import Paper
from pansophy.reading.answers import same_claim, says
from pansophy.reading.ledger.claims import RULES, Ruling, Telling, grouped
from pansophy.reading.ledger.members import Member, Reply, ask_alone, ask_memory, ask_together, members_of
from pansophy.reading.passages import each
from pansophy.reading.strategy import Session
from pansophy.types import Answer, Claim, Evidence, Ledger, Trust, Verdict

PAPER = Paper(
    system="LongAgent (conflict step)",
    title="LongAgent: Scaling Language Models to 128k Context through Multi-Agent Collaboration",
    authors="Jun Zhao, Can Zu, Hao Xu, et al.",
    year=2024,
    arxiv="2402.11550",
    module="pansophy.reading.ledger",
    venue="EMNLP 2024",
)

CERTAIN = 0.8
"""The least probability of a yes with which a passage is certain to answer; ours. A small model that reads two passages
prefers one of them even where both are right (docs/experiments.md): one that is certain doesn't withdraw for that."""

Asked = Mapping[Evidence, tuple[Member, float | None]]
"""Who told each piece of evidence, and how probable it is that the passage answers the question."""


async def settled(session: Session, model: ChatModel, answer: Answer, trust: Trust) -> Answer:
    """`answer` with its ledger; with another text where the rule says so.

    Args:
        session: of the question that was answered.
        model: who is asked what each passage tells.
        answer: what the strategy has answered.
        trust: the rule.

    Returns:
        The answer. Where the conflict isn't settled its text stays, and its verdict is `forced`. A limit that is
        reached on the way, or a model that fails, costs the ledger and not the answer: a warning says so.
    """
    try:
        return await _settled(session, model, answer, trust)
    except (BudgetExceeded, ModelError) as error:
        session.warn(f"whether the sources contradict each other was not found out: {error}")
        return answer


async def _settled(session: Session, model: ChatModel, answer: Answer, trust: Trust) -> Answer:
    members = await asyncio.to_thread(members_of, session.corpus, session.question, answer)
    told = await each(members, lambda member: _told(session, model, answer, member, trust), len(members))
    tellings = [Telling(reply.answer, reply.evidence, member.date) for reply, member in zip(told, members, strict=True)]
    passages = {reply.evidence: (member, reply.confidence) for reply, member in zip(told, members, strict=True)}
    remembered = await ask_memory(session, model)
    # the answer's own claim comes first, so that it is told in the answer's words
    tellings.sort(key=lambda telling: not same_claim(telling.answer, answer.text))
    claims = grouped(tellings, remembered=remembered)
    if len(claims) > 1 and all(says(answer.text, claim.answer) for claim in claims if claim.evidence):
        claims = _parts(answer, claims, remembered)
    ruling = await _ruling(session, model, claims, trust, passages)
    ledger = Ledger(trust, claims, ruling.settled, ruling.reason, answer.text)
    session.emit(
        ConflictSettled(claims=tuple(claim.answer for claim in claims), settled=ruling.settled, reason=ruling.reason)
    )
    return _amended(answer, ledger)


async def _told(session: Session, model: ChatModel, answer: Answer, member: Member, trust: Trust) -> Reply:
    """What a member tells. One that the answer cites backs it, unless it tells something else by itself; it is asked
    all the same where it may have to withdraw."""
    if member.evidence.cited and says(member.passage.text, answer.text) and trust is not Trust.SWAP:
        return Reply(answer.text, member.evidence, None)
    reply = await ask_alone(session, model, member)
    if not reply.answer and member.evidence.cited:
        return Reply(answer.text, member.evidence, None)
    return reply


def _parts(answer: Answer, claims: Sequence[Claim], remembered: str) -> tuple[Claim, ...]:
    """Answers that are all part of the one that was given ("Ada and Bo") don't contradict each other."""
    told = [claim for claim in claims if claim.evidence]
    tellings = [
        Telling(answer.text, item, date)
        for claim in told
        for item, date in zip(claim.evidence, claim.dates, strict=True)
    ]
    return grouped(tellings, remembered=remembered)


async def _ruling(session: Session, model: ChatModel, claims: Sequence[Claim], trust: Trust, passages: Asked) -> Ruling:
    memory = next((number for number, claim in enumerate(claims) if claim.remembered), None)
    told = [number for number, claim in enumerate(claims) if claim.evidence]
    if trust is Trust.MODEL and memory is not None:
        return Ruling(memory, "the model remembers it")
    if not told:
        return Ruling(None, "no passage answers the question by itself")
    other = "" if memory is None or memory in told else "; the model remembers another answer"
    if len(told) == 1:
        return Ruling(told[0], f"all passages that answer tell it{other}")
    rivals = [claims[number] for number in told]
    if trust is Trust.SWAP:
        ruling = await _by_swap(session, model, rivals, passages)
    elif trust in RULES:
        ruling = RULES[trust](rivals)
    else:
        ruling = Ruling(None, f"the texts tell {len(told)} answers, and {trust} is no rule to choose among them")
    return Ruling(None if ruling.settled is None else told[ruling.settled], ruling.reason + other)


async def _by_swap(session: Session, model: ChatModel, claims: Sequence[Claim], passages: Asked) -> Ruling:
    """The claim that is left when one member of each reads the passage of the other as well, pair after pair.

    In both orders, so that a model which believes whatever it reads first settles nothing; and only members that
    weren't certain by themselves withdraw. Of two that are both given up for a third answer none is left.
    """
    best = [passages[max(claim.evidence, key=lambda item: item.rating)] for claim in claims]
    certain = [confidence is not None and confidence >= CERTAIN for _, confidence in best]
    standing: int | None = None
    unsettled, swaps = False, 0
    for rival in range(len(claims)):
        if standing is None:
            standing = rival
            continue
        swaps += 1
        said = [
            await ask_together(session, model, best[one][0], best[other][0])
            for one, other in ((standing, rival), (rival, standing))
        ]
        told = [{n for n in (standing, rival) if same_claim(claims[n].answer, answer)} for answer in said]
        if told[0] == told[1] and len(told[0]) == 1 and not certain[rival if standing in told[0] else standing]:
            (standing,) = told[0]
        elif all(said) and not any(told):
            standing = None
        else:
            unsettled = True
    times = "once" if swaps == 1 else f"{swaps} times"
    if unsettled or standing is None:
        left = "none of the answers stands" if standing is None else "more than one of the answers still stands"
        return Ruling(None, f"passages were exchanged {times}, and {left}")
    return Ruling(standing, f"passages were exchanged {times}, and the others withdrew")


def _amended(answer: Answer, ledger: Ledger) -> Answer:
    """The answer as the ledger leaves it."""
    if ledger.is_unresolved and answer.verdict is Verdict.ANSWERED:
        return replace(answer, ledger=ledger, verdict=Verdict.FORCED)
    if ledger.settled is None or ledger.is_unresolved:
        return replace(answer, ledger=ledger)
    claim = ledger.claims[ledger.settled]
    if answer.text.strip() and (same_claim(claim.answer, answer.text) or says(answer.text, claim.answer)):
        return replace(answer, ledger=ledger)
    backing = {(item.document, item.start, item.end) for item in claim.evidence}
    others = tuple(
        replace(item, cited=False) for item in answer.evidence if (item.document, item.start, item.end) not in backing
    )
    cited = tuple(replace(item, cited=True) for item in claim.evidence)
    return replace(answer, text=claim.answer, verdict=Verdict.ANSWERED, evidence=(*cited, *others), ledger=ledger)
