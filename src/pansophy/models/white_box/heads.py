"""Attention heads, seen and changed where their outputs stand side by side: at the input of the output projection.

Everything that touches heads goes through these two hooks: pruning, patching, steering. Knows nothing of what for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from pansophy.models.white_box.anatomy import Anatomy


class Head(NamedTuple):
    """A query head: its layer and its place in it, both from 0."""

    layer: int
    head: int

    def __str__(self) -> str:
        return f"L{self.layer}H{self.head}"


Edit = Callable[[int, Tensor], Tensor]
"""From a layer's number and its heads' outputs, [rows, positions, heads, head_size], to what shall stand there."""
_touched: list[nn.Module] = []
"""The output projections that are within a block of `edited_heads` now, once for each block."""


@contextmanager
def captured_heads(anatomy: Anatomy) -> Iterator[list[Tensor]]:
    """The heads' outputs of the last forward pass in the block: one [rows, positions, heads, head_size] a layer."""
    kept: list[Tensor] = [torch.empty(0)] * len(anatomy.layers)

    def keep(layer: int, outputs: Tensor) -> Tensor:
        kept[layer] = outputs
        return outputs

    with edited_heads(anatomy, keep):
        yield kept


@contextmanager
def edited_heads(anatomy: Anatomy, edit: Edit) -> Iterator[None]:
    """Every forward pass in the block has its heads' outputs replaced by what `edit` makes of them."""

    def hook_of(layer: int) -> Callable[[nn.Module, tuple[Any, ...]], tuple[Any, ...]]:
        def hook(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
            joined = inputs[0]
            apart = joined.view(*joined.shape[:-1], anatomy.heads, anatomy.head_size)
            return (edit(layer, apart).reshape(joined.shape), *inputs[1:])

        return hook

    handles = [output.register_forward_pre_hook(hook_of(number)) for number, output in enumerate(anatomy.outputs)]
    _touched.extend(anatomy.outputs)
    try:
        yield
    finally:
        for handle, output in zip(handles, anatomy.outputs, strict=True):
            handle.remove()
            _touched.remove(output)


def heads_are_touched(network: nn.Module) -> bool:
    """Whether the network's heads are captured or edited now."""
    return bool(_touched) and any(module in _touched for module in network.modules())
