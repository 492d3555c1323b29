"""Conflicts between what a model remembers and what it is told: dials for decoding, measures, and repairs.

    decoder = TwoStreamDecoder(WhiteBoxModel.load("smollm2-135m"))
    reply = decoder.generate("Who is the CEO of X?", memo, combiner=CKPlug(alpha=0.2))

Needs the extra `torch`. Names are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pansophy.conflicts.coda import CoDA, Overshadowing, detect
    from pansophy.conflicts.combiners.acd import ACD
    from pansophy.conflicts.combiners.adacad import AdaCAD
    from pansophy.conflicts.combiners.base import Combined, Combiner
    from pansophy.conflicts.combiners.cad import ContextAwareDecoding
    from pansophy.conflicts.combiners.ck_plug import CKPlug
    from pansophy.conflicts.combiners.coiecd import COIECD
    from pansophy.conflicts.combiners.dola import DoLa
    from pansophy.conflicts.combiners.grd import GRD
    from pansophy.conflicts.combiners.interpolation import Interpolation
    from pansophy.conflicts.decoding import Reply, TwoStreamDecoder, TwoStreamProcessor
    from pansophy.conflicts.facts import known_facts, read_facts
    from pansophy.conflicts.kid import KIDDecoder, KIDSettings, KnowledgeTrie
    from pansophy.conflicts.overshadowing import OvershadowLaw, corpus_audit
    from pansophy.conflicts.ph3 import HeadMask, HeadScores, locate_heads

_WHERE = {
    "ACD": "combiners.acd",
    "AdaCAD": "combiners.adacad",
    "CKPlug": "combiners.ck_plug",
    "COIECD": "combiners.coiecd",
    "CoDA": "coda",
    "Combined": "combiners.base",
    "Combiner": "combiners.base",
    "ContextAwareDecoding": "combiners.cad",
    "DoLa": "combiners.dola",
    "GRD": "combiners.grd",
    "HeadMask": "ph3",
    "HeadScores": "ph3",
    "Interpolation": "combiners.interpolation",
    "KIDDecoder": "kid",
    "KIDSettings": "kid",
    "KnowledgeTrie": "kid",
    "OvershadowLaw": "overshadowing",
    "Overshadowing": "coda",
    "Reply": "decoding",
    "TwoStreamDecoder": "decoding",
    "TwoStreamProcessor": "decoding",
    "corpus_audit": "overshadowing",
    "detect": "coda",
    "known_facts": "facts",
    "locate_heads": "ph3",
    "read_facts": "facts",
}

__all__ = [
    "ACD",
    "COIECD",
    "GRD",
    "AdaCAD",
    "CKPlug",
    "CoDA",
    "Combined",
    "Combiner",
    "ContextAwareDecoding",
    "DoLa",
    "HeadMask",
    "HeadScores",
    "Interpolation",
    "KIDDecoder",
    "KIDSettings",
    "KnowledgeTrie",
    "OvershadowLaw",
    "Overshadowing",
    "Reply",
    "TwoStreamDecoder",
    "TwoStreamProcessor",
    "corpus_audit",
    "detect",
    "known_facts",
    "locate_heads",
    "read_facts",
]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
