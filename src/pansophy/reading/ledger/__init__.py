"""The ledger: what passages that contradict each other, or the model's memory, say to a question, and whom to trust.

Made after a strategy has answered. Every passage that bears on the question is asked by itself; the answers are put
together by what they say; a stated rule chooses among them, or the conflict is reported as unresolved.
"""

from pansophy.reading.ledger.settling import PAPER, settled

__all__ = ["PAPER", "settled"]
