"""What a detector asks of a network: the errors of windows, and what was expected instead."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from tsae.detection.judge import Judge
from tsae.nn.autoencoder import AutoEncoder, Reconstruction
from tsae.nn.build import build_autoencoder
from tsae.nn.linear import LinearPath
from tsae.nn.masked import BlockPredictor, MaskedAutoEncoder
from tsae.nn.options import NetworkOptions

__all__ = ["MaskedModel", "ReconstructionModel", "WindowModel", "block_of", "rebuild_autoencoder", "rebuild_model"]

_LINEAR_PARTS = ("centre", "operator", "variance")


class WindowModel(Protocol):
    """Anything that judges windows `(batch, window_size, n_channels)`, scaled, without NaN."""

    @property
    def module(self) -> nn.Module:
        """The network whose state is kept in the model file."""

    def errors(self, windows: Tensor, *, n_last: int | None = None) -> Tensor:
        """Squared errors, of all steps or of the last `n_last` ones: `(batch, steps, n_channels)`."""

    def reconstruct(self, windows: Tensor) -> Tensor:
        """Expected values, shaped like `windows`."""


class ReconstructionModel:
    """Judges a window by how far it is from what the autoencoder makes of it.

    Parameters
    ----------
    network
        The autoencoder.
    judge
        What makes an entry anomalous; `None` takes the squared difference.
    lowest
        Subtracted from every channel's errors, `(n_channels,)`; of likelihoods, which have no natural zero.
    """

    def __init__(self, network: AutoEncoder, judge: Judge | None = None, lowest: Tensor | None = None) -> None:
        self.module = network.eval().requires_grad_(False)
        self.judge = Judge() if judge is None else judge
        self.lowest = lowest

    @torch.inference_mode()
    def errors(self, windows: Tensor, *, n_last: int | None = None) -> Tensor:
        """Errors of the entries, none negative: squared differences unless the judge goes by likelihoods."""
        steps = slice(0 if n_last is None else windows.shape[1] - n_last, None)
        if self.judge.kind == "error":
            return (self.reconstruct(windows)[:, steps] - windows[:, steps]).square_()
        errors = self.judge.entry_errors(self.module, windows)[:, steps]
        return errors if self.lowest is None else (errors - self.lowest).clamp_(min=0)

    @torch.inference_mode()
    def reconstruct(self, windows: Tensor) -> Tensor:
        """Reconstructions, shaped like `windows`."""
        reconstruction: Reconstruction = self.module(windows)
        return reconstruction.mean

    @torch.inference_mode()
    def encode(self, windows: Tensor) -> Tensor:
        """Codes `(batch, latent_dim)`, those of the linear path first."""
        return self.module.encode(windows)

    @torch.inference_mode()
    def decode(self, codes: Tensor) -> Tensor:
        """Windows `(batch, window_size, n_channels)` of codes `(batch, latent_dim)`."""
        return self.module.decode(codes)


class MaskedModel:
    """Judges every block of a window by the squared difference to what the rest of the window predicts."""

    def __init__(self, network: MaskedAutoEncoder) -> None:
        self.module = network.eval().requires_grad_(False)

    @torch.inference_mode()
    def errors(self, windows: Tensor, *, n_last: int | None = None) -> Tensor:
        """Squared differences between blocks and their predictions."""
        steps = slice(0 if n_last is None else windows.shape[1] - n_last, None)
        return self.module.residuals(windows, n_last=n_last)[:, steps].square()

    @torch.inference_mode()
    def reconstruct(self, windows: Tensor) -> Tensor:
        """What the rest of the window predicts for each block, shaped like `windows`."""
        return windows - self.module.residuals(windows)


def block_of(model: WindowModel) -> int | None:
    """Rows a hidden block of a masked model, `None` for others."""
    return model.module.linear.block if isinstance(model, MaskedModel) else None


def rebuild_model(
    options: NetworkOptions,
    shape: tuple[int, int],
    state: dict[str, Tensor],
    *,
    block: int | None,
    judge: Judge | None = None,
    lowest: Tensor | None = None,
) -> WindowModel:
    """The model whose module had this state; `shape` is `(window_size, n_channels)`."""
    with torch.random.fork_rng(devices=[]):
        if block is not None:
            linear = BlockPredictor(*(state[f"linear.{name}"] for name in _LINEAR_PARTS), block=block)
            has_network = any(name.startswith("network.") for name in state)
            inner = build_autoencoder(options, (shape[0], shape[1] + 1)) if has_network else None
            masked = MaskedAutoEncoder(linear, inner)
            masked.load_state_dict(state)
            return MaskedModel(masked)
        return ReconstructionModel(rebuild_autoencoder(options, shape, state), judge, lowest)


def rebuild_autoencoder(options: NetworkOptions, shape: tuple[int, ...], state: dict[str, Tensor]) -> AutoEncoder:
    """The autoencoder that had this state; `shape` is that of one input. Draws from torch's global generator."""
    path = None
    if "linear_path.components" in state:
        path = LinearPath(state["linear_path.components"], state["linear_path.centre"], input_shape=shape)
    network = build_autoencoder(options, shape, linear_path=path)
    network.load_state_dict(state)
    return network
