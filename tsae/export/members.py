"""One member, written in torch so that it can be traced: windows of rows → errors → −log p."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor

from tsae.export.inputs import Rows, as_tensor
from tsae.networks.entry_errors import entry_errors
from tsae.networks.network import Network
from tsae.networks.stored_network import StoredNetwork
from tsae.networks.torch_network import TorchNetwork
from tsae.nn.autoencoder import AutoEncoder
from tsae.nn.masked import hide_each_block
from tsae.scoring.member import Member
from tsae.scoring.smoothing import LEAST_MASS
from tsae.scoring.tails import LogTail
from tsae.scoring.window_models import MaskedModel, ReconstructionModel

__all__ = ["MemberGraph"]


class MemberGraph:
    """A member's views of the last row and its errors; see `tsae.scoring.smoothing.Chains`.

    Parameters
    ----------
    n_rows
        Rows of an input.
    counts
        Whether the member makes the score; otherwise only the errors of the last row are worked out.
    """

    def __init__(self, member: Member, *, n_rows: int, counts: bool) -> None:
        self.n_ends = member.immediate.kernels.shape[1] if counts else 1
        self.counts = counts
        self.window_size, self.n_last = member.window_size, member.n_last
        ends = torch.arange(n_rows - self.n_ends, n_rows)
        self.places = ends[:, None] + torch.arange(1 - member.window_size, 1)
        self.levels = as_tensor(member.immediate.levels)
        self.errors = _window_errors(member)
        self.errors(torch.zeros(1, member.window_size, len(self.levels)))  # draws and masks are constants from here on
        self.kernels = as_tensor(member.immediate.kernels)
        self.tails = [_TailGraph(tail) for tail in member.immediate.tails] if counts else []

    def __call__(self, rows: Rows, apart: Tensor) -> tuple[Tensor, Tensor]:
        """Views `(batch, n_filters)`, NaN where nothing was observed, and relative errors `(batch, n_channels)`.

        `apart` are the summed errors of constant channels `(batch, n)` in the last n rows.
        """
        n_channels = rows.filled.shape[2]
        windows = rows.filled[:, self.places].reshape(-1, self.window_size, n_channels)
        errors = self.errors(windows).reshape(-1, self.n_ends, self.n_last, n_channels)
        seen = rows.observed[:, self.places[:, -self.n_last :]].float()
        n_seen = seen.sum(dim=2)
        relative = (errors * seen).sum(dim=2) / n_seen.clamp_min(1) / self.levels
        views = self._views(relative, n_seen > 0, apart[:, -self.n_ends :]) if self.counts else relative[:, :, 0]
        return views, relative[:, -1]

    def _views(self, relative: Tensor, known: Tensor, apart: Tensor) -> Tensor:
        count = known.float().sum(dim=2)
        mean = ((relative * known).sum(dim=2) + apart) / count.clamp_min(1)
        weight = ((count > 0) | (apart > 0)).float()
        views = []
        for kernel, tail in zip(self.kernels, self.tails, strict=True):
            weights = weight * kernel
            mass = weights.sum(dim=1)
            value = tail((mean * weights).sum(dim=1) / mass.clamp_min(LEAST_MASS))
            views.append(torch.where(mass > LEAST_MASS, value, torch.full_like(value, math.nan)))
        return torch.stack(views, dim=1)


class _TailGraph:
    """See `LogTail`."""

    def __init__(self, tail: LogTail) -> None:
        self.floor, self.excess = tail.floor, tail.excess
        knots, nats = (part[:-1] for part in tail.curve)  # what lies behind them is worked out, for float32's sake
        self.knots, self.nats = as_tensor(knots), as_tensor(nats)

    def __call__(self, scores: Tensor) -> Tensor:
        x = (scores.clamp_min(0) + self.floor).log()
        last = self.knots[-1]
        place = ((x[:, None] >= self.knots).long().sum(dim=1) - 1).clamp(0, len(self.knots) - 2)
        low, high = self.knots[place], self.knots[place + 1]
        share = ((x - low) / (high - low).clamp_min(1e-12)).clamp(0, 1)
        nats = self.nats[place] + share * (self.nats[place + 1] - self.nats[place])
        return (x - last).clamp_min(0) / self.excess + torch.where(x >= last, self.nats[-1], nats)


def _window_errors(member: Member) -> Callable[[Tensor], Tensor]:
    if isinstance(member.model, MaskedModel):
        return _MaskedErrors(member.model, member.n_last)
    return _RebuiltErrors(cast(ReconstructionModel, member.model), member.n_last)


class _RebuiltErrors:
    """Windows → errors of their last steps; see `ReconstructionModel.errors`."""

    def __init__(self, model: ReconstructionModel, n_last: int) -> None:
        self.network, self.criterion, self.n_last = _module_of(model.network), model.criterion, n_last
        self.lowest = None if model.lowest is None else as_tensor(model.lowest)

    def __call__(self, windows: Tensor) -> Tensor:
        errors = entry_errors(self.criterion, self.network, windows)[:, -self.n_last :]
        return errors if self.lowest is None else (errors - self.lowest).clamp_min(0)


class _MaskedErrors:
    """Windows → errors of their last steps, each block hidden in turn; see `MaskedModel.errors`."""

    def __init__(self, model: MaskedModel, n_last: int) -> None:
        linear = model.linear
        self.block, self.n_last = linear.block, n_last
        self.n_channels = len(linear.variance)
        self.n_steps = len(linear.centre) // self.n_channels
        self.first = (self.n_steps - n_last) // self.block * self.block
        self.centre = as_tensor(linear.centre)
        self.operator = as_tensor(linear.operator[self.first * self.n_channels :])
        self.network = None if model.network is None else _module_of(model.network)

    def __call__(self, windows: Tensor) -> Tensor:
        flat = windows.flatten(1) - self.centre
        left = (flat @ self.operator.T).reshape(-1, self.n_steps - self.first, self.n_channels)
        if self.network is not None:
            centred = flat.reshape(-1, self.n_steps, self.n_channels)
            left = left - hide_each_block(self.network, centred, left, block=self.block)
        return left[:, -self.n_last :].square()


def _module_of(network: Network) -> AutoEncoder:
    return cast(StoredNetwork | TorchNetwork, network).module
