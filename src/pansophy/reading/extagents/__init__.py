"""ExtAgents: many seeking agents and one reasoning agent read a text of any size.

Every seeking agent reads one chunk; all of them share their best findings every round (global knowledge
synchronisation); the reasoning agent is given the ranked findings 1, 2, 4, 8, … at a time until it can answer
(knowledge-accumulating reasoning).

    answer = await ExtAgents().run("Who relieved the keeper?", corpus)
"""

from __future__ import annotations

from pansophy.reading.extagents.agent import PAPER, ExtAgents
from pansophy.reading.extagents.settings import ExtAgentsSettings

__all__ = ["PAPER", "ExtAgents", "ExtAgentsSettings"]
