"""The score of the last row, written in torch so that it can be traced; every number of it comes from the model.

What `StreamScorer(lag=0)` answers: rows → scaled and filled → errors of the members, of constant channels and of
switches → views → score. The arrays of the steps are explained in `tsae.scoring`, whose constants are used here too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from tsae.model.fitted import FittedModel
from tsae.networks.entry_errors import entry_errors
from tsae.networks.stored_network import StoredNetwork
from tsae.networks.torch_network import TorchNetwork
from tsae.nn.masked import hide_each_block
from tsae.scoring.combination import NEUTRAL_SCORE
from tsae.scoring.ensemble import Ensemble, Member
from tsae.scoring.formula import Formula
from tsae.scoring.smoothing import LEAST_MASS
from tsae.scoring.switches import SwitchHabits, SwitchModel
from tsae.scoring.tails import LogTail
from tsae.scoring.window_models import MaskedModel, ReconstructionModel

__all__ = ["ScoreGraph", "rows_needed"]

_LONGEST_STAY = 1000  # rows that an input is made longer for, so that a long stay of a switch shows
WindowErrors = Callable[[Tensor], Tensor]


def rows_needed(ensemble: Ensemble) -> int:
    """Rows that the score of the last one depends on, itself included."""
    averaged = [int(member.immediate.kernels.shape[1]) for member in ensemble.members]
    needed = [rows + member.window_size - 1 for rows, member in zip(averaged, ensemble.members, strict=True)]
    if ensemble.scaler.constant_channels.size:
        needed.append(max(averaged) + ensemble.formula.constant_memory - 1)
    if ensemble.switches is not None:
        stay = _longest_stay(ensemble.switches.habits, ensemble.formula)
        needed += [2 * ensemble.formula.switch_memory - 1, stay]
    return max(needed)


class ScoreGraph(nn.Module):
    """Rows `(batch, n_rows, n_channels)` → score, unsmoothed score and label of the last row, and its errors."""

    def __init__(self, model: FittedModel) -> None:
        super().__init__()
        ensemble = model.ensemble
        self.scaler, self.formula = ensemble.scaler, ensemble.formula
        self.n_rows, self.n_channels = rows_needed(ensemble), len(self.scaler.role)
        counted = ensemble.counted(full=False).tolist()
        self.members = [_MemberGraph(*pair, self.n_rows) for pair in zip(ensemble.members, counted, strict=True)]
        self.switches = None
        if ensemble.switches is not None:
            self.switches = _SwitchGraph(ensemble.switches, self.formula, self.n_rows)
        self.n_ends = max(int(member.immediate.kernels.shape[1]) for member in ensemble.members)
        self.judges_smoothed = model.thresholds.judged == "smoothed"
        self.threshold = model.thresholds.used_immediate.value
        parts = self.scaler.network_channels, self.scaler.constant_channels, self.scaler.switch_channels
        self.network, self.constant, self.switch = map(_tensor, parts)
        self.order = _tensor(np.concatenate(parts)).argsort()

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        mean, scale, clip = torch.as_tensor(self.scaler.mean), torch.as_tensor(self.scaler.scale), self.scaler.clip
        observed = ~torch.isnan(rows)
        scaled = torch.where(observed, (rows - mean) / scale, torch.zeros_like(rows)).clamp(-clip, clip).float()
        seen = observed.index_select(2, self.network)
        filled = _forward_filled(scaled.index_select(2, self.network), seen)
        constant_errors = self._constant_errors(*(part.index_select(2, self.constant) for part in (scaled, observed)))
        apart = constant_errors.sum(dim=2)
        relative = [member.relative(filled, seen) for member in self.members]
        views = [
            member.views(errors, apart) for member, errors in zip(self.members, relative, strict=True) if member.counts
        ]
        states = rows.index_select(2, self.switch)
        switch_errors, term = torch.full_like(states[:, -1], math.nan).float(), torch.zeros_like(apart[:, -1])
        if self.switches is not None:
            switch_errors, term = self.switches(filled, states)
        smoothed, unsmoothed = (
            (_combined(torch.cat([view[:, part] for view in views], dim=1), self.formula.knee) ** 2 + term**2).sqrt()
            for part in (slice(-1), slice(-1, None))
        )
        own = torch.stack([errors[:, -1] for errors in relative]).mean(dim=0)
        errors = torch.cat([own, constant_errors[:, -1], switch_errors], dim=1).index_select(1, self.order)
        errors = torch.where(observed[:, -1], errors, torch.full_like(errors, math.nan))
        return smoothed, unsmoothed, (smoothed if self.judges_smoothed else unsmoothed) > self.threshold, errors

    def _constant_errors(self, values: Tensor, observed: Tensor) -> Tensor:
        """Of the last rows, `(batch, n_ends, n_constant)`, 0 where missing; see `ConstantWatch`."""
        if not len(self.constant):
            return values[:, -self.n_ends :]
        places = _runs(self.n_rows, self.n_ends, self.formula.constant_memory)
        values, observed = values[:, places], observed[:, places]
        ranked = torch.where(observed, values, torch.full_like(values, math.inf)).sort(dim=2).values
        n_known = observed.long().sum(dim=2, keepdim=True)
        low, high = (n_known - 1).clamp_min(0) // 2, n_known.clamp_min(1) // 2
        middle = (ranked.gather(2, low) + ranked.gather(2, high)).squeeze(2) / 2
        now = values[:, :, -1]
        return torch.where(observed[:, :, -1], (now - middle).square(), torch.zeros_like(now))


class _MemberGraph:
    """A member's immediate errors and its views of the last row; `counts` says whether it makes the score."""

    def __init__(self, member: Member, counts: bool, n_rows: int) -> None:
        self.counts, self.n_last, self.tails = counts, member.n_last, member.immediate.tails
        self.kernels, self.levels = _tensor(member.immediate.kernels), _tensor(member.immediate.levels)
        self.n_ends = self.kernels.shape[1] if counts else 1
        self.places = _runs(n_rows, self.n_ends, member.window_size)
        self.errors = _window_errors(member)
        self.errors(torch.zeros(1, member.window_size, len(self.levels)))  # draws and masks are constants from here on

    def relative(self, filled: Tensor, seen: Tensor) -> Tensor:
        """Errors of the last rows in usual errors, `(batch, n_ends, n_channels)`, NaN where missing."""
        windows = filled[:, self.places].flatten(0, 1)
        errors = self.errors(windows).reshape(-1, self.n_ends, self.n_last, filled.shape[2])
        weights = seen[:, self.places[:, -self.n_last :]].float()
        return (errors * weights).sum(dim=2) / weights.sum(dim=2) / self.levels

    def views(self, relative: Tensor, apart: Tensor) -> Tensor:
        """−log p of the last row, `(batch, n_filters)`, NaN where nothing was observed."""
        apart, known = apart[:, -self.n_ends :], ~torch.isnan(relative)
        count = known.float().sum(dim=2)
        total = torch.where(known, relative, torch.zeros_like(relative)).sum(dim=2) + apart
        mean, weight = total / count.clamp_min(1), ((count > 0) | (apart > 0)).float()
        views = []
        for kernel, tail in zip(self.kernels, self.tails, strict=True):
            weights = weight * kernel
            mass = weights.sum(dim=1)
            value = _log_p((mean * weights).sum(dim=1) / mass.clamp_min(LEAST_MASS), tail)
            views.append(torch.where(mass > LEAST_MASS, value, torch.full_like(value, math.nan)))
        return torch.stack(views, dim=1)


class _SwitchGraph:
    """How far switches surprise in the last row; see `tsae.scoring.switches.SwitchWatch`."""

    def __init__(self, model: SwitchModel, formula: Formula, n_rows: int) -> None:
        self.n_rows, self.formula, self.memory = n_rows, formula, formula.switch_memory
        self.places = _runs(n_rows, self.memory, self.memory)
        self.weights, self.bias, self.worst = map(_tensor, (model.weights, model.bias, model.worst))
        habits = model.habits
        self.longest, self.spread, self.most = map(_tensor, (habits.longest, habits.spread, habits.most_changes))

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
        """Surprise at the state in nats, averaged over the last rows."""
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
        state = _forward_filled(on.float(), known) > 0.5
        changed = (state[:, 1:] != state[:, :-1]).float()
        numbers = torch.arange(1, self.n_rows, dtype=changed.dtype)[:, None]
        stay, now = self.n_rows - (changed * numbers).amax(dim=1), state[:, -1]
        longest, spread = (torch.where(now, part[:, 1], part[:, 0]) for part in (self.longest, self.spread))
        too_long = (stay / longest).clamp_min(1).log() / spread
        too_often = (changed[:, -self.memory :].sum(dim=1) / self.most).clamp_min(1).log() / self.formula.rate_spread
        return torch.maximum(too_long, too_often).clamp_max(self.formula.most_unusual)


def _window_errors(member: Member) -> WindowErrors:
    """Windows `(batch, window_size, n_channels)` → errors of their last steps; see `WindowModel.errors`."""
    model, n_last = member.model, member.n_last
    module = None if model.network is None else cast(StoredNetwork | TorchNetwork, model.network).module
    if isinstance(model, MaskedModel):
        centre, operator, linear = _tensor(model.linear.centre), _tensor(model.linear.operator), model.linear
        n_channels = len(linear.variance)
        first = (member.window_size - n_last) // linear.block * linear.block

        def masked(windows: Tensor) -> Tensor:
            flat = windows.flatten(1) - centre
            left = (flat @ operator[first * n_channels :].T).reshape(-1, member.window_size - first, n_channels)
            if module is not None:
                centred = flat.reshape(-1, member.window_size, n_channels)
                left = left - hide_each_block(module, centred, left, block=linear.block)
            return left[:, -n_last:].square()

        return masked
    rebuilding = cast(ReconstructionModel, model)
    lowest = None if rebuilding.lowest is None else _tensor(rebuilding.lowest)

    def rebuilt(windows: Tensor) -> Tensor:
        errors = entry_errors(rebuilding.criterion, module, windows)[:, -n_last:]  # type: ignore[arg-type]
        return errors if lowest is None else (errors - lowest).clamp_min(0)

    return rebuilt


def _log_p(scores: Tensor, tail: LogTail) -> Tensor:
    """−log p of error scores `(batch,)`; see `LogTail`."""
    knots, nats = (_tensor(part[:-1]) for part in tail.curve)  # float32 cannot tell what lies behind them apart
    x = (scores.clamp_min(0) + tail.floor).log()
    place = ((x[:, None] >= knots).long().sum(dim=1) - 1).clamp(0, len(knots) - 2)
    low, high = knots[place], knots[place + 1]
    share = ((x - low) / (high - low).clamp_min(1e-12)).clamp(0, 1)
    inside = nats[place] + share * (nats[place + 1] - nats[place])
    return (x - knots[-1]).clamp_min(0) / tail.excess + torch.where(x >= knots[-1], nats[-1], inside)


def _combined(views: Tensor, knee: float) -> Tensor:
    """Scores `(batch,)` from views `(batch, n_views)` in −log p; see `tsae.scoring.combination.combined`."""
    known = ~torch.isnan(views)
    values = torch.where(known, views, torch.full_like(views, -1.0))
    bent = torch.where(values > knee, knee * (1 + (values.clamp_min(knee) / knee).log()), values)
    falling = bent.sort(dim=1, descending=True).values
    n_used = (known.long().sum(dim=1) + 1) // 2
    used = torch.arange(views.shape[1]) < n_used[:, None]
    mean = torch.where(used, falling, torch.zeros_like(falling)).sum(dim=1) / n_used.clamp_min(1)
    return torch.where(n_used > 0, mean, torch.full_like(mean, NEUTRAL_SCORE))


def _forward_filled(values: Tensor, known: Tensor) -> Tensor:
    """The last known value of each channel, 0 before the first; `(batch, n_rows, n_channels)` each.

    In steps of 1, 2, 4, … rows, because ONNX has no running maximum.
    """
    step = 1
    while step < values.shape[1]:
        earlier = [torch.cat([torch.zeros_like(part[:, :step]), part[:, :-step]], dim=1) for part in (values, known)]
        values, known = torch.where(known, values, earlier[0]), known | earlier[1]
        step *= 2
    return values


def _runs(n_rows: int, n_ends: int, length: int) -> Tensor:
    """Places of the rows of runs that end at each of the last rows, `(n_ends, length)`."""
    return torch.arange(n_rows - n_ends, n_rows)[:, None] + torch.arange(1 - length, 1)


def _tensor(array: object) -> Tensor:
    """A constant of the graph, float32 (or an index, int64)."""
    tensor = torch.as_tensor(np.asarray(array))
    return tensor.float() if tensor.is_floating_point() else tensor.long()


def _longest_stay(habits: SwitchHabits, formula: Formula) -> int:
    """Rows after which a longer stay in any state changes nothing more, at most 1,000; 0 if stays do not count."""
    known = np.isfinite(habits.longest)
    if not known.any():
        return 0
    rows = habits.longest[known] * np.exp(np.minimum(formula.most_unusual * habits.spread[known], 700.0))
    return min(_LONGEST_STAY, math.ceil(float(rows.max())) + 1)
