"""Options of networks as users pass them, and the resolved description that a network is built from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from tsae.checks import check_choice, check_not_negative, check_positive, check_whole, is_whole, plain, short_repr
from tsae.errors import ParameterError
from tsae.nn.architectures import ARCHITECTURES

__all__ = [
    "Activation",
    "BottleneckKind",
    "CorruptionKind",
    "NetworkOptions",
    "NetworkSpec",
    "OutputKind",
    "RBMOptions",
]

BottleneckKind = Literal["deterministic", "gaussian"]
CorruptionKind = Literal["gaussian", "mask_points", "mask_channels", "mask_blocks", "salt_pepper"]
Activation = Literal["gelu", "relu", "tanh", "sigmoid", "silu"]
OutputKind = Literal["identity", "sigmoid"]


@dataclass(frozen=True, kw_only=True)
class _Layers:
    """The fields that `NetworkOptions` and `NetworkSpec` share."""

    hidden: Sequence[int] | None = None
    decoder_hidden: Sequence[int] | None = None
    n_blocks: int = 2
    width: int = 32
    n_heads: int = 4
    kernel_size: int = 5
    dropout: float = 0.0
    bottleneck: BottleneckKind = "deterministic"
    corruption: CorruptionKind | None = None
    corruption_level: float = 0.1

    def __post_init__(self) -> None:
        for field in fields(self):
            value = plain(getattr(self, field.name))
            # JSON knows lists only; as tuples the options stay hashable and equal after a round trip.
            object.__setattr__(self, field.name, tuple(value) if isinstance(value, list) else value)
        for name in ("hidden", "decoder_hidden"):
            widths = getattr(self, name)
            if widths is not None and not (isinstance(widths, tuple) and all(is_whole(width, 1) for width in widths)):
                rule = "must hold whole numbers of at least 1"
                raise ParameterError(f"`{name}` (={widths!r}) {rule}; pass something like (128, 64), or None")
        for name in ("n_blocks", "width", "n_heads"):
            check_whole(name, getattr(self, name), 1)
        if not is_whole(self.kernel_size, 3) or self.kernel_size % 2 == 0:
            rule = "must be an odd number of at least 3"
            raise ParameterError(f"`kernel_size` (={self.kernel_size!r}) {rule}; try 5")
        check_choice("bottleneck", self.bottleneck, get_args(BottleneckKind))
        check_choice("corruption", self.corruption, (None, *get_args(CorruptionKind)))
        check_not_negative("dropout", self.dropout)
        if not self.dropout < 1:
            raise ParameterError(f"`dropout` (={self.dropout!r}) must lie in [0, 1); pass 0 for none")
        check_positive("corruption_level", self.corruption_level, example=_Layers.corruption_level)
        most = math.inf if self.corruption in (None, "gaussian") else 1.0
        if not self.corruption_level < most:
            rule = f"must lie between 0 and 1 for `corruption` (={self.corruption!r})"
            raise ParameterError(f"`corruption_level` (={self.corruption_level!r}) {rule}; for no corruption pass None")


@dataclass(frozen=True, kw_only=True, repr=False)
class NetworkOptions(_Layers):
    """Options of the networks of a detector.

    In an `AnomalyDetector` they shape only the members that rebuild windows. Unless `preset` is "alone" or
    `window_size` is set, about half of the members predict hidden blocks instead; their networks are fixed.

    Parameters
    ----------
    linear_path : "auto" or bool
        Whether the network's output is added to a principal-component reconstruction, so that it only learns the rest.
        "auto" adds it for series, unless the network is pre-trained, and not for images.
    hidden, decoder_hidden : sequence of int or None
        dense: widths of the encoder's layers, from the input on, and of the decoder's, from the code on; `()` is a
        linear autoencoder. `None` takes two layers, whose widths depend on the size of the input, and mirrors `hidden`.
    n_blocks : int
        conv: strided stages (short windows get fewer); transformer: stacked blocks. Equal in both halves.
    width : int
        conv: channels after the first stage; transformer: length of a token, a multiple of `n_heads`.
    n_heads : int
        transformer: attention heads.
    kernel_size : int
        conv: time steps, or pixels a side, of a kernel; odd and at least 3.
    activation : {"auto", "gelu", "relu", "tanh", "sigmoid", "silu"}
        Nonlinearity of the hidden layers. "auto" takes "gelu", and "sigmoid" with pre-training.
    dropout : float
        Share of hidden units dropped in training, in [0, 1).
    bottleneck : {"deterministic", "gaussian"}
        "gaussian" makes the autoencoder variational.
    corruption : {None, "gaussian", "mask_points", "mask_channels", "mask_blocks", "salt_pepper"}
        What is done to inputs in training while the target stays clean (a denoising autoencoder).
    corruption_level : float
        "gaussian": standard deviation of the noise, 1 being that of a channel, or the range of the pixels. Otherwise
        the expected share of entries that are hidden or replaced, in (0, 1).
    n_samples : "auto" or int
        Draws from the posterior that a variational "probability" or "elbo" is averaged over, or least number of masks
        of score_by="masked". "auto" takes 8 for series and 16 for images.

    Raises
    ------
    ParameterError
        If a value is unknown or out of range.

    Examples
    --------
    >>> NetworkOptions(hidden=[64, 32], dropout=0)
    NetworkOptions(hidden=(64, 32))
    >>> NetworkOptions(kernel_size=4)
    Traceback (most recent call last):
    tsae.errors.ParameterError: `kernel_size` (=4) must be an odd number of at least 3; try 5
    """

    linear_path: bool | Literal["auto"] = "auto"
    activation: Activation | Literal["auto"] = "auto"
    n_samples: int | Literal["auto"] = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("activation", self.activation, ("auto", *get_args(Activation)))
        if not isinstance(self.linear_path, bool) and self.linear_path != "auto":
            raise ParameterError(f'`linear_path` (={self.linear_path!r}) must be True, False or "auto"')
        check_whole("n_samples", self.n_samples, 1, or_auto=True)

    def __repr__(self) -> str:
        return short_repr(self)


@dataclass(frozen=True, kw_only=True)
class NetworkSpec(_Layers):
    """Resolved description of a network: all that `build_autoencoder` needs besides the shape of an input.

    Raises `ParameterError` if a value is unknown, out of range, or clashes with another one.

    Examples
    --------
    >>> NetworkSpec(architecture="conv", latent_dim=8).n_blocks
    2
    """

    architecture: str = "dense"
    """The options of other architectures are ignored, but layer widths are refused where there are none."""
    latent_dim: int = 16
    """Length of the nonlinear code."""
    activation: Activation = "gelu"
    learned_variance: bool = False
    """Whether the decoder also returns a log-variance for each value."""
    output: OutputKind = "identity"
    """"sigmoid" keeps reconstructions in (0, 1). A Bernoulli likelihood works on logits and needs "identity"."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("architecture", self.architecture, ARCHITECTURES)
        check_choice("activation", self.activation, get_args(Activation))
        check_choice("output", self.output, get_args(OutputKind))
        check_whole("latent_dim", self.latent_dim, 1)
        own = ARCHITECTURES[self.architecture].options
        for name in _stated_for_others(self.architecture):
            if getattr(self, name) is not None:
                rule = f"clashes with `architecture` (={self.architecture!r}), which takes {', '.join(own)}"
                raise ParameterError(f"`{name}` (={getattr(self, name)!r}) {rule}; leave it None")
        if "n_heads" in own and self.width % self.n_heads:
            rule = f"must be a multiple of `n_heads` (={self.n_heads})"
            raise ParameterError(f"`width` (={self.width}) {rule}; try {8 * self.n_heads}")

    def of_architecture(self, architecture: str) -> NetworkSpec:
        """Return the same for another architecture, without options that were stated for this one only."""
        without: dict[str, Any] = dict.fromkeys(_stated_for_others(architecture))
        return replace(self, architecture=architecture, **without)

    def layer_options(self, input_shape: tuple[int, ...]) -> dict[str, Any]:
        """Return the options of the architecture by name, with the layer widths that `None` stands for."""
        values = {name: getattr(self, name) for name in ARCHITECTURES[self.architecture].options}
        if "hidden" in values:
            values["hidden"], values["decoder_hidden"] = self.hidden_widths(input_shape)
        return values

    def hidden_widths(self, input_shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the widths of a dense encoder's and decoder's hidden layers, each in the order data passes them.

        Without `hidden`, two layers of h and h // 2 units with h = min(256, max(128, D // 4)), D values an input.
        """
        h = min(256, max(128, math.prod(input_shape) // 4))
        encoder = (h, h // 2) if self.hidden is None else tuple(self.hidden)
        return encoder, encoder[::-1] if self.decoder_hidden is None else tuple(self.decoder_hidden)

    def receptive_field(self, input_shape: tuple[int, ...]) -> int:
        """Return how many time steps, or pixels a side, one feature before the code depends on."""
        sides = input_shape[:1] if len(input_shape) == 2 else input_shape[1:]
        reach = ARCHITECTURES[self.architecture].receptive_field
        longest = max(sides)
        return longest if reach is None else min(longest, reach(sides, **self.layer_options(input_shape)))


def _stated_for_others(architecture: str) -> list[str]:
    """Options that are `None` unless stated, and that only other architectures have."""
    names = {name for each in ARCHITECTURES.values() for name in each.options}
    return sorted(name for name in names - {*ARCHITECTURES[architecture].options} if getattr(_Layers, name) is None)


@dataclass(frozen=True)
class RBMOptions:
    """Training options of RBMs.

    Parameters
    ----------
    n_steps, batch_size
        Updates of each RBM, and inputs per update.
    n_gibbs
        Steps of the Markov chain for each update, the k of CD-k.
    persistent
        Go on with the chains of the last update instead of starting at the batch (Tieleman, ICML 2008): a better
        density, but slower to learn features that an autoencoder can start from.
    learning_rate
        `None` takes 0.1, and 0.01 for RBMs with Gaussian units, whose reconstructions are not bounded.
    momentum, weight_decay
        Of the stochastic gradient steps; biases are not decayed.
    """

    n_steps: int = 1000
    batch_size: int = 64
    n_gibbs: int = 1
    persistent: bool = False
    learning_rate: float | None = None
    momentum: float = 0.9
    weight_decay: float = 2e-4

    def __post_init__(self) -> None:
        for name in ("n_steps", "batch_size", "n_gibbs"):
            check_whole(name, getattr(self, name), 1)
        if self.learning_rate is not None:
            check_positive("learning_rate", self.learning_rate, example=0.01)
        if not 0 <= self.momentum < 1:
            raise ParameterError(f"`momentum` (={self.momentum!r}) must lie in [0, 1); try 0.9")
        check_not_negative("weight_decay", self.weight_decay)
