"""From laid-out training rows to a fitted score model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from tsae.detection.engine import ScoreModel
from tsae.detection.member import Member
from tsae.detection.models import ReconstructionModel
from tsae.detection.plan import MemberPlan, plan_members
from tsae.detection.scales import fit_scales
from tsae.detection.training_rows import FitRows, Span, lay_out_rows, window_starts
from tsae.errors import DataError, ParameterError
from tsae.nn.build import build_autoencoder
from tsae.nn.linear import LinearPath, principal_path
from tsae.nn.options import NetworkOptions
from tsae.series.channels import fit_channels
from tsae.training.batches import WindowSource
from tsae.training.fit import FitReport, fit_autoencoder
from tsae.training.options import TrainingOptions

__all__ = ["ModelOptions", "fit_model"]

_MOST_PCA_WINDOWS = 3000
_CODE = 16  # nonlinear code length beside a linear path


@dataclass(frozen=True)
class ModelOptions:
    """How the members of a detector are made and trained."""

    network: NetworkOptions
    training: TrainingOptions
    window_size: str | int | Sequence[int]
    latent_dim: str | int
    max_steps: str | int
    linear_path: bool


def fit_model(spans: Sequence[Span], options: ModelOptions, *, random_state: int) -> tuple[ScoreModel, list[FitReport]]:
    """Fit scaler, members and scales."""
    scaler = fit_channels(np.concatenate([span.values for span in spans]) if len(spans) > 1 else spans[0].values)
    rows = lay_out_rows(spans, scaler)
    plans = plan_members(
        options.window_size,
        options.max_steps,
        n_rows=len(rows.values),
        longest_run=max(split - start for start, split, _ in rows.segments),
        n_channels=rows.values.shape[1],
    )
    members, reports = [], []
    for number, plan in enumerate(plans):
        member, report = fit_member(rows, plan, options, random_state=random_state + number)
        members.append(member)
        reports.append(report)
    return ScoreModel(scaler, tuple(members)), reports


def fit_member(
    rows: FitRows, plan: MemberPlan, options: ModelOptions, *, random_state: int
) -> tuple[Member, FitReport]:
    """Train one member's network on the earlier rows and learn its scales on the held-out ones."""
    size = plan.window_size
    starts = window_starts([(start, split) for start, split, _ in rows.segments], size)
    if not len(starts):
        raise DataError(f"no run of training rows is as long as a window (={size}); pass more rows")
    held_out = window_starts([(split, stop) for _, split, stop in rows.segments], size)
    observed = None if bool(rows.observed.all()) else rows.observed
    source = WindowSource(rows.values, observed, starts, size)
    path, code = _linear_path(source, options)
    network_options = replace(options.network, latent_dim=code)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(random_state)
        network = build_autoencoder(network_options, (size, rows.values.shape[1]), linear_path=path)
    report = fit_autoencoder(
        network,
        source,
        WindowSource(rows.values, observed, held_out, size) if len(held_out) else None,
        options=replace(options.training, max_steps=plan.max_steps),
        random_state=random_state,
    )
    model = ReconstructionModel(network)
    settled, immediate = fit_scales(model.errors, rows, window_size=size, stride=plan.stride)
    return Member(model, network_options, size, plan.stride, settled, immediate), report


def _linear_path(source: WindowSource, options: ModelOptions) -> tuple[LinearPath | None, int]:
    """The linear path and the length of the nonlinear code beside it."""
    wanted = options.latent_dim
    if wanted != "auto" and (isinstance(wanted, str) or wanted < 1):
        raise ParameterError(f'`latent_dim` (={wanted!r}) must be "auto" or at least 1')
    code = _CODE if isinstance(wanted, str) else wanted
    if not options.linear_path or code == 1:
        return None, code
    index = torch.linspace(0, len(source) - 1, min(_MOST_PCA_WINDOWS, len(source))).round().long()
    windows = source.take(index).inputs
    if isinstance(wanted, str):
        return principal_path(windows), code
    nonlinear = min(_CODE, wanted // 2)
    path = principal_path(windows, max_components=wanted - nonlinear)
    return path, wanted - path.n_components
