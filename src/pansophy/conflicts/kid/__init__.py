"""KID: knowledge enters at decoding time, by steering every token towards terms of a trie of facts.

Liu et al. 2022, "Knowledge Infused Decoding", arXiv 2204.03084. A policy-gradient step perturbs the cache so that terms
near to what is being said become likelier, held close to the model by a divergence. Follows the released code with its
faults left out: no token enters the cache twice, bans hold only what would repeat, the nucleus is cut on probabilities,
words match whole, and tries are plain files. Ours: facts are taken from texts by rules instead of by OpenIE; a
term once begun is gone on with, and within other words nothing is steered.
"""

from __future__ import annotations

from pansophy.conflicts.kid.decoder import KIDDecoder, KIDReply, KIDSettings
from pansophy.conflicts.kid.trie import KnowledgeTrie, LocalMemory
from pansophy.papers import Paper

__all__ = ["PAPER", "KIDDecoder", "KIDReply", "KIDSettings", "KnowledgeTrie", "LocalMemory"]

PAPER = Paper(
    system="KID",
    title="Knowledge Infused Decoding",
    authors="Ruibo Liu, Guoqing Zheng, Shashank Gupta, Radhika Gaonkar, Chongyang Gao, Soroush Vosoughi, et al.",
    year=2022,
    arxiv="2204.03084",
    module="pansophy.conflicts.kid",
    venue="ICLR 2022",
)
