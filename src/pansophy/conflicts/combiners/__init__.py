"""How two streams of log-probabilities become one: a method a file, each a pure function of the two.

`COMBINERS` has them by name, for the command line and for benchmarks.
"""

from __future__ import annotations

from pansophy.conflicts.combiners.acd import ACD
from pansophy.conflicts.combiners.adacad import AdaCAD
from pansophy.conflicts.combiners.base import Combiner
from pansophy.conflicts.combiners.cad import ContextAwareDecoding
from pansophy.conflicts.combiners.ck_plug import CKPlug
from pansophy.conflicts.combiners.coiecd import COIECD
from pansophy.conflicts.combiners.dola import DoLa
from pansophy.conflicts.combiners.grd import GRD
from pansophy.conflicts.combiners.interpolation import Interpolation

COMBINERS: dict[str, type[Combiner]] = {
    kind.name: kind for kind in (CKPlug, ContextAwareDecoding, AdaCAD, COIECD, ACD, GRD, DoLa, Interpolation)
}
