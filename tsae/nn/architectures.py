"""The registry of architectures: pairs of encoder and decoder. Choices, help and errors are made from it.

A new architecture is a module with an encoder and a decoder, and an entry of `ARCHITECTURES`. Nothing here loads torch
before a pair is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from tsae.nn.stages import receptive_field

__all__ = ["ARCHITECTURES", "WIDE", "Architecture"]

Pair = tuple[Callable[..., Any], Callable[..., Any]]
"""Makers of the encoder, from the shape of an input, and of the decoder, from the length of the code and that shape."""
WIDE = 700
"""Numbers in a window from which strides and steps are cut to keep the cost down."""


@dataclass(frozen=True)
class Architecture:
    """A kind of encoder/decoder pair, with its options and its strides."""

    pair: Callable[..., Pair]
    """Takes `options` as keywords. The encoder and the decoder that it makes also take `activation`, a maker of layers
    that follow every other layer, and `dropout`, a share of units; the decoder takes `learned_variance`, with which it
    stacks mean and log-variance behind the batch. Its last module with parameters makes its output."""
    options: tuple[str, ...]
    """Fields of `NetworkOptions` that this architecture takes, among those that not all of them take."""
    kind: str
    """The name of its recipe."""
    beside: str
    """The architecture that preset "best" adds to it."""
    receptive_field: Callable[..., int] | None = None
    """From the sides of an input, and `options` as keywords, to the time steps, or pixels a side, that one feature
    before the code depends on; `None` for all of them."""
    overlap: int = 4
    """In a wide window, windows begin every `window_size // overlap` rows, otherwise at every row."""
    wide: int = WIDE
    """Numbers in a window from which it is wide: with several channels, errors averaged over every third or fourth part
    of a window detect as well as over all; a narrow series such as an electrocardiogram needs a window at every row."""

    def stride(self, window_size: int, n_channels: int) -> int:
        """Return the rows between the beginnings of two windows."""
        return max(1, window_size // self.overlap) if window_size * n_channels >= self.wide else 1


def _dense(*, hidden: tuple[int, ...], decoder_hidden: tuple[int, ...]) -> Pair:
    from tsae.nn.dense import DenseDecoder, DenseEncoder

    return partial(DenseEncoder, hidden=hidden), partial(DenseDecoder, hidden=decoder_hidden)


def _conv(**options: Any) -> Pair:
    from tsae.nn.conv import ConvDecoder, ConvEncoder

    return partial(ConvEncoder, **options), partial(ConvDecoder, **options)


def _transformer(**options: Any) -> Pair:
    from tsae.nn.transformer import TransformerDecoder, TransformerEncoder

    return partial(TransformerEncoder, **options), partial(TransformerDecoder, **options)


ARCHITECTURES: Mapping[str, Architecture] = {
    "dense": Architecture(_dense, options=("hidden", "decoder_hidden"), kind="undercomplete", beside="conv"),
    "conv": Architecture(
        _conv,
        options=("n_blocks", "width", "kernel_size"),
        kind="convolutional",
        beside="dense",
        receptive_field=lambda sides, *, n_blocks, kernel_size, **_: receptive_field(sides, n_blocks, kernel_size),
        overlap=3,
        wide=256,
    ),
    "transformer": Architecture(
        _transformer, options=("n_blocks", "width", "n_heads"), kind="transformer", beside="conv"
    ),
}
