"""From training rows to a fitted ensemble: members, what is usual for them, switches and blame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray

from tsae.errors import DataError
from tsae.fitting.fit_rows import FitRows, lay_out_rows
from tsae.fitting.options import SeriesOptions
from tsae.fitting.plan import MemberPlan, plan_members
from tsae.fitting.switches import MOST_SWITCH_ROWS, fit_switches
from tsae.fitting.training_rows import Span
from tsae.networks.criterion import Criterion
from tsae.networks.entry_errors import entry_errors
from tsae.networks.torch_network import TorchNetwork
from tsae.nn.autoencoder import AutoEncoder, build_autoencoder
from tsae.nn.linear import LinearPath, moments, principal_path
from tsae.nn.masked import MaskedAutoEncoder, fit_block_predictor
from tsae.nn.options import NetworkSpec
from tsae.nn.rbm import deep_spec, pretrain
from tsae.scoring.blame import BlameModel
from tsae.scoring.ensemble import Ensemble, Member, MemberScale
from tsae.scoring.formula import Formula
from tsae.scoring.row_errors import segment_errors
from tsae.scoring.smoothing import channel_mean, immediate_kernels, moving_averages, settled_kernels
from tsae.scoring.tails import fit_log_tail
from tsae.scoring.window_models import LinearBlocks, MaskedModel, ReconstructionModel, WindowModel
from tsae.series.channels import fit_channels
from tsae.training.batches import WindowSource, evenly
from tsae.training.fit import fit_network
from tsae.training.objectives import masked_loss, reconstruction_loss
from tsae.training.options import FitReport

__all__ = ["fit_blame", "fit_linear_model", "fit_model", "masked_model"]

_WINDOWS_AT_ONCE = 256
_MOST_WINDOWS = 3000  # for the closed-form parts
_MOST_NUMBERS = 11_000_000  # in these windows: 44 MB
_MASKED_HIDDEN = 256
_MASKED_WEIGHT_DECAY = 1e-3
_MOST_WINDOWS_OF_RBMS = 10_000
_MOST_NUMBERS_OF_RBMS = 2**24  # in these windows: 64 MB
_NEXT_TO_NONE = NetworkSpec(hidden=(1,), latent_dim=1)  # its output stays zero beside a linear path
_CODE = 16  # nonlinear code length beside a linear path
_LEVEL_FLOOR = 0.01  # of the mean level; keeps a nearly perfect channel from dominating
_SCALE_SHARE = 0.5  # of the training rows; the held-out ones alone are too few and too recent to say what is usual
_SCALE_ROWS = 30_000
_BLAME_WINDOW = 16
_BLAME_WIDEST = 1000  # numbers in a window; what is kept grows with the square
_BLAME_CHANNELS = 1000
_BLAME_RIDGE = 0.05  # of the mean variance
_BLAME_WINDOWS, _BLAME_A_NUMBER = 3000, 4
_BLAME_HELD_OUT = 300  # windows

FloatArray = NDArray[np.float64]


class _Most(NamedTuple):
    """Bounds on what a fit looks at."""

    windows: int | None = None
    """Training windows per member; `None` for all."""
    scale_rows: int = _SCALE_ROWS
    """Rows that errors are scaled by, besides the held-out ones."""
    switch_rows: int = MOST_SWITCH_ROWS
    """Rows that the regressions of switches look at."""
    masked_numbers: int | None = None
    """Numbers in a window of a masked member, whose cost grows with their square; `None` for no further bound."""


_QUICK = _Most(windows=1500, scale_rows=3000, switch_rows=1000, masked_numbers=1000)


def fit_model(spans: Sequence[Span], options: SeriesOptions, *, random_state: int) -> tuple[Ensemble, list[FitReport]]:
    """Fit scaler, members and scales."""
    ensemble, rows, reports = _fit_ensemble(spans, options, random_state, most=_Most())
    return replace(ensemble, blame=fit_blame(rows)), reports


def fit_linear_model(spans: Sequence[Span], options: SeriesOptions) -> Ensemble:
    """Fit an ensemble of the same windows whose members are all linear, in closed form, without the blame model."""
    linear = replace(
        options,
        preset="alone" if options.preset == "alone" else "fast",
        max_steps=0,
        network=_NEXT_TO_NONE,
        latent_dim="auto",
        linear_path=True,
        pretraining=None,
        criterion=Criterion(),
    )
    ensemble, *_ = _fit_ensemble(spans, linear, 0, most=_QUICK)
    return ensemble


def _fit_ensemble(
    spans: Sequence[Span], options: SeriesOptions, random_state: int, *, most: _Most
) -> tuple[Ensemble, FitRows, list[FitReport]]:
    """Fit all that makes the score; return it with the rows it was fitted to."""
    scaler = fit_channels(np.concatenate([span.values for span in spans]) if len(spans) > 1 else spans[0].values)
    rows = lay_out_rows(spans, scaler)
    n_channels = rows.values.shape[1]
    plans = plan_members(
        options.window_size,
        options.max_steps,
        preset=options.preset,
        architecture=options.network.architecture,
        n_rows=len(rows.values),
        longest_run=max(split - start for start, split, _ in rows.segments),
        n_channels=n_channels,
    )
    if most.masked_numbers is not None:
        plans = [plan for plan in plans if plan.block is None or plan.window_size * n_channels <= most.masked_numbers]
    fitted = [_fit_member(rows, plan, options, random_state + number, most) for number, plan in enumerate(plans)]
    members, reports = zip(*fitted, strict=True)
    switches = fit_switches(scaler, rows, Formula(), most_rows=most.switch_rows)
    return Ensemble(scaler, members, switches), rows, list(reports)


def _fit_member(
    rows: FitRows, plan: MemberPlan, options: SeriesOptions, random_state: int, most: _Most
) -> tuple[Member, FitReport]:
    """Train one member's network on the earlier rows and learn its scales on the held-out ones."""
    size = plan.window_size
    starts, held_out_starts = rows.window_starts(size)
    if not len(starts):
        raise DataError(f"no run of training rows is as long as a window (={size}); pass more rows")
    if most.windows is not None:
        starts = starts[evenly(len(starts), most.windows)]
    training = WindowSource(rows.values, rows.observed, starts, size)
    held_out = WindowSource(rows.values, rows.observed, held_out_starts, size) if len(held_out_starts) else None
    fit = _fit_plain if plan.block is None else _fit_masked
    model, spec, report = fit(training, held_out, plan, options, random_state)
    settled, immediate = fit_scales(model, rows, plan, most_rows=most.scale_rows)
    return Member(model, spec, size, plan.n_last, plan.stride, settled, immediate), report


def _fit_plain(
    training: WindowSource, held_out: WindowSource | None, plan: MemberPlan, options: SeriesOptions, random_state: int
) -> tuple[WindowModel, NetworkSpec, FitReport]:
    """An autoencoder that rebuilds windows."""
    if plan.architecture is not None:
        options = replace(options, network=options.network.of_architecture(plan.architecture), pretraining=None)
    path, code = _linear_path(training, options)
    spec = replace(options.network, latent_dim=code)
    shape = (plan.window_size, training.values.shape[1])
    if options.pretraining == "rbm":
        spec = deep_spec(spec, shape)
    network = build_autoencoder(spec, shape, linear_path=path, random_state=random_state)
    if options.pretraining == "rbm":
        n_windows = max(1, min(_MOST_WINDOWS_OF_RBMS, _MOST_NUMBERS_OF_RBMS // math.prod(shape)))
        windows = training.take(evenly(len(training), n_windows)).inputs
        stated = {} if options.max_steps == "auto" else {"n_steps": plan.max_steps}
        pretrain(network, spec, windows, visible="gaussian", rbm={**stated, **options.rbm}, random_state=random_state)
    if not plan.max_steps:
        return ReconstructionModel(TorchNetwork(network, shape), options.criterion), spec, FitReport(0, 0, None, ())
    training_options = replace(options.training, max_steps=plan.max_steps)
    report = fit_network(
        network,
        reconstruction_loss(network, training_options),
        training,
        held_out,
        options=training_options,
        random_state=random_state,
        keep_initial=options.pretraining is not None,
    )
    lowest = _lowest(network.eval(), options.criterion, training)
    return ReconstructionModel(TorchNetwork(network, shape), options.criterion, lowest), spec, report


@torch.inference_mode()
def _lowest(network: AutoEncoder, criterion: Criterion, training: WindowSource) -> NDArray[np.float32] | None:
    """The least error of every channel in training, `(n_channels,)`, where errors have no natural zero."""
    if criterion.kind not in ("probability", "elbo"):
        return None
    sample = torch.split(evenly(len(training), _MOST_WINDOWS), _WINDOWS_AT_ONCE)
    errors = (entry_errors(criterion, network, training.take(part).inputs) for part in sample)
    return torch.stack([part.amin((0, 1)) for part in errors]).amin(0).numpy()


def _fit_masked(
    training: WindowSource, held_out: WindowSource | None, plan: MemberPlan, options: SeriesOptions, random_state: int
) -> tuple[WindowModel, NetworkSpec, FitReport]:
    """A masked autoencoder; it stays linear where the network does not help on the held-out rows."""
    n_channels = training.values.shape[1]
    width = plan.window_size * n_channels
    sample = evenly(len(training), _MOST_WINDOWS)
    batches = (training.take(part).inputs for part in torch.split(sample, _WINDOWS_AT_ONCE))
    linear = fit_block_predictor(batches, n_channels, block=cast(int, plan.block))
    spec = NetworkSpec(
        hidden=(_MASKED_HIDDEN if width > 16 else _MASKED_HIDDEN // 2,), latent_dim=_CODE if width < 700 else 2 * _CODE
    )
    if not plan.max_steps or held_out is None:
        return masked_model(MaskedAutoEncoder(linear)), spec, FitReport(0, 0, None, ())
    inner = build_autoencoder(spec, (plan.window_size, n_channels + 1), zero_output=True, random_state=random_state)
    masked = MaskedAutoEncoder(linear, inner)
    report = fit_network(
        masked,
        masked_loss(masked),
        training,
        held_out,
        options=replace(options.training, max_steps=plan.max_steps, weight_decay=_MASKED_WEIGHT_DECAY),
        random_state=random_state,
        keep_initial=True,
    )
    if report.best_step == 0:
        masked = MaskedAutoEncoder(linear)
    return masked_model(masked), spec, report


def masked_model(network: MaskedAutoEncoder) -> MaskedModel:
    """The model that a fitted masked autoencoder makes."""
    linear = network.linear
    centre, operator, variance = (part.numpy() for part in (linear.centre, linear.operator, linear.variance))
    n_channels = len(linear.variance)
    shape = (len(linear.centre) // n_channels, n_channels + 1)
    inner = None if network.network is None else TorchNetwork(network.network, shape, linear.block)
    return MaskedModel(LinearBlocks(centre, operator, variance, linear.block), inner)


def _linear_path(source: WindowSource, options: SeriesOptions) -> tuple[LinearPath | None, int]:
    """The linear path and the length of the nonlinear code beside it."""
    wanted = options.latent_dim
    code = _CODE if isinstance(wanted, str) else wanted
    if not options.linear_path or code == 1:
        return None, code
    width = source.take(torch.zeros(1, dtype=torch.int64)).inputs.numel()
    windows = source.take(evenly(len(source), min(_MOST_WINDOWS, max(1, _MOST_NUMBERS // width)))).inputs
    if isinstance(wanted, str):
        return principal_path(windows), code
    nonlinear = min(_CODE, wanted // 2)
    path = principal_path(windows, max_components=wanted - nonlinear)
    return path, wanted - path.n_components


def fit_scales(
    model: WindowModel, rows: FitRows, plan: MemberPlan, *, most_rows: int = _SCALE_ROWS
) -> tuple[MemberScale, MemberScale]:
    """Learn usual errors and tails of settled and of immediate errors on the later half of every segment.

    Earlier rows of segments are left out if there are more than `most_rows`, held-out rows never.
    """
    settled, immediate, apart = [], [], []
    share = min(_SCALE_SHARE, most_rows / len(rows.values))
    for start, split, stop in rows.segments:
        first = min(split, stop - int(share * (stop - start)))
        if first >= stop:
            continue
        begin = max(start, first - 2 * plan.window_size)  # context before the first row that counts
        values = rows.values[begin:stop].numpy()
        observed = np.ones(values.shape, bool) if rows.observed is None else rows.observed[begin:stop].numpy()
        done, now = segment_errors(
            *(values, observed),
            window_errors=model.errors,
            last_errors=partial(model.errors, n_last=plan.n_last),
            n_last=plan.n_last,
            window_size=plan.window_size,
            stride=plan.stride,
        )
        settled.append(done[first - begin :].astype(np.float64))
        immediate.append(now[first - begin :].astype(np.float64))
        apart.append(rows.apart[first:stop])
    return (
        _scale(settled, apart, *settled_kernels(plan.window_size)),
        _scale(immediate, apart, *immediate_kernels(plan.window_size)),
    )


def _scale(errors: list[FloatArray], apart: list[FloatArray], kernels: FloatArray, lookahead: int) -> MemberScale:
    """Usual errors, which are means by channel plus a hundredth of the mean over channels, and tails."""
    whole = np.concatenate(errors)
    observed = ~np.isnan(whole)
    levels = np.where(observed, whole, 0.0).sum(axis=0) / np.maximum(observed.sum(axis=0), 1)
    levels += _LEVEL_FLOOR * float(levels.mean()) + 1e-9
    means = [channel_mean(each / levels, other) for each, other in zip(errors, apart, strict=True)]
    smoothed = np.concatenate([moving_averages(*mean, kernels, lookahead) for mean in means])
    return MemberScale(levels, tuple(fit_log_tail(column) for column in smoothed.T), kernels, lookahead)


def fit_blame(rows: FitRows) -> BlameModel | None:
    """Learn from the earlier rows how channels hang together, and from the held-out ones what is usual.

    `None` for a single channel, for more than a thousand, and where no run of rows is as long as a window.
    """
    n_channels = rows.values.shape[1]
    size = max(1, min(_BLAME_WINDOW, _BLAME_WIDEST // n_channels))
    starts, held_out = rows.window_starts(size)
    if not 1 < n_channels <= _BLAME_CHANNELS or not len(starts):
        return None
    offsets = torch.arange(size)
    n_most = max(_BLAME_WINDOWS, _BLAME_A_NUMBER * size * n_channels)
    parts = torch.split(starts[evenly(len(starts), n_most)], _WINDOWS_AT_ONCE)
    centre, covariance = moments(rows.values[part.unsqueeze(1) + offsets].flatten(1) for part in parts)
    covariance.diagonal().add_(_BLAME_RIDGE * covariance.diagonal().mean().clamp_min(1e-6))
    precision = torch.cholesky_inverse(torch.linalg.cholesky(covariance)).float().numpy()
    model = BlameModel(centre.numpy().reshape(size, n_channels), precision, np.full(n_channels, float(size)))
    normal = held_out if len(held_out) else starts
    normal = normal[evenly(len(normal), _BLAME_HELD_OUT)]
    windows = rows.values[normal.unsqueeze(1) + offsets].double().numpy() - model.centre
    usual: NDArray[np.float64] = np.maximum(model.explained(windows).mean(axis=0), size)
    return BlameModel(model.centre, precision, usual)
