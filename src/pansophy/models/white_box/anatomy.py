"""Where a transformer keeps its parts, found by their shapes and places instead of by tables of model names.

Knows nothing of tokens and texts.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn
from transformers import PreTrainedModel

from pansophy.errors import UsageError


@dataclass(frozen=True, slots=True)
class Anatomy:
    """The parts that methods touch.

    `outputs` holds each layer's attention output projection, whose input is the heads' outputs side by side,
    [..., heads x head_size] (with grouped keys and values too: its input has all query heads); `norm` is what stands
    before `unembedding`, which makes logits of hidden states.
    """

    layers: tuple[nn.Module, ...]
    outputs: tuple[nn.Module, ...]
    norm: nn.Module
    unembedding: nn.Module
    heads: int
    head_size: int


def anatomy_of(network: PreTrainedModel) -> Anatomy:
    """Find the parts of `network`.

    Raises:
        UsageError: it is not built like a decoder of attention layers; says which part wasn't found.
    """
    owner, layers = _layers(network)
    heads = network.config.get_text_config().num_attention_heads
    outputs = tuple(_output(layer, number, heads) for number, layer in enumerate(layers))
    norms = [child for child in owner.children() if "norm" in type(child).__name__.lower()]
    unembedding = network.get_output_embeddings()
    if not norms or unembedding is None:
        part = "final normalisation" if not norms else "output embedding"
        raise UsageError(f"{type(network).__name__} has no {part} where one is looked for")
    width = _widths(outputs[0])[0]
    return Anatomy(tuple(layers), outputs, norms[-1], unembedding, heads, width // heads)


def _layers(network: PreTrainedModel) -> tuple[nn.Module, nn.ModuleList]:
    """The list of all layers, and the module that holds it."""
    count = network.config.get_text_config().num_hidden_layers
    for module in network.modules():
        for child in module.children():
            if isinstance(child, nn.ModuleList) and len(child) == count and len({type(one) for one in child}) == 1:
                return module, child
    raise UsageError(f"{type(network).__name__} has no list of {count} layers of one kind")


def _output(layer: nn.Module, number: int, heads: int) -> nn.Module:
    """The last linear map of the layer's attention; its input is as wide as all heads."""
    for module in layer.modules():
        if type(module).__name__.lower().endswith("attention") and (
            maps := [child for child in module.children() if _is_linear(child)]
        ):
            if _widths(maps[-1])[0] % heads:
                break
            return maps[-1]
    raise UsageError(f"layer {number} has no attention with an output projection for {heads} heads")


def _is_linear(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"


def _widths(module: nn.Module) -> tuple[int, int]:
    """Input and output features of a linear map; GPT-2's Conv1D holds its weight the other way round."""
    weight = module.weight
    assert isinstance(weight, nn.Parameter)
    rows, columns = weight.shape
    return (columns, rows) if isinstance(module, nn.Linear) else (rows, columns)


def output_columns(module: nn.Module) -> nn.Parameter:
    """The weight of an output projection with the input features in front: [heads x head_size, hidden], a view."""
    weight = module.weight
    assert isinstance(weight, nn.Parameter)
    return weight.T if isinstance(module, nn.Linear) else weight  # type: ignore[return-value]
