"""What comes before the networks and what they do not see, written in torch so that it can be traced."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tsae.scoring.formula import Formula
from tsae.scoring.switches import SwitchHabits, SwitchModel
from tsae.series.channels import CLIP, ChannelScaler

__all__ = ["ConstantGraph", "Rows", "ScalingGraph", "SwitchGraph", "as_tensor", "longest_stay"]

_MOST_ROWS = 1000  # that an input is made longer for, so that a long stay of a switch shows


class Rows(NamedTuple):
    """Rows of a batch on their way through the graph, each `(batch, n_rows, n_channels)`."""

    values: Tensor
    """Scaled, 0 where missing."""
    filled: Tensor
    """Scaled, the last observed value where missing."""
    observed: Tensor

    def of(self, channels: Tensor) -> Rows:
        """Some of the channels."""
        return Rows(*(part.index_select(2, channels) for part in self))


def as_tensor(array: object) -> Tensor:
    """A constant of the graph, float32 (or an index, int64)."""
    tensor = torch.as_tensor(np.asarray(array))
    return tensor.float() if tensor.is_floating_point() else tensor.long()


def forward_filled(values: Tensor, known: Tensor) -> Tensor:
    """The last known value of each channel, 0 before the first; `(batch, n_rows, n_channels)` each.

    In steps of 1, 2, 4, … rows, because ONNX has no running maximum.
    """
    step = 1
    while step < values.shape[1]:
        earlier = [torch.cat([torch.zeros_like(part[:, :step]), part[:, :-step]], dim=1) for part in (values, known)]
        values = torch.where(known, values, earlier[0])
        known = known | earlier[1]
        step *= 2
    return values


class ScalingGraph:
    """Rows in the sensors' units, float64, NaN where missing → `Rows` of all channels."""

    def __init__(self, scaler: ChannelScaler) -> None:
        self.mean = torch.as_tensor(scaler.mean)
        self.scale = torch.as_tensor(scaler.scale)

    def __call__(self, rows: Tensor) -> Rows:
        observed = ~torch.isnan(rows)
        scaled = torch.where(observed, (rows - self.mean) / self.scale, torch.zeros_like(rows))
        values = scaled.clamp(-CLIP, CLIP).float()
        return Rows(values, forward_filled(values, observed), observed)


class ConstantGraph:
    """Errors of the constant channels in the last rows; see `tsae.scoring.inputs.ConstantWatch`."""

    def __init__(self, memory: int, n_rows: int, n_last: int) -> None:
        ends = torch.arange(n_rows - n_last, n_rows)
        self.places = ends[:, None] + torch.arange(1 - memory, 1)
        self.n_last = n_last

    def __call__(self, rows: Rows) -> Tensor:
        """`(batch, n_last, n_constant)`, 0 where missing."""
        values, observed = rows.values[:, self.places], rows.observed[:, self.places]
        ranked = torch.where(observed, values, torch.full_like(values, math.inf)).sort(dim=2).values
        n_known = observed.long().sum(dim=2, keepdim=True)
        low, high = (n_known - 1).clamp_min(0) // 2, n_known.clamp_min(1) // 2
        middle = (ranked.gather(2, low) + ranked.gather(2, high)).squeeze(2) / 2
        now, seen = values[:, :, -1], observed[:, :, -1]
        return torch.where(seen, (now - middle).square(), torch.zeros_like(now))


class SwitchGraph:
    """How far switches surprise in the last row; see `tsae.scoring.switches.SwitchWatch`."""

    def __init__(self, model: SwitchModel, formula: Formula, n_rows: int) -> None:
        self.n_rows, self.formula, self.memory = n_rows, formula, formula.switch_memory
        ends = torch.arange(n_rows - self.memory, n_rows)
        self.places = ends[:, None] + torch.arange(1 - self.memory, 1)
        self.weights, self.bias, self.worst = map(as_tensor, (model.weights, model.bias, model.worst))
        habits = model.habits
        self.longest, self.spread = as_tensor(habits.longest), as_tensor(habits.spread)
        self.most_changes = as_tensor(habits.most_changes)

    def __call__(self, analog: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """Errors `(batch, n_switches)`, NaN where missing, and the term in nats `(batch,)`.

        Takes the filled analog channels and the switches' values as they came, both of all rows.
        """
        known = ~torch.isnan(raw)
        values = torch.where(known, raw, torch.zeros_like(raw)).float()
        surprise = self._surprise(analog.clamp(-self.formula.switch_clip, self.formula.switch_clip), values, known)
        unusual = self._unusual(values > 0.5, known)
        total = torch.maximum(surprise, torch.where(unusual > 0, self.worst + unusual, torch.zeros_like(unusual)))
        now = known[:, -1]
        beyond = torch.where(now, total - self.worst, torch.zeros_like(total))
        errors = torch.where(now, total / self.worst, torch.full_like(total, math.nan))
        return errors, beyond.amax(dim=1).clamp_min(0)

    def _surprise(self, analog: Tensor, values: Tensor, known: Tensor) -> Tensor:
        """In nats, averaged over the last rows."""
        means = analog[:, self.places].mean(dim=2)
        states = torch.where(known, values.clamp(0, 1), torch.full_like(values, 0.5))[:, -self.memory :]
        features = torch.cat([analog[:, -self.memory :], means, states], dim=2)
        most = self.formula.most_logit
        on = torch.sigmoid((features @ self.weights.T + self.bias).clamp(-most, most))
        of_state = torch.where(states > 0.5, on, 1 - on).clamp_min(self.formula.least_probability)
        weights = known[:, -self.memory :].float()
        return -(of_state.log() * weights).sum(dim=1) / weights.sum(dim=1).clamp_min(1)

    def _unusual(self, on: Tensor, known: Tensor) -> Tensor:
        """Nats by which the stay in the present state, or the number of changes, is out of the ordinary."""
        state = forward_filled(on.float(), known) > 0.5
        changed = (state[:, 1:] != state[:, :-1]).float()
        numbers = torch.arange(1, self.n_rows, dtype=changed.dtype)[:, None]
        stay = self.n_rows - (changed * numbers).amax(dim=1)
        now = state[:, -1]
        longest, spread = (torch.where(now, part[:, 1], part[:, 0]) for part in (self.longest, self.spread))
        too_long = (stay / longest).clamp_min(1).log() / spread
        changes = changed[:, -self.memory :].sum(dim=1)
        too_often = (changes / self.most_changes).clamp_min(1).log() / self.formula.rate_spread
        return torch.maximum(too_long, too_often).clamp_max(self.formula.most_unusual)


def longest_stay(habits: SwitchHabits, formula: Formula) -> int:
    """Rows after which a longer stay in any state changes nothing more, at most 1,000; 0 if stays do not count."""
    known = np.isfinite(habits.longest)
    if not known.any():
        return 0
    rows = habits.longest[known] * np.exp(np.minimum(formula.most_unusual * habits.spread[known], 700.0))
    return min(_MOST_ROWS, math.ceil(float(rows.max())) + 1)
