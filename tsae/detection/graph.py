"""Networks as ONNX graphs."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from tsae.nn.autoencoder import AutoEncoder

__all__ = ["graph_of", "traced"]

_N_EXAMPLES = 3  # windows; any number above one keeps the batch free


@contextmanager
def _plain_attention() -> Iterator[None]:
    """Keep torch from its fused attention blocks, which no graph knows."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


class _Mean(nn.Module):
    def __init__(self, network: AutoEncoder) -> None:
        super().__init__()
        self.network = network

    def forward(self, windows: Tensor) -> Tensor:
        mean: Tensor = self.network(windows).mean
        return mean


def graph_of(network: AutoEncoder, shape: tuple[int, ...]) -> bytes | None:
    """The graph of a network for windows of this shape `(window_size, n_channels)`, with any number of them.

    `None`, with a warning, if the package onnx is missing or an operation has no counterpart there.
    """
    example = torch.zeros(_N_EXAMPLES, *shape)
    try:
        return traced(_Mean(network).eval(), example, inputs=["windows"], outputs=["expected"])
    except (ImportError, torch.onnx.errors.OnnxExporterError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        warnings.warn(f"the model file will need torch to be scored with: {reason}", UserWarning, stacklevel=2)
        return None


def traced(module: nn.Module, example: Tensor, *, inputs: Sequence[str], outputs: Sequence[str]) -> bytes:
    """The graph of a module that takes inputs shaped like `example`, with any number of them in a batch.

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
            module,
            (example,),
            file,  # type: ignore[arg-type]  # a buffer is taken too
            dynamo=False,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={name: {0: "batch"} for name in (*inputs, *outputs)},
        )
    return file.getvalue()
