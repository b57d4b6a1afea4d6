"""Networks from a model file: executed by ONNX Runtime, or by torch where that or the graph is missing."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tsae.networks.criterion import Criterion
from tsae.networks.network import BATCH, Graph, singly
from tsae.nn.options import NetworkSpec

if TYPE_CHECKING:
    from tsae.networks.torch_network import TorchNetwork
    from tsae.nn.autoencoder import AutoEncoder

__all__ = ["StoredNetwork"]

Array = NDArray[np.float32]
_WINDOWS_AT_ONCE = 128  # more of them leave the processor's cache
_logger = logging.getLogger(__name__)


class StoredNetwork:
    """A fitted autoencoder as it stands in a model file. See `tsae.scoring.window_models.Network`.

    Parameters
    ----------
    options
        What the network was built from.
    shape
        Of its windows, `(window_size, n_channels)`.
    state
        Its arrays.
    graphs
        What it does, see `tsae.networks.graph`; without them torch executes it.
    block
        Rows a hidden block of a masked autoencoder.
    """

    def __init__(
        self,
        options: NetworkSpec,
        shape: tuple[int, int],
        state: Mapping[str, Array],
        graphs: Mapping[str, Graph],
        block: int | None = None,
    ) -> None:
        self._options, self._shape, self._state, self._graphs = options, shape, state, graphs
        self._block = block

    @property
    def n_linear(self) -> int:
        components = self._state.get("linear_path.components")
        return 0 if components is None else len(components)

    def __call__(self, windows: Array) -> Array:
        rebuild = self._sessions.get("rebuild")
        return self._torch(windows) if rebuild is None else rebuild(windows=windows)

    def encode(self, windows: Array) -> Array:
        return self._torch.encode(windows)

    def decode(self, codes: Array) -> Array:
        return self._torch.decode(codes)

    def entry_errors(self, windows: Array, criterion: Criterion) -> Array:
        return self._torch.entry_errors(windows, criterion)

    def each_block_hidden(self, centred: Array, left: Array) -> Array:
        n_own, n_steps = left.shape[1], centred.shape[1]
        hide = self._sessions.get(self._hiding(n_own))
        if hide is None:
            return self._torch.each_block_hidden(centred, left)
        if n_own in (self._block, n_steps):
            return hide(centred=centred, left=left)
        padded = np.pad(left, ((0, 0), (n_steps - n_own, 0), (0, 0)))  # only the blocks that were asked for are right
        return hide(centred=centred, left=padded)[:, n_steps - n_own :]

    def one_by_one(self, n_own: int | None = None) -> Callable[..., Array]:
        session = self._sessions.get("rebuild" if n_own is None else self._hiding(n_own))
        if session is None:
            return self._torch.one_by_one(n_own)
        if n_own in (None, self._block, self._shape[0]):
            return session.one_by_one()
        return singly(self.each_block_hidden)

    @property
    def module(self) -> AutoEncoder:
        """The network as torch knows it, not to be trained."""
        return self._torch.module

    def session(self, name: str) -> Any:
        """The ONNX Runtime session of a graph."""
        return self._sessions[name].session

    def state(self) -> Mapping[str, Array]:
        return self._state

    def graphs(self) -> Mapping[str, Graph]:
        return self._graphs

    def _hiding(self, n_own: int) -> str:
        """The graph that hides the blocks of so many last rows."""
        return "hide_last" if n_own == self._block else "hide_all"

    @cached_property
    def _sessions(self) -> Mapping[str, _Session]:
        """What executes the graphs; nothing if that is not possible."""
        if not self._graphs:
            _logger.info("the model file carries no inference graph; torch executes it")
            return {}
        try:
            import onnxruntime
        except ImportError:
            told = "onnxruntime is not installed; torch executes the model, more slowly: pip install onnxruntime"
            warnings.warn(told, UserWarning, stacklevel=2)
            return {}
        return {name: _Session(onnxruntime, graph, self._state) for name, graph in self._graphs.items()}

    @cached_property
    def _torch(self) -> TorchNetwork:
        import torch

        from tsae.networks.torch_network import TorchNetwork, rebuild_autoencoder

        state = {name: torch.from_numpy(array) for name, array in self._state.items()}
        with torch.random.fork_rng(devices=[]):
            return TorchNetwork(rebuild_autoencoder(self._options, self._shape, state), self._shape, self._block)

    def __getstate__(self) -> dict[str, Any]:
        """What is copied or pickled: not what executes it."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_sessions", "_torch")}


class _Session:
    """An ONNX model in one thread: windows are small, and threads that wait for each other cost more than they do."""

    def __init__(self, onnxruntime: Any, graph: Graph, state: Mapping[str, Array]) -> None:
        self._onnxruntime, self._graph = onnxruntime, graph
        # They must outlive the session.
        self._arrays = [onnxruntime.OrtValue.ortvalue_from_numpy(state[name]) for name in graph.arrays]
        self.session = self._made()

    def __call__(self, **inputs: Array) -> Array:
        n_windows = len(next(iter(inputs.values())))
        parts: list[Array] = [
            self.session.run(None, {name: array[first : first + _WINDOWS_AT_ONCE] for name, array in inputs.items()})[0]
            for first in range(0, n_windows, _WINDOWS_AT_ONCE)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def one_by_one(self) -> Callable[..., Array]:
        """What takes one window of each input and returns what is found, in memory that was bound to it once."""
        session = self._made(n_windows=1)
        binding = session.io_binding()

        def bound(node: Any, bind: Callable[[str, Any], None]) -> Array:
            array = np.zeros(node.shape, dtype=np.float32)
            bind(node.name, self._onnxruntime.OrtValue.ortvalue_from_numpy(array))
            found: Array = array[0]
            return found

        taken = [bound(node, binding.bind_ortvalue_input) for node in session.get_inputs()]
        found = bound(session.get_outputs()[0], binding.bind_ortvalue_output)
        run = session.run_with_iobinding

        def one(*inputs: Array) -> Array:
            for array, given in zip(taken, inputs, strict=True):
                array[...] = given
            run(binding)
            return found

        return one

    def _made(self, n_windows: int | None = None) -> Any:
        """A session, for any number of windows or for this one, so that what depends on it is worked out beforehand."""
        options = self._onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        if n_windows is not None:
            options.add_free_dimension_override_by_name(BATCH, n_windows)
        options.add_external_initializers([f"network.{name}" for name in self._graph.arrays], self._arrays)
        return self._onnxruntime.InferenceSession(self._graph.model, options, providers=["CPUExecutionProvider"])
