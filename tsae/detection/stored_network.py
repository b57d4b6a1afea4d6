"""Networks from a model file: executed by ONNX Runtime, or by torch where that or the graph is missing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tsae.detection.judge import Judge
from tsae.nn.options import NetworkOptions

if TYPE_CHECKING:
    from tsae.detection.torch_network import TorchNetwork
    from tsae.nn.autoencoder import AutoEncoder

__all__ = ["StoredNetwork"]

Array = NDArray[np.float32]
_WINDOWS_AT_ONCE = 128  # more of them leave the processor's cache
_logger = logging.getLogger(__name__)


class StoredNetwork:
    """A fitted autoencoder as it stands in a model file. See `tsae.detection.models.Network`.

    Parameters
    ----------
    options
        What the network was built from.
    shape
        Of its windows, `(window_size, n_channels)`.
    state
        Its arrays.
    graph
        Windows → rebuilt windows as an ONNX model.
    """

    def __init__(
        self, options: NetworkOptions, shape: tuple[int, int], state: Mapping[str, Array], graph: bytes | None
    ) -> None:
        self._options, self._shape, self._state, self._graph = options, shape, state, graph

    @property
    def n_linear(self) -> int:
        components = self._state.get("linear_path.components")
        return 0 if components is None else len(components)

    def __call__(self, windows: Array) -> Array:
        return self._rebuild(windows)

    def encode(self, windows: Array) -> Array:
        return self._torch.encode(windows)

    def decode(self, codes: Array) -> Array:
        return self._torch.decode(codes)

    def judged(self, windows: Array, judge: Judge) -> Array:
        return self._torch.judged(windows, judge)

    def each_block_hidden(self, centred: Array, left: Array, block: int) -> Array:
        predicted = np.empty_like(left)
        first = centred.shape[1] - left.shape[1]
        seen = np.concatenate([centred, np.zeros((*centred.shape[:2], 1), np.float32)], axis=2)
        for start in range(first, centred.shape[1], block):
            steps, own = slice(start, start + block), slice(start - first, start - first + block)
            seen[:, steps, :-1] -= left[:, own]
            seen[:, steps, -1] = 1
            predicted[:, own] = self._rebuild(seen)[:, steps, :-1]
            seen[:, steps, :-1] = centred[:, steps]
            seen[:, steps, -1] = 0
        return predicted

    @property
    def module(self) -> AutoEncoder:
        """The network as torch knows it, not to be trained."""
        return self._torch.module

    def state(self) -> Mapping[str, Array]:
        return self._state

    def graph(self) -> bytes | None:
        return self._graph

    @cached_property
    def _rebuild(self) -> Callable[[Array], Array]:
        """What executes the network."""
        if self._graph is None:
            _logger.info("the model file carries no inference graph; torch executes it")
            return self._torch
        try:
            import onnxruntime
        except ImportError:
            _logger.info("onnxruntime is not installed (pip install onnxruntime); torch executes the model")
            return self._torch
        return _Session(onnxruntime, self._graph)

    @cached_property
    def _torch(self) -> TorchNetwork:
        import torch

        from tsae.detection.torch_network import TorchNetwork, rebuild_autoencoder

        state = {name: torch.from_numpy(array) for name, array in self._state.items()}
        with torch.random.fork_rng(devices=[]):
            return TorchNetwork(rebuild_autoencoder(self._options, self._shape, state), self._shape)

    def __getstate__(self) -> dict[str, Any]:
        """What is copied or pickled: not what executes it."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_rebuild", "_torch")}


class _Session:
    """An ONNX model in one thread: windows are small, and threads that wait for each other cost more than they do."""

    def __init__(self, onnxruntime: Any, graph: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def __call__(self, windows: Array) -> Array:
        parts = [
            self._run(windows[first : first + _WINDOWS_AT_ONCE]) for first in range(0, len(windows), _WINDOWS_AT_ONCE)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _run(self, windows: Array) -> Array:
        rebuilt: Array = self._session.run(None, {"windows": windows})[0]
        return rebuilt
