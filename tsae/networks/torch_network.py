"""Networks as torch executes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from tsae.errors import ModelFileError
from tsae.networks.criterion import Criterion
from tsae.networks.entry_errors import entry_errors
from tsae.networks.graph import graphs_of
from tsae.networks.network import Graph, singly
from tsae.nn.autoencoder import AutoEncoder, build_autoencoder
from tsae.nn.linear import LinearPath
from tsae.nn.masked import hide_each_block
from tsae.nn.options import NetworkSpec

__all__ = ["TorchNetwork", "rebuild_autoencoder"]

Array = NDArray[np.float32]
_WINDOWS_AT_ONCE = 256  # times the blocks of a window


class TorchNetwork:
    """A fitted autoencoder, executed by torch. See `tsae.networks.network.Network`.

    `shape` is that of its windows, `block` the rows a hidden block of a masked autoencoder.
    """

    def __init__(self, module: AutoEncoder, shape: tuple[int, int], block: int | None = None) -> None:
        self._shape, self._block = shape, block
        self.module = module.eval().requires_grad_(False)

    @property
    def n_linear(self) -> int:
        return self.module.n_linear

    @torch.inference_mode()
    def __call__(self, windows: Array) -> Array:
        return self.module(torch.from_numpy(np.ascontiguousarray(windows))).mean.numpy()  # type: ignore[no-any-return]

    @torch.inference_mode()
    def encode(self, windows: Array) -> Array:
        return self.module.encode(torch.from_numpy(windows)).numpy()

    @torch.inference_mode()
    def decode(self, codes: Array) -> Array:
        return self.module.decode(torch.from_numpy(codes)).numpy()

    @torch.inference_mode()
    def entry_errors(self, windows: Array, criterion: Criterion) -> Array:
        return entry_errors(criterion, self.module, torch.from_numpy(windows)).numpy()

    @torch.inference_mode()
    def each_block_hidden(self, centred: Array, left: Array) -> Array:
        block = cast(int, self._block)
        parts = zip(*(torch.split(torch.from_numpy(each), _WINDOWS_AT_ONCE) for each in (centred, left)), strict=True)
        return torch.cat([hide_each_block(self.module, *part, block=block) for part in parts]).numpy()

    def one_by_one(self, n_own: int | None = None) -> Callable[..., Array]:
        return singly(self if n_own is None else self.each_block_hidden)

    def state(self) -> dict[str, Array]:
        return {name: tensor.numpy() for name, tensor in self.module.state_dict().items()}

    def graphs(self) -> dict[str, Graph]:
        return graphs_of(self.module, self._shape, self._block)


def rebuild_autoencoder(options: NetworkSpec, shape: tuple[int, ...], state: dict[str, torch.Tensor]) -> AutoEncoder:
    """The autoencoder that had this state; `shape` is that of one input. Draws from torch's global generator.

    Raises
    ------
    ModelFileError
        If it was another version's, which built its networks otherwise.
    """
    path = None
    if "linear_path.components" in state:
        path = LinearPath(state["linear_path.components"], state["linear_path.centre"], input_shape=shape)
    network = build_autoencoder(options, shape, linear_path=path)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ModelFileError("the model's arrays fit no network of this version of tsae; fit again") from error
    return network
