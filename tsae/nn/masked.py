"""Masked blocks: hide a block of time steps and predict it from the rest of the window.

The linear part has a closed form: for a Gaussian with precision P, a hidden block j differs from its conditional mean
by `(P_jj)⁻¹ (P (x − μ))_j`. A network, if there is one, predicts what the linear part leaves.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from tsae.nn.autoencoder import AutoEncoder
from tsae.nn.dense import DenseDecoder, DenseEncoder, linear_by_group
from tsae.nn.linear import moments

__all__ = ["BlockPredictor", "MaskedAutoEncoder", "fit_block_predictor", "hide_each_block"]


class BlockPredictor(nn.Module):
    """Linear prediction of every block of a window from all other blocks; `block` time steps each divide the window."""

    centre: Tensor
    """Mean window, flat `(n_features,)`, `n_features = window_size · n_channels`."""
    operator: Tensor
    """`(n_features, n_features)`; maps a centred window to the residuals of all its blocks, each hidden in turn."""
    variance: Tensor
    """Residual variance of every channel, `(n_channels,)`."""

    def __init__(self, centre: Tensor, operator: Tensor, variance: Tensor, *, block: int) -> None:
        super().__init__()
        self.register_buffer("centre", centre)
        self.register_buffer("operator", operator)
        self.register_buffer("variance", variance)
        self.block = block

    def forward(self, windows: Tensor) -> Tensor:
        """Windows `(batch, time, channels)` → actual minus predicted values, same shape."""
        return ((windows.flatten(1) - self.centre) @ self.operator.T).view(windows.shape)

    def of_blocks(self, centred: Tensor, chosen: Tensor) -> Tensor:
        """Return the part of `forward` for the blocks `chosen` `(batch,)`, `(batch, block, channels)`.

        Takes windows `(batch, time, channels)` from which the mean window is already subtracted.
        """
        width = self.block * centred.shape[2]
        rows = self.operator.view(-1, width, len(self.centre))
        return linear_by_group(centred.flatten(1), chosen, rows).view(-1, self.block, centred.shape[2])


def fit_block_predictor(
    batches: Iterable[Tensor], n_channels: int, *, block: int, ridge: float = 0.01
) -> BlockPredictor:
    """Fit to windows that come in batches, `(n, time, n_channels)` or flat.

    `ridge` is added to the covariance, as a share of the mean variance.
    """
    centre, covariance = moments(windows.flatten(1) for windows in batches)
    n_features = len(centre)
    covariance.diagonal().add_(ridge * covariance.diagonal().mean().clamp_min(1e-6))
    torch.linalg.cholesky(covariance, out=covariance)
    torch.cholesky_inverse(covariance, out=covariance)  # in place: for wide tables nothing here is larger
    precision = covariance.float()
    del covariance
    width = block * n_channels
    rows = precision.view(n_features // width, width, n_features)
    conditional = torch.linalg.inv(
        torch.stack([rows[j][:, j * width : (j + 1) * width] for j in range(len(rows))])
    )  # covariance of each block given the rest, (n_blocks, width, width)
    operator = (conditional @ rows).view(n_features, n_features)
    variance = conditional.diagonal(dim1=1, dim2=2).reshape(-1, n_channels).mean(0).clamp_min(1e-9)
    return BlockPredictor(centre.float(), operator, variance, block=block)


class MaskedAutoEncoder(nn.Module):
    """Predict hidden blocks: linearly, and with a network for the rest, unless it is `None`.

    The network is an autoencoder of windows `(batch, time, channels + 1)` whose last channel marks the hidden steps.
    """

    def __init__(self, linear: BlockPredictor, network: AutoEncoder | None = None) -> None:
        super().__init__()
        self.linear = linear
        self.network = network

    def block_residuals(self, windows: Tensor, chosen: Tensor, *, noise: float = 0.0) -> Tensor:
        """Actual minus predicted values of one hidden block a window, `(batch, block, channels)`.

        `chosen` `(batch,)` is the number of the hidden block. `noise` is the standard deviation of what is added to
        the rest of the window that the network sees.
        """
        block = self.linear.block
        centred = windows - self.linear.centre.view(windows.shape[1:])
        left = self.linear.of_blocks(centred, chosen)
        if self.network is None:
            return left
        rest = centred + noise * torch.randn_like(centred) if noise else centred
        seen = functional.pad(rest, (0, 1))
        blocks = seen.view(len(seen), -1, block, seen.shape[2])
        rows = torch.arange(len(windows), device=windows.device)
        blocks[rows, chosen, :, :-1] = centred.reshape(*blocks.shape[:3], -1)[rows, chosen] - left
        blocks[rows, chosen, :, -1] = 1
        code, decoder = self.network.latent(seen).code, self.network.decoder
        if isinstance(decoder, DenseDecoder):
            predicted = decoder.blocks(code, chosen, block)
        else:
            predicted = decoder(code).reshape(blocks.shape)[rows, chosen]
        return left - predicted[..., :-1]


def hide_each_block(network: AutoEncoder, centred: Tensor, left: Tensor, *, block: int) -> Tensor:
    """Return the predictions of a masked autoencoder's network for `left`, each block hidden in turn.

    `centred` holds windows `(batch, time, channels)` minus the mean window, `left` `(batch, steps, channels)` the
    linear residuals of their last steps, a whole number of blocks; the result is shaped like `left`. Windows that
    differ in one block only differ little after a dense first layer, so that it is worked out once and corrected
    for each block, and the last layer only rebuilds the hidden block.
    """
    encoder, decoder = network.encoder, network.decoder
    if not (isinstance(encoder, DenseEncoder) and isinstance(decoder, DenseDecoder) and len(encoder.layers) > 1):
        return _each_block_whole(network, centred, left, block)
    n_steps, n_channels, n_blocks = map(int, (*centred.shape[1:], left.shape[1] // block))  # constants of a graph
    layer = cast(nn.Linear, encoder.layers[1])
    weight = layer.weight.view(-1, n_steps, n_channels + 1)
    shared = functional.linear(centred.flatten(1), weight[:, :, :-1].flatten(1), layer.bias)
    of_blocks = weight.view(len(weight), -1, block, n_channels + 1).permute(1, 2, 3, 0)
    told = shared + of_blocks[-n_blocks:, :, -1].sum(1).unsqueeze(1)  # the mask's share added, (n_blocks, batch, n_out)
    blocks = left.reshape(-1, n_blocks, block * n_channels).transpose(0, 1)
    hidden = torch.baddbmm(told, blocks, of_blocks[:, :, :-1].flatten(1, 2)[-n_blocks:], alpha=-1)
    code = network.bottleneck(encoder.layers[2:](hidden.flatten(0, 1))).code
    found = decoder.last_blocks(code, n_blocks, block)[..., :-1]
    return found.transpose(0, 1).reshape(-1, n_blocks * block, n_channels)


def _each_block_whole(network: AutoEncoder, centred: Tensor, left: Tensor, block: int) -> Tensor:
    """Predict with any network, which sees as many windows as there are hidden blocks."""
    n_steps, n_own = int(centred.shape[1]), int(left.shape[1])
    own = torch.eye(n_steps // block).repeat_interleave(block, dim=1)[-(n_own // block) :]
    padded = functional.pad(left, (0, 0, n_steps - n_own, 0))
    hidden = own[:, None, :, None].expand(-1, centred.shape[0], -1, 1)
    seen = torch.cat([centred - padded * hidden, hidden], dim=3)
    found = network(seen.flatten(0, 1)).mean.view(seen.shape)[..., :-1]
    return cast(Tensor, (found * hidden).sum(0)[:, n_steps - n_own :])
