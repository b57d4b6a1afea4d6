"""Fully connected encoder and decoder on flattened inputs, for series windows and images alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["DenseDecoder", "DenseEncoder", "linear_by_group"]


class DenseEncoder(nn.Module):
    """Inputs `(batch, *input_shape)` → features `(batch, out_features)`.

    `hidden` are the widths of the layers; with `()` the features are the flattened input itself.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        *,
        hidden: Sequence[int],
        activation: Callable[[], nn.Module],
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        widths = [math.prod(input_shape), *hidden]
        self.out_features = widths[-1]
        self.layers = nn.Sequential(nn.Flatten(), *_hidden_layers(widths, activation, dropout))

    def forward(self, inputs: Tensor) -> Tensor:
        return cast(Tensor, self.layers(inputs))


class DenseDecoder(nn.Module):
    """Codes `(batch, latent_dim)` → `(batch, *output_shape)`, or, with `learned_variance`, `(batch, 2, *output_shape)`.

    `hidden` are the widths of the layers, from the code on; a last layer without activation follows.
    """

    def __init__(
        self,
        latent_dim: int,
        output_shape: tuple[int, ...],
        *,
        hidden: Sequence[int],
        activation: Callable[[], nn.Module],
        dropout: float = 0.0,
        learned_variance: bool = False,
    ) -> None:
        super().__init__()
        widths = [latent_dim, *hidden]
        shape = (2, *output_shape) if learned_variance else output_shape
        last = nn.Linear(widths[-1], math.prod(shape))
        self.layers = nn.Sequential(*_hidden_layers(widths, activation, dropout), last, nn.Unflatten(1, shape))

    def forward(self, code: Tensor) -> Tensor:
        return cast(Tensor, self.layers(code))

    def blocks(self, code: Tensor, chosen: Tensor, block: int) -> Tensor:
        """Only the block `chosen` `(batch,)` of each series that `forward` returns, `(batch, block, channels)`.

        The time steps are counted in blocks of `block`, which divides their number; not for a learned variance.
        """
        last = cast(nn.Linear, self.layers[-2])
        n_channels = cast(tuple[int, ...], cast(nn.Unflatten, self.layers[-1]).unflattened_size)[-1]
        weight = last.weight.view(-1, block * n_channels, last.in_features)
        found = linear_by_group(self.layers[:-2](code), chosen, weight, last.bias.view(weight.shape[:2]))
        return found.view(-1, block, n_channels)

    def last_blocks(self, code: Tensor, n_blocks: int, block: int) -> Tensor:
        """The last `n_blocks` blocks, each of its own series, `(n_blocks, batch, block, channels)`.

        `code` holds `batch` codes for the first of these blocks, then as many for the next one, and so on.
        """
        last = cast(nn.Linear, self.layers[-2])
        n_channels = cast(tuple[int, ...], cast(nn.Unflatten, self.layers[-1]).unflattened_size)[-1]
        weight = last.weight.view(-1, block * n_channels, last.in_features).transpose(1, 2)[-n_blocks:]
        bias = last.bias.view(-1, 1, block * n_channels)[-n_blocks:]
        hidden = self.layers[:-2](code).view(n_blocks, -1, last.in_features)
        return torch.baddbmm(bias, hidden, weight).view(n_blocks, -1, block, n_channels)


def _hidden_layers(widths: Sequence[int], activation: Callable[[], nn.Module], dropout: float) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), activation()]
        if dropout:
            layers.append(nn.Dropout(dropout))
    return layers


def linear_by_group(inputs: Tensor, group: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Inputs `(batch, n_in)`, each through the layer of its group, `(batch,)` whole numbers: `(batch, n_out)`.

    `weight` is `(n_groups, n_out, n_in)`, `bias` `(n_groups, n_out)`. Inputs of one group are multiplied together.
    """
    order = group.argsort(stable=True)
    sizes = group.bincount(minlength=len(weight)).tolist()
    biases = [None] * len(weight) if bias is None else bias.unbind()
    parts = zip(torch.split(inputs.index_select(0, order), sizes), weight.unbind(), biases, strict=True)
    return torch.cat([functional.linear(*part) for part in parts]).index_select(0, order.argsort())
