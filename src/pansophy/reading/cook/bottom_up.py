"""Bottom-up: every card writes, the selectors choose, the model answers from what is left.

Departures: the authors' code calls the model with the bare question, and prunes after the check of facts; here the
paper's order holds and the knowledge is sent.
"""

from __future__ import annotations

from pansophy.reading.cook.knowledge import Knowledge
from pansophy.reading.cook.selectors import chosen, relevant
from pansophy.reading.cook.session import Session


async def bottom_up(session: Session) -> list[Knowledge]:
    """The documents that the model is to be shown, in the order of the prompt."""
    settings = session.settings
    documents = await session.write(session.cards)
    if settings.relevance:
        documents = relevant(documents, session.question, settings.relevant, session.judges.embedder)
    documents = await session.judge(documents)
    documents, kept = chosen(documents, settings.kept, settings, session.chance())
    session.knowledge += documents
    return kept
