"""How well a judge of facts tells true claims from false ones, measured on claims about MidtermQA's races.

Of each race ten claims are made, half of them with the winner of another race, all in words other than those of the
corpus that they are checked against. What the factuality selector keeps of them is counted, and how often a true claim
has more support than a false one (the area under the curve). Knows nothing of cards.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pansophy.corpus import Corpus
from pansophy.errors import UsageError
from pansophy.reading.cook.knowledge import Knowledge
from pansophy.reading.cook.midterms import NEWS, Race
from pansophy.reading.cook.selectors import Judges, chosen, judged
from pansophy.reading.cook.settings import CookSettings
from pansophy.reading.cook.stand_ins import CorpusEvidence, Support

EVIDENCE, CLAIMS = NEWS[0], NEWS[1:]


@dataclass(frozen=True, slots=True)
class FactCheck:
    """Percent, on average over the races: `true_among_kept` of the claims that the selector keeps (50 by chance), and
    `true_has_more_support` of the pairs of a true claim and a false one; a tie is half."""

    races: int
    true_among_kept: float
    true_has_more_support: float


def check_claims(
    races: Sequence[Race],
    judge: Support,
    *,
    count: int | None = None,
    kept: int = 2,
    on_progress: Callable[[int, int], None] = lambda done, of: None,
) -> FactCheck:
    """Check claims about races against a corpus that tells who won each of them.

    Args:
        races: all that the corpus knows of.
        judge: of support and faithfulness, such as `Agreement`.
        count: about how many of them claims are made, from the first on; all by default.
        kept: of the ten claims about a race; drawn from the best twice as many.
        on_progress: called with the races done and all of them.

    Raises:
        UsageError: more claims are to be kept than there are, or there are too few winners for false ones.
    """
    if not 1 <= kept < 2 * len(CLAIMS):
        raise UsageError(f"of {2 * len(CLAIMS)} claims 1 to {2 * len(CLAIMS) - 1} can be kept, not {kept}")
    winners = {race.winner for race in races}
    if len(winners) <= len(CLAIMS):
        raise UsageError(f"{len(CLAIMS)} false claims take {len(CLAIMS) + 1} winners, and there are {len(winners)}")
    corpus = Corpus.from_texts([EVIDENCE.format(race=race.name, winner=race.winner) for race in races])
    judges = Judges(faithful=judge, supports=judge, retrieve=CorpusEvidence(corpus))
    asked = races[:count]
    shares, orders = [], []
    for number, race in enumerate(asked, start=1):
        share, order = _checked(race, races, judges, kept)
        shares.append(share)
        orders.append(order)
        on_progress(number, len(asked))
    return FactCheck(len(asked), *(round(100 * sum(each) / len(asked), 1) for each in (shares, orders)))


def _checked(race: Race, races: Sequence[Race], judges: Judges, kept: int) -> tuple[float, float]:
    """The share of true claims among those kept, and of pairs in which the true one has more support."""
    source = random.Random(race.name)
    others = source.sample([other.winner for other in races if other.winner != race.winner], len(CLAIMS))
    claims = [(one.format(race=race.name, winner=race.winner), True) for one in CLAIMS]
    claims += [(one.format(race=race.name, winner=other), False) for one, other in zip(CLAIMS, others, strict=True)]
    source.shuffle(claims)
    truth = dict(claims)
    scored = judged([Knowledge("claims", number, text) for number, (text, _) in enumerate(claims)], judges, 3)
    _, taken = chosen(scored, kept, CookSettings(), source)
    supports = {flag: [one.support or 0.0 for one in scored if truth[one.text] is flag] for flag in (True, False)}
    pairs = [(more > less) + (more == less) / 2 for more in supports[True] for less in supports[False]]
    return sum(truth[one.text] for one in taken) / len(taken), sum(pairs) / len(pairs)
