"""The three selectors: relevance to the question, pruning to what matters, factuality.

Each takes documents and gives all of them back, with its scores and, for those that it drops, the reason; documents
that were dropped before pass through. Pure but for the judges that they are handed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pansophy.corpus import Embedder
from pansophy.reading.cook.knowledge import Knowledge
from pansophy.reading.cook.settings import CookSettings
from pansophy.reading.cook.stand_ins import Agreement, Retrieve, Summarise, Support, extractive_summary
from pansophy.reading.pike_rag.likeness import VectorLikeness, WordLikeness

UNKNOWN = 0.5
"""The support of a document that there is no evidence about: the authors' value for a check that failed."""


@dataclass(frozen=True, slots=True)
class Judges:
    """Who judges documents.

    Args:
        embedder: compares documents with the question, and what a model needs with descriptions, by meaning; None
            compares words.
        summarise: prunes.
        faithful: how far a document bears out its summary (FactKB in the paper).
        supports: how far an evidence bears out a document (VitaminC in the paper).
        retrieve: finds evidence; None: there is none.
    """

    embedder: Embedder | None = None
    summarise: Summarise = extractive_summary
    faithful: Support = field(default_factory=Agreement)
    supports: Support = field(default_factory=Agreement)
    retrieve: Retrieve | None = None


def likeness(query: str, texts: Sequence[str], embedder: Embedder | None) -> list[float]:
    """How alike a query and each of the texts are, 0 to 1."""
    if embedder is not None and texts:
        return VectorLikeness(embedder, embedder.embed(texts)).scores(query)
    return WordLikeness(texts).scores(query)


def unlike(documents: Sequence[Knowledge]) -> list[Knowledge]:
    """Drops what is empty, and what says the same as an earlier one, word for word."""
    seen: set[str] = set()
    found = []
    for one in documents:
        text = " ".join(one.text.split()).casefold()
        reason = "empty" if not text else "says the same as another" if text in seen else ""
        seen.add(text)
        found.append(replace(one, dropped=one.dropped or reason))
    return found


def relevant(documents: Sequence[Knowledge], question: str, most: int, embedder: Embedder | None) -> list[Knowledge]:
    """Keeps the `most` documents that are most like the question; of equals the first."""
    open_ = [place for place, one in enumerate(documents) if not one.dropped]
    scores = likeness(question, [documents[place].text for place in open_], embedder)
    found = list(documents)
    ranked = sorted(zip(open_, scores, strict=True), key=lambda pair: -pair[1])
    for rank, (place, score) in enumerate(ranked):
        reason = "" if rank < most else f"relevance: {rank + 1} of {len(ranked)}, and {most} are kept"
        found[place] = replace(found[place], relevance=score, dropped=reason)
    return found


def pruned(documents: Sequence[Knowledge], question: str, most: int, summarise: Summarise) -> list[Knowledge]:
    """Gives each document a summary of at most `most` characters."""
    return [
        one if one.dropped else replace(one, summary=summarise(one.text, question, most) or one.text)
        for one in documents
    ]


def judged(documents: Sequence[Knowledge], judges: Judges, evidence: int) -> list[Knowledge]:
    """Gives each document its scores: s_sum of its summary, and s_fact, the best over the evidence that is found."""
    found = []
    for one in documents:
        if not one.dropped:
            texts = [] if judges.retrieve is None else judges.retrieve(one.text, evidence)
            supports = [(judges.supports(one.text, text), text) for text in texts]
            support, best = max(supports, key=lambda pair: pair[0], default=(UNKNOWN, ""))
            faithful = judges.faithful(one.summary, one.text) if one.summary else 1.0
            one = replace(one, faithfulness=faithful, support=support, evidence=best)
        found.append(one)
    return found


def drawn(
    scores: Sequence[float], count: int, candidates: int, source: random.Random, *, with_replacement: bool = False
) -> list[int]:
    """Top-k factuality sampling: draw `count` of the `candidates` best, each with a probability as its share of their
    scores.

    Args:
        scores: at least 0.
        count: l, how many are drawn; all of them where there are fewer.
        candidates: K, from how many; of equals the first.
        source: of chance.
        with_replacement: one may be drawn again.

    Returns:
        Places in `scores`, in the order in which they were drawn.
    """
    open_ = sorted(range(len(scores)), key=lambda place: -scores[place])[: max(candidates, count)]
    found: list[int] = []
    for _ in range(min(count, len(open_))):
        weights = [scores[place] for place in open_]
        place = source.choices(open_, weights if sum(weights) > 0 else None)[0]
        found.append(place)
        if not with_replacement:
            open_.remove(place)
    return found


def chosen(
    documents: Sequence[Knowledge], count: int, settings: CookSettings, source: random.Random
) -> tuple[list[Knowledge], list[Knowledge]]:
    """All documents, those that aren't drawn with the reason, and those that are, in the order of the prompt."""
    open_ = [place for place, one in enumerate(documents) if not one.dropped]
    if settings.factuality:
        scores = [documents[place].factuality or 0.0 for place in open_]
        drawn_ = drawn(scores, count, settings.candidates * count, source, with_replacement=settings.with_replacement)
        taken = list(dict.fromkeys(open_[place] for place in drawn_))
    else:
        taken = open_[:count]
    found = list(documents)
    for place in open_:
        if place not in taken:
            value = found[place].factuality
            why = "not among the first" if value is None else f"factuality {value:.2f}: not drawn"
            found[place] = replace(found[place], dropped=why)
    return found, [found[place] for place in taken]
