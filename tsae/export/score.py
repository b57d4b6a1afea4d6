"""The score of the last row as a torch module that can be traced."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from tsae.export.inputs import ConstantGraph, ScalingGraph, SwitchGraph, as_tensor, longest_stay
from tsae.export.members import MemberGraph
from tsae.model.fitted import FittedModel
from tsae.scoring.combination import NEUTRAL_SCORE
from tsae.scoring.ensemble import Ensemble

__all__ = ["ScoreGraph", "rows_needed"]


def rows_needed(model: Ensemble) -> int:
    """Rows that the score of the last one depends on, itself included; of longer stays of switches see `inputs`."""
    averaged = [int(member.immediate.kernels.shape[1]) for member in model.members]
    needed = [rows + member.window_size - 1 for rows, member in zip(averaged, model.members, strict=True)]
    if model.scaler.constant_channels.size:
        needed.append(max(averaged) + model.formula.constant_memory - 1)
    if model.switches is not None:
        needed += [2 * model.formula.switch_memory - 1, longest_stay(model.switches.habits, model.formula)]
    return max(needed)


class ScoreGraph(nn.Module):
    """Rows `(batch, n_rows, n_channels)` → score, unsmoothed score and label of the last row, and its errors.

    What `StreamScorer(lag=0)` answers for the last of these rows, with the learned threshold.
    """

    def __init__(self, model: FittedModel) -> None:
        super().__init__()
        ensemble = model.ensemble
        scaler, formula, n_rows = ensemble.scaler, ensemble.formula, rows_needed(ensemble)
        self.knee = formula.knee
        counted = ensemble.counted(full=False).tolist()
        self.n_rows, self.n_channels = n_rows, len(scaler.role)
        self.scaling = ScalingGraph(scaler)
        self.members = [
            MemberGraph(member, n_rows=n_rows, counts=counts)
            for member, counts in zip(ensemble.members, counted, strict=True)
        ]
        self.n_ends = max(member.immediate.kernels.shape[1] for member in ensemble.members)
        channels = scaler.network_channels, scaler.constant_channels, scaler.switch_channels
        self.network, self.constant, self.switch = map(as_tensor, channels)
        memory, has_constants = formula.constant_memory, bool(len(scaler.constant_channels))
        self.constants = ConstantGraph(memory, n_rows, self.n_ends) if has_constants else None
        self.switches = None if ensemble.switches is None else SwitchGraph(ensemble.switches, formula, n_rows)
        self.judges_smoothed = model.thresholds.judged == "smoothed"
        self.threshold = model.thresholds.used_immediate.value
        order = [*scaler.network_channels, *scaler.constant_channels, *scaler.switch_channels]
        self.places = as_tensor(order).argsort()

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        scaled = self.scaling(rows)
        network = scaled.of(self.network)
        constant_errors = scaled.values[:, -self.n_ends :, :0]
        if self.constants is not None:
            constant_errors = self.constants(scaled.of(self.constant))
        apart = constant_errors.sum(dim=2)
        answers = [member(network, apart) for member in self.members]
        views = [found for (found, _), member in zip(answers, self.members, strict=True) if member.counts]
        switch_errors, term = self._switched(network.filled, rows)
        smoothed, unsmoothed = (
            (combined(torch.cat([view[:, part] for view in views], dim=1), self.knee).square() + term.square()).sqrt()
            for part in (slice(-1), slice(-1, None))
        )
        label = (smoothed if self.judges_smoothed else unsmoothed) > self.threshold
        own = torch.stack([relative for _, relative in answers]).mean(dim=0)
        errors = torch.cat([own, constant_errors[:, -1], switch_errors], dim=1).index_select(1, self.places)
        missing = torch.isnan(rows[:, -1])
        return smoothed, unsmoothed, label, torch.where(missing, torch.full_like(errors, math.nan), errors)

    def _switched(self, analog: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        raw = rows.index_select(2, self.switch)
        if self.switches is None:
            nothing = torch.full_like(raw[:, -1], math.nan).float()
            return nothing, torch.zeros_like(rows[:, -1, 0]).float()
        errors, term = self.switches(analog, raw)
        return errors, term


def combined(views: Tensor, knee: float) -> Tensor:
    """Scores `(batch,)` from views `(batch, n_views)` in −log p; see `tsae.scoring.combination.combined`."""
    known = ~torch.isnan(views)
    values = torch.where(known, views, torch.full_like(views, -1.0))
    bent = torch.where(values > knee, knee * (1 + (values.clamp_min(knee) / knee).log()), values)
    falling = bent.sort(dim=1, descending=True).values
    n_known = known.long().sum(dim=1)
    n_used = (n_known + 1) // 2
    used = torch.arange(views.shape[1]) < n_used[:, None]
    total = torch.where(used, falling, torch.zeros_like(falling)).sum(dim=1)
    mean = total / n_used.clamp_min(1)
    return torch.where(n_known > 0, mean, torch.full_like(mean, NEUTRAL_SCORE))
