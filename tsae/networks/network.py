"""What is asked of a fitted network, whatever executes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tsae.networks.criterion import Criterion

__all__ = ["BATCH", "Graph", "Network", "singly"]

Array = NDArray[np.float32]
BATCH = "batch"
"""What graphs call the number of windows that they are given."""


@dataclass(frozen=True)
class Graph:
    """What a network does, as an ONNX model that takes arrays from the network's state by their names."""

    model: bytes
    arrays: tuple[str, ...]
    """Names of the arrays of the state that it takes."""


class Network(Protocol):
    """A fitted autoencoder, whatever executes it. Windows are float32 `(batch, window_size, n_channels)`."""

    @property
    def n_linear(self) -> int:
        """How many leading coordinates of a code belong to the linear path."""

    def __call__(self, windows: Array) -> Array:
        """Rebuild windows."""

    def encode(self, windows: Array) -> Array:
        """Codes `(batch, n_linear + latent_dim)`, those of the linear path first."""

    def decode(self, codes: Array) -> Array:
        """Windows of codes."""

    def entry_errors(self, windows: Array, criterion: Criterion) -> Array:
        """How unusual every entry of the windows is, shaped like them; see `tsae.networks.entry_errors`."""

    def each_block_hidden(self, centred: Array, left: Array) -> Array:
        """Predictions of a masked autoencoder's network; see `tsae.nn.masked.hide_each_block`."""

    def one_by_one(self, n_own: int | None = None) -> Callable[..., Array]:
        """A function that rebuilds single windows, without the axis of the batch, for less than a batch of one costs.

        With `n_own` it does instead what `each_block_hidden` does, for so many last rows. What it returns may be
        written to, and is overwritten by the next call.
        """

    def state(self) -> Mapping[str, Array]:
        """The arrays that a model file keeps of it."""

    def graphs(self) -> Mapping[str, Graph]:
        """Graphs by name: "rebuild", or "hide_all" and "hide_last" of a masked one; none if they cannot be made."""


def singly(many: Callable[..., Array]) -> Callable[..., Array]:
    """What takes inputs without the axis of the batch where `many` takes them with it."""

    def single(*inputs: Array) -> Array:
        found: Array = many(*(each[None] for each in inputs))[0]
        return found

    return single
