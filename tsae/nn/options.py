"""What a network is made of: plain values that can be written to JSON and read back."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from tsae.errors import ParameterError
from tsae.nn.stages import receptive_field

__all__ = [
    "Activation",
    "Architecture",
    "BottleneckKind",
    "CorruptionKind",
    "NetworkOptions",
    "OutputKind",
]

Architecture = Literal["dense", "conv", "transformer"]
BottleneckKind = Literal["deterministic", "gaussian"]
CorruptionKind = Literal["gaussian", "mask_points", "mask_channels", "mask_blocks", "salt_pepper"]
Activation = Literal["gelu", "relu", "tanh", "sigmoid", "silu"]
OutputKind = Literal["identity", "sigmoid"]


@dataclass(frozen=True)
class NetworkOptions:
    """Everything that `build_autoencoder` needs besides the shape of an input.

    Parameters
    ----------
    architecture
        Kind of the encoder/decoder pair. What does not belong to it is ignored, except for layer widths,
        which are refused where there are none.
    latent_dim
        Length of the nonlinear code.
    hidden
        dense: widths of the encoder's layers, from the input on; `()` is a linear autoencoder. `None` takes
        two layers from the shape, see `hidden_widths`.
    decoder_hidden
        dense: widths of the decoder's layers, from the code on. `None` mirrors `hidden`.
    n_blocks
        conv: strided stages wanted (short windows get fewer); transformer: stacked blocks. Equal in both
        halves.
    width
        conv: channels after the first stage; transformer: length of a token, a multiple of `n_heads`.
    n_heads
        transformer: attention heads.
    kernel_size
        conv: odd, at least 3; time steps or pixels a side.
    dropout
        Share of hidden units dropped in training, in [0, 1).
    activation
        Nonlinearity of the hidden layers.
    bottleneck
        "gaussian" makes the autoencoder variational.
    corruption
        What is done to the input in training while the target stays clean; `None` for nothing.
    corruption_level
        "gaussian": standard deviation of the noise in units of the input; otherwise the expected share of
        entries that are hidden or replaced, in (0, 1).
    learned_variance
        Whether the decoder also returns a log-variance for each value.
    output
        "sigmoid" keeps reconstructions in (0, 1). A Bernoulli likelihood works on logits and needs
        "identity".

    Raises
    ------
    ParameterError
        If a value is unknown, out of range, or clashes with another one.

    Examples
    --------
    >>> NetworkOptions(architecture="conv", latent_dim=8).n_blocks
    2
    >>> NetworkOptions(kernel_size=4)
    Traceback (most recent call last):
    tsae.errors.ParameterError: `kernel_size` (=4) must be an odd number of at least 3; try 5
    """

    architecture: Architecture = "dense"
    latent_dim: int = 16
    hidden: tuple[int, ...] | None = None
    decoder_hidden: tuple[int, ...] | None = None
    n_blocks: int = 2
    width: int = 32
    n_heads: int = 4
    kernel_size: int = 5
    dropout: float = 0.0
    activation: Activation = "gelu"
    bottleneck: BottleneckKind = "deterministic"
    corruption: CorruptionKind | None = None
    corruption_level: float = 0.1
    learned_variance: bool = False
    output: OutputKind = "identity"

    def __post_init__(self) -> None:
        self._check_names()
        self._check_widths()
        self._check_numbers()

    def hidden_widths(self, input_shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Widths of a dense encoder's and decoder's hidden layers, each in the order data passes them.

        Without `hidden`, two layers of h and h // 2 units with h = min(256, max(128, D // 4)), D values an
        input.
        """
        h = min(256, max(128, math.prod(input_shape) // 4))
        encoder = (h, h // 2) if self.hidden is None else self.hidden
        return encoder, encoder[::-1] if self.decoder_hidden is None else self.decoder_hidden

    def receptive_field(self, input_shape: tuple[int, ...]) -> int:
        """How many time steps, or pixels a side, one feature before the code depends on: all unless convolutional."""
        sides = input_shape[:1] if len(input_shape) == 2 else input_shape[1:]
        if self.architecture != "conv":
            return max(sides)
        return min(max(sides), receptive_field(sides, self.n_blocks, self.kernel_size))

    def _check_names(self) -> None:
        _check_choice("architecture", self.architecture, get_args(Architecture))
        _check_choice("activation", self.activation, get_args(Activation))
        _check_choice("bottleneck", self.bottleneck, get_args(BottleneckKind))
        _check_choice("corruption", self.corruption, (None, *get_args(CorruptionKind)))
        _check_choice("output", self.output, get_args(OutputKind))

    def _check_widths(self) -> None:
        for name in ("hidden", "decoder_hidden"):
            widths = getattr(self, name)
            if widths is None:
                continue
            if self.architecture != "dense":
                rule = f"clashes with `architecture` (={self.architecture!r}), which has no layer widths"
                raise ParameterError(f"`{name}` (={widths!r}) {rule}; set `width` and `n_blocks` instead")
            if not isinstance(widths, Iterable) or not all(_is_count(width) for width in widths):
                rule = "must hold whole numbers of at least 1"
                raise ParameterError(f"`{name}` (={widths!r}) {rule}; pass something like (128, 64), or None")
            # JSON knows lists only; as a tuple the options stay hashable and equal after a round trip.
            object.__setattr__(self, name, tuple(widths))

    def _check_numbers(self) -> None:
        for name in ("latent_dim", "n_blocks", "width", "n_heads"):
            if not _is_count(getattr(self, name)):
                value = getattr(self, name)
                raise ParameterError(f"`{name}` (={value!r}) must be a whole number of at least 1; try 4")
        if not _is_count(self.kernel_size) or self.kernel_size < 3 or self.kernel_size % 2 == 0:
            rule = "must be an odd number of at least 3"
            raise ParameterError(f"`kernel_size` (={self.kernel_size!r}) {rule}; try 5")
        if self.architecture == "transformer" and self.width % self.n_heads:
            rule = f"must be a multiple of `n_heads` (={self.n_heads})"
            raise ParameterError(f"`width` (={self.width}) {rule}; try {8 * self.n_heads}")
        if not 0 <= self.dropout < 1:
            raise ParameterError(f"`dropout` (={self.dropout!r}) must lie in [0, 1); pass 0 for none")
        most = math.inf if self.corruption == "gaussian" else 1.0
        if self.corruption is not None and not 0 < self.corruption_level < most:
            rule = f"must lie between 0 and {most:g} for `corruption` (={self.corruption!r})"
            raise ParameterError(f"`corruption_level` (={self.corruption_level!r}) {rule}; for no corruption pass None")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _check_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    if value not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        raise ParameterError(f"`{name}` (={value!r}) is not known; choose one of {listed}")
