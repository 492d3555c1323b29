"""Claims: which answers say the same, and which of those that don't is to be believed. Pure functions.

Rules that compare sources never guess: on a tie, and where what they compare isn't known, nothing is settled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pansophy.reading.answers import same_claim, words
from pansophy.types import Claim, Evidence, Trust


@dataclass(frozen=True, slots=True)
class Telling:
    """What one passage tells: `answer` ("" if nothing), its evidence and the date of its document ("" if unknown)."""

    answer: str
    evidence: Evidence
    date: str = ""


@dataclass(frozen=True, slots=True)
class Ruling:
    """The number of the claim that counts, None if none does for sure, and why."""

    settled: int | None
    reason: str


def grouped(tellings: Sequence[Telling], *, remembered: str = "") -> tuple[Claim, ...]:
    """The different answers, in the order in which they are first told; the passages that tell nothing are left out.

    Args:
        tellings: what the passages tell.
        remembered: what the model says without any text, "" for nothing.
    """
    claims: list[Claim] = []
    for telling in tellings:
        if not telling.answer.strip():
            continue
        place = _place(claims, telling.answer)
        if place is None:
            claims.append(Claim(telling.answer.strip(), (telling.evidence,), (telling.date,)))
        else:
            claim = claims[place]
            claims[place] = replace(
                claim, evidence=(*claim.evidence, telling.evidence), dates=(*claim.dates, telling.date)
            )
    if remembered.strip():
        place = _place(claims, remembered)
        if place is None:
            claims.append(Claim(remembered.strip(), remembered=True))
        else:
            claims[place] = replace(claims[place], remembered=True)
    return tuple(claims)


def _place(claims: Sequence[Claim], answer: str) -> int | None:
    """The number of the claim that `answer` makes; equal ones before those that only hold it."""
    equal = (number for number, claim in enumerate(claims) if words(claim.answer) == words(answer))
    alike = (number for number, claim in enumerate(claims) if same_claim(claim.answer, answer))
    return next(equal, next(alike, None))


def by_majority(claims: Sequence[Claim]) -> Ruling:
    """The claim that most documents tell; where all is in one document, most passages."""
    documents = {item.document for claim in claims for item in claim.evidence}
    many, unit = len(documents) > 1, "document" if len(documents) > 1 else "passage"
    votes = [len({item.document for item in c.evidence}) if many else len(c.evidence) for c in claims]
    told = " to ".join(map(str, sorted(votes, reverse=True)))
    return _best(votes, f"most {unit}s tell it ({told})", f"as many {unit}s tell the one as the other ({told})")


def by_rating(claims: Sequence[Claim]) -> Ruling:
    """The claim of the finding with the highest rating."""
    ratings = [max((item.rating for item in claim.evidence), default=0.0) for claim in claims]
    told = " to ".join(f"{rating:.0f}" for rating in sorted(ratings, reverse=True))
    return _best(ratings, f"its finding is rated highest ({told})", f"the findings are rated alike ({told})")


def by_date(claims: Sequence[Claim]) -> Ruling:
    """The claim of the newest dated document. A day is newer than another only as far as both are told: "2024" isn't
    older than "2024-05"."""
    dates = [max(claim.dates, default="") for claim in claims]
    if not any(dates):
        return Ruling(None, "no source tells its date")
    newest = max(dates)
    rivals = [number for number, date in enumerate(dates) if date and newest.startswith(date)]
    if len(rivals) > 1:
        return Ruling(
            None, f"sources of the same date ({min((dates[n] for n in rivals), key=len)}) contradict each other"
        )
    undated = sum(not date for date in dates)
    aside = f"; {undated} of the answers {'has' if undated == 1 else 'have'} no dated source" if undated else ""
    return Ruling(rivals[0], f"its source is the newest ({newest}){aside}")


def _best(scores: Sequence[float], reason: str, tie: str) -> Ruling:
    best = max(scores)
    winners = [number for number, score in enumerate(scores) if score == best]
    return Ruling(winners[0], reason) if len(winners) == 1 else Ruling(None, tie)


RULES: dict[Trust, Callable[[Sequence[Claim]], Ruling]] = {
    Trust.MAJORITY: by_majority,
    Trust.RATING: by_rating,
    Trust.NEWEST: by_date,
}
"""Those that need no model."""
