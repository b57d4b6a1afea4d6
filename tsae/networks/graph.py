"""An autoencoder as ONNX graphs, which take its arrays from its state."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from tsae.networks.network import BATCH, Graph
from tsae.nn.autoencoder import AutoEncoder
from tsae.nn.masked import hide_each_block

__all__ = ["graphs_of", "traced"]

_N_EXAMPLES = 3  # windows; any number above one keeps the batch free


class _Rebuild(nn.Module):
    """Windows → rebuilt windows."""

    def __init__(self, network: AutoEncoder) -> None:
        super().__init__()
        self.network = network

    def forward(self, windows: Tensor) -> Tensor:
        mean: Tensor = self.network(windows).mean
        return mean


class _HideBlocks(nn.Module):
    """Centred windows and what the linear part leaves of their last rows → predictions of the latter."""

    def __init__(self, network: AutoEncoder, block: int) -> None:
        super().__init__()
        self.network, self.block = network, block

    def forward(self, centred: Tensor, left: Tensor) -> Tensor:
        return hide_each_block(self.network, centred, left, block=self.block)


def graphs_of(network: AutoEncoder, shape: tuple[int, int], block: int | None) -> dict[str, Graph]:
    """Graphs for windows of this shape `(window_size, n_channels)`, with any number of them.

    "rebuild" of an autoencoder; of one that predicts hidden blocks of `block` rows "hide_all" and "hide_last". None,
    with a warning, if the package onnx is missing or an operation has no counterpart there.
    """
    try:
        if block is None:
            return {"rebuild": _exported(_Rebuild(network), {"windows": shape})}
        centred = (shape[0], shape[1] - 1)
        return {
            name: _exported(_HideBlocks(network, block), {"centred": centred, "left": (n_own, centred[1])})
            for name, n_own in (("hide_all", shape[0]), ("hide_last", block))
        }
    except (ImportError, torch.onnx.errors.OnnxExporterError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        warnings.warn(f"the model file will need torch to be scored with: {reason}", UserWarning, stacklevel=2)
        return {}


def _exported(module: nn.Module, shapes: dict[str, tuple[int, int]]) -> Graph:
    examples = {name: torch.zeros(_N_EXAMPLES, *shape) for name, shape in shapes.items()}
    model = traced(module, examples, ["found"])
    last = list(shapes.values())[-1]
    return _without_arrays(model, {name.removeprefix("network.") for name in module.state_dict()}, found_shape=last)


def traced(module: nn.Module, examples: Mapping[str, Tensor], outputs: Sequence[str]) -> bytes:
    """The ONNX model of a module that takes inputs shaped like `examples`, with any number of them in a batch.

    Raises
    ------
    ImportError
        If the package onnx is missing.
    torch.onnx.errors.OnnxExporterError
        If an operation has no counterpart there.
    """
    file = io.BytesIO()
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]), _plain_attention():
        warnings.simplefilter("ignore")  # the exporter's own future is nothing to tell a user about
        torch.onnx.export(
            module.eval(),
            tuple(examples.values()),
            file,  # type: ignore[arg-type]  # a buffer is taken too
            dynamo=False,
            do_constant_folding=False,  # it would copy arrays under names of its own; the runtime folds, too
            input_names=list(examples),
            output_names=list(outputs),
            dynamic_axes={name: {0: BATCH} for name in (*examples, *outputs)},
        )
    return file.getvalue()


def _without_arrays(model: bytes, names: set[str], *, found_shape: tuple[int, int]) -> Graph:
    """Point to the arrays of the state instead of holding them, and state the shape of what is found, which callers
    reserve memory for: the exporter does not always work it out.
    """
    import onnx

    proto = onnx.load_model_from_string(model)
    arrays = []
    for array in proto.graph.initializer:
        name = array.name.removeprefix("network.")
        if name in names:
            arrays.append(name)
            array.ClearField("raw_data")
            array.data_location = onnx.TensorProto.EXTERNAL
            array.external_data.add(key="location", value="state")
    for dimension, length in zip(proto.graph.output[0].type.tensor_type.shape.dim[1:], found_shape, strict=True):
        dimension.dim_value = length
    return Graph(proto.SerializeToString(), tuple(arrays))


@contextmanager
def _plain_attention() -> Iterator[None]:
    """Keep torch from its fused attention blocks, which no graph knows."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
