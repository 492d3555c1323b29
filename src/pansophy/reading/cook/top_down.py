"""Top-down: the model says whether it needs more, and a card is chosen by what it says; again until it has enough.

"auto" takes the card whose description is most like what the model says it needs, "explicit" lets it choose from the
descriptions. A reply with the word "no" ends the rounds; any other counts as a yes, as in the authors' code. New
documents stand in front of earlier ones.

Departures: at most `rounds` rounds (the authors' code makes one more); "know" is no "no"; the name of a card counts as
its description; a document is pruned as in `bottom_up.py`, and one that the prompt has already isn't put there again.
"""

from __future__ import annotations

from dataclasses import replace

from pansophy.reading.cook.cards import Card
from pansophy.reading.cook.knowledge import Knowledge, Step
from pansophy.reading.cook.prompts import MORE, WHICH, asking_prompt, choose_ask, named, says_no
from pansophy.reading.cook.selectors import chosen, likeness
from pansophy.reading.cook.session import Session


async def top_down(session: Session, *, explicit: bool) -> list[Knowledge]:
    """The documents that the model is to be shown, the newest first."""
    kept: list[Knowledge] = []
    for round_ in range(1, session.settings.rounds + 1):
        shown = [one.shown for one in kept]
        wants = await session.reply(asking_prompt(session.question, shown, MORE))
        if says_no(wants):
            session.steps.append(Step(round_, wants))
            break
        card, step = await _choice(session, Step(round_, wants), shown, explicit=explicit)
        session.steps.append(step)
        documents = [
            replace(one, dropped=one.dropped or ("shown before" if _known(one, kept) else ""))
            for one in await session.write([card], round_)
        ]
        documents, best = chosen(await session.judge(documents), 1, session.settings, session.chance(round_))
        session.knowledge += documents
        kept = [*best, *kept]
    return kept


async def _choice(session: Session, step: Step, shown: list[str], *, explicit: bool) -> tuple[Card, Step]:
    """The card that the model is in need of, and how it was chosen."""
    cards = session.cards
    descriptions = [card.description for card in cards]
    ask = choose_ask(descriptions) if explicit else WHICH
    needs = await session.reply(asking_prompt(session.question, shown, ask))
    by, place = "random", session.chance(step.round).randrange(len(cards))
    if explicit:
        if (found := named(needs, [(card.description, card.name) for card in cards])) is not None:
            by, place = "description", found
    elif max(scores := likeness(needs, descriptions, session.judges.embedder)) > 0:
        by, place = "likeness", scores.index(max(scores))
    return cards[place], replace(step, needs=needs, card=cards[place].name, chosen_by=by)


def _known(document: Knowledge, kept: list[Knowledge]) -> bool:
    return any(" ".join(document.text.split()).casefold() == " ".join(one.text.split()).casefold() for one in kept)
