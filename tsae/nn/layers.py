"""Small pieces that several encoder/decoder pairs share."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["linear_by_group", "positional_encoding", "start_at_zero"]


def start_at_zero(layer: nn.Module) -> None:
    """Set a layer's parameters to zero, so that its first output is zero whatever comes in."""
    for parameter in layer.parameters(recurse=False):
        nn.init.zeros_(parameter)


def positional_encoding(n_positions: int, width: int) -> Tensor:
    """Sines and cosines of geometrically spaced wave lengths, `(n_positions, width)`.

    Source: Vaswani et al., Attention is all you need, NeurIPS 2017, section 3.5.
    """
    positions = torch.arange(n_positions, dtype=torch.float32)[:, None]
    columns = torch.arange(width)
    frequencies = 10_000.0 ** (-2 * (columns // 2) / width)
    angles = positions * frequencies
    return torch.where(columns % 2 == 0, angles.sin(), angles.cos())


def linear_by_group(inputs: Tensor, group: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Inputs `(batch, n_in)`, each through the layer of its group, `(batch,)` whole numbers: `(batch, n_out)`.

    `weight` is `(n_groups, n_out, n_in)`, `bias` `(n_groups, n_out)`. Inputs of one group are multiplied together.
    """
    order = group.argsort(stable=True)
    sizes = group.bincount(minlength=len(weight)).tolist()
    biases = [None] * len(weight) if bias is None else bias.unbind()
    parts = zip(torch.split(inputs.index_select(0, order), sizes), weight.unbind(), biases, strict=True)
    return torch.cat([functional.linear(*part) for part in parts]).index_select(0, order.argsort())
