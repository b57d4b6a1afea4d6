"""What a detector asks of a network: the errors of windows, and what was expected instead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from tsae.networks.criterion import Criterion
from tsae.networks.network import Network, singly

__all__ = [
    "LinearBlocks",
    "MaskedModel",
    "ReconstructionModel",
    "WindowModel",
    "block_of",
]

Array = NDArray[np.float32]
_LINEAR = "linear."
_NETWORK = "network."


class WindowModel(Protocol):
    """Anything that judges windows `(batch, window_size, n_channels)`, scaled, float32, without NaN."""

    @property
    def network(self) -> Network | None:
        """The network behind it, if there is one."""

    def errors(self, windows: Array, *, n_last: int | None = None) -> Array:
        """Squared errors, of all steps or of the last `n_last` ones: `(batch, steps, n_channels)`."""

    def one_by_one(self, n_last: int | None = None) -> Callable[[Array], Array]:
        """A function that gives the errors `(steps, n_channels)` of single windows `(window_size, n_channels)`.

        They equal those of `errors` to rounding, for less than a batch of one costs, and are overwritten by the next
        call.
        """

    def reconstruct(self, windows: Array) -> Array:
        """Expected values, shaped like `windows`."""

    def state(self) -> dict[str, Array]:
        """The arrays that a model file keeps of it."""


class ReconstructionModel:
    """Judges a window by how far it is from what the autoencoder makes of it.

    Parameters
    ----------
    network
        The autoencoder.
    criterion
        What makes an entry anomalous; `None` takes the squared difference.
    lowest
        Subtracted from every channel's errors, `(n_channels,)`; of likelihoods, which have no natural zero.
    """

    def __init__(self, network: Network, criterion: Criterion | None = None, lowest: Array | None = None) -> None:
        self._network = network
        self.criterion = Criterion() if criterion is None else criterion
        self.lowest = lowest

    @property
    def network(self) -> Network:
        """The autoencoder."""
        return self._network

    def errors(self, windows: Array, *, n_last: int | None = None) -> Array:
        """Errors of the entries, none negative: squared differences unless the criterion goes by something else."""
        steps = slice(0 if n_last is None else windows.shape[1] - n_last, None)
        if self.criterion.kind == "error":
            errors = self._network(windows)[:, steps]
            errors -= windows[:, steps]
            return np.square(errors, out=errors)
        errors = self._network.entry_errors(windows, self.criterion)[:, steps]
        return errors if self.lowest is None else np.maximum(errors - self.lowest, 0.0)

    def one_by_one(self, n_last: int | None = None) -> Callable[[Array], Array]:
        if self.criterion.kind != "error":
            return singly(partial(self.errors, n_last=n_last))
        rebuilt, steps = self._network.one_by_one(), slice(None if n_last is None else -n_last, None)

        def errors(window: Array) -> Array:
            found = rebuilt(window)[steps]
            found -= window[steps]
            found *= found
            return found

        return errors

    def reconstruct(self, windows: Array) -> Array:
        """Reconstructions, shaped like `windows`."""
        return self._network(windows)

    def state(self) -> dict[str, Array]:
        """The network's arrays."""
        return dict(self._network.state())


@dataclass(frozen=True)
class LinearBlocks:
    """The closed-form part of a masked model (see `tsae.nn.masked.BlockPredictor`)."""

    centre: Array
    """Mean window, flat `(n_features,)`, `n_features = window_size · n_channels`."""
    operator: Array
    """`(n_features, n_features)`; maps a centred window to the residuals of all its blocks, each hidden in turn."""
    variance: Array
    """Residual variance of every channel, `(n_channels,)`."""
    block: int
    """Time steps a block; divides the window."""


class MaskedModel:
    """Judges every block of a window by the squared difference to what the rest of the window predicts.

    The network, if there is one, predicts what the linear part leaves; it sees a further channel that says which
    steps are hidden.
    """

    def __init__(self, linear: LinearBlocks, network: Network | None = None) -> None:
        self.linear = linear
        self._network = network

    @property
    def network(self) -> Network | None:
        """The network; `None` where the linear part is all."""
        return self._network

    def errors(self, windows: Array, *, n_last: int | None = None) -> Array:
        """Squared differences between blocks and their predictions."""
        residuals = self.residuals(windows, n_last=n_last)
        wanted = residuals if n_last is None else residuals[:, residuals.shape[1] - n_last :]
        return np.square(wanted, out=wanted)

    def one_by_one(self, n_last: int | None = None) -> Callable[[Array], Array]:
        n_channels = len(self.linear.variance)
        centre = self.linear.centre.reshape(-1, n_channels)
        first = self._first(len(centre), n_last)
        operator, n_own = self.linear.operator[first * n_channels :], len(centre) - first
        hidden = None if self._network is None else self._network.one_by_one(n_own)
        steps = slice(None if n_last is None else n_own - n_last, None)

        def errors(window: Array) -> Array:
            centred = window - centre
            left: Array = operator.dot(centred.ravel()).reshape(n_own, n_channels)
            if hidden is not None:
                left -= hidden(centred, left)
            found = left[steps]
            found *= found
            return found

        return errors

    def reconstruct(self, windows: Array) -> Array:
        """What the rest of the window predicts for each block, shaped like `windows`."""
        return windows - self.residuals(windows)

    def residuals(self, windows: Array, *, n_last: int | None = None) -> Array:
        """Actual minus predicted values, each block hidden in turn, shaped like `windows`.

        With `n_last` only those of the blocks that hold the last so many steps, `(batch, steps, n_channels)`.
        """
        n_windows, n_steps, n_channels = windows.shape
        first = self._first(n_steps, n_last)
        centred = windows - self.linear.centre.reshape(n_steps, n_channels)
        product = centred.reshape(n_windows, -1) @ self.linear.operator[first * n_channels :].T
        left = cast(Array, product.reshape(n_windows, -1, n_channels))
        if self._network is not None:
            left -= self._network.each_block_hidden(centred, left)
        return left

    def _first(self, n_steps: int, n_last: int | None) -> int:
        """Where the blocks begin that hold the last so many steps."""
        return 0 if n_last is None else (n_steps - n_last) // self.linear.block * self.linear.block

    def state(self) -> dict[str, Array]:
        """The arrays of the linear part and of the network."""
        linear = {f"{_LINEAR}{name}": getattr(self.linear, name) for name in ("centre", "operator", "variance")}
        inner = {} if self._network is None else self._network.state()
        return linear | {f"{_NETWORK}{name}": array for name, array in inner.items()}


def block_of(model: WindowModel) -> int | None:
    """Rows a hidden block of a masked model, `None` for others."""
    return model.linear.block if isinstance(model, MaskedModel) else None
