"""Score whole entities by pushing their segments through the engine block by block."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from tsae.detection.scoring.classifier import LabelClassifier, feature_table
from tsae.detection.scoring.engine import ScoredRows, ScoreModel, SegmentScorer
from tsae.detection.scoring.member import Member
from tsae.detection.scoring.models import ReconstructionModel
from tsae.detection.scoring.rebuilding import in_units, row_reconstruction, towards
from tsae.detection.scoring.training_rows import Span
from tsae.errors import ParameterError
from tsae.series.filling import ForwardFill
from tsae.series.grid import GridSeries, on_grid

__all__ = [
    "CalibrationScores",
    "GridPart",
    "GridScores",
    "cleaned_values",
    "code_length",
    "grid_parts",
    "held_out_scores",
    "row_codes",
    "row_features",
    "score_grid",
    "windows_of",
    "with_noise",
]

FloatArray = NDArray[np.float64]
_ROWS_AT_ONCE = 4096
_WINDOWS_AT_ONCE = 2048
_LONGEST_MEMORY = 100  # rows that a constant channel is compared with


class GridScores(NamedTuple):
    """What all input rows of an entity get."""

    scores: FloatArray
    """`(n_timesteps,)`."""
    unsmoothed: FloatArray
    """Scores of each row's own error, `(n_timesteps,)`."""
    errors: NDArray[np.float32] | None
    """`(n_timesteps, n_channels)` if they were wanted."""


class GridPart(NamedTuple):
    """What consecutive input rows of an entity get."""

    start: int
    """Number of the first one among the input rows."""
    scores: FloatArray
    """`(n,)`."""
    unsmoothed: FloatArray
    """`(n,)`."""
    errors: NDArray[np.float32]
    """`(n, n_channels)`."""
    ends_segment: bool
    """Whether no row of the segment follows."""


def grid_parts(model: ScoreModel, grid: GridSeries, *, lag: int) -> Iterator[GridPart]:
    """Scores of all input rows in order, some thousand rows at a time, as they are settled.

    A model with a label classifier, which looks at whole series, scores all of them first.
    """
    if model.labelled is None:
        yield from _settled_parts(model, grid, lag=lag)
        return
    found = score_grid(model, grid, lag=lag, with_errors=True)
    for start, stop in grid.segments:
        rows = slice(*np.searchsorted(grid.rows, (start, stop)).tolist())
        errors = cast(NDArray[np.float32], found.errors)
        yield GridPart(rows.start, found.scores[rows], found.unsmoothed[rows], errors[rows], ends_segment=True)


def score_grid(model: ScoreModel, grid: GridSeries, *, lag: int, with_errors: bool = False) -> GridScores:
    """Scores of all input rows and, if wanted, their errors."""
    if model.labelled is None:
        return _unlabelled(model, grid, lag=lag, with_errors=with_errors)
    found = _unlabelled(model, grid, lag=lag, with_errors=True)
    term = model.labelled.term(_features(model, grid, found))
    return GridScores(found.scores + term, found.unsmoothed + term, found.errors if with_errors else None)


def row_features(model: ScoreModel, grid: GridSeries, *, lag: int) -> FloatArray:
    """What a classifier sees of all input rows, `(n_timesteps, n_features)`: code, errors and score."""
    return _features(model, grid, _unlabelled(model, grid, lag=lag, with_errors=True))


def _features(model: ScoreModel, grid: GridSeries, found: GridScores) -> FloatArray:
    return feature_table(row_codes(model, model.longest, grid), cast(FloatArray, found.errors), found.scores)


def _unlabelled(model: ScoreModel, grid: GridSeries, *, lag: int, with_errors: bool) -> GridScores:
    n_rows = len(grid.rows)
    errors = np.empty((n_rows, grid.values.shape[1]), dtype=np.float32) if with_errors else None
    out = GridScores(np.empty(n_rows), np.empty(n_rows), errors)
    for part in _settled_parts(model, grid, lag=lag):
        rows = slice(part.start, part.start + len(part.scores))
        out.scores[rows], out.unsmoothed[rows] = part.scores, part.unsmoothed
        if out.errors is not None:
            out.errors[rows] = part.errors
    return out


def _settled_parts(model: ScoreModel, grid: GridSeries, *, lag: int) -> Iterator[GridPart]:
    for start, stop in grid.segments:
        scorer = SegmentScorer(model, lag=lag)
        done = start
        for first in range(start, stop, _ROWS_AT_ONCE):
            rows = scorer.push(grid.values[first : min(stop, first + _ROWS_AT_ONCE)])
            yield _part(grid, rows, done, ends_segment=False)
            done += len(rows.settled)
        yield _part(grid, scorer.flush(), done, ends_segment=True)


def _part(grid: GridSeries, rows: ScoredRows, start: int, *, ends_segment: bool) -> GridPart:
    """Scores of consecutive grid rows from `start` on, without those that were filled in."""
    first, last = np.searchsorted(grid.rows, (start, start + len(rows.settled))).tolist()
    taken = slice(None) if last - first == len(rows.settled) else grid.rows[first:last] - start
    errors = rows.errors[taken].astype(np.float32)
    return GridPart(first, rows.settled[taken], rows.unsmoothed[taken], errors, ends_segment)


def cleaned_values(
    model: ScoreModel,
    member: Member,
    values: NDArray[np.floating],
    *,
    noise: FloatArray | None,
    left: NDArray[np.float32],
) -> FloatArray:
    """Rows of one segment `(n, n_channels)`, in the sensors' units, drawn towards what `member` makes of them.

    Missing values become what is expected; channels that no network sees stay as they are.

    Parameters
    ----------
    noise
        Standard deviation of the noise `(n_channels,)`, in the sensors' units; `None` takes for it what the error of
        these rows exceeds `left`, the usual one `(n_network_channels,)`, in scaled units.
    """
    scaler, network = model.scaler, model.scaler.network_channels
    filled, observed = ForwardFill().push(scaler.scaled(values)[:, network])
    rebuilt = row_reconstruction(member, filled)
    if noise is None:
        error = (np.square(rebuilt - filled) * observed).sum(axis=0) / np.maximum(observed.sum(axis=0), 1)
        variance = np.maximum(error - left, 0)
    else:
        variance = np.square(noise[network] / scaler.scale[network])
    cleaned = np.where(observed, towards(filled, rebuilt, left, variance), rebuilt)
    out = np.array(values, dtype=np.float64)
    out[:, network] = cleaned * scaler.scale[network] + scaler.mean[network]
    return out


def windows_of(model: ScoreModel, member: Member, codes: NDArray[np.float32]) -> FloatArray:
    """Codes `(n, latent_dim)` → windows `(n, window_size, n_channels)` in the sensors' units."""
    return in_units(model, _reconstruction_model(member).network.decode(codes))


def with_noise(
    model: ScoreModel, windows: FloatArray, left: NDArray[np.float32], rng: np.random.Generator
) -> FloatArray:
    """Windows `(n, window_size, n_channels)` in the sensors' units plus noise of (scaled) mean square `left`."""
    network = model.scaler.network_channels
    noisy = windows.copy()
    noisy[..., network] += rng.standard_normal((*windows.shape[:-1], len(network))) * (
        np.sqrt(left) * model.scaler.scale[network]
    )
    return noisy


def row_codes(model: ScoreModel, member: Member, grid: GridSeries) -> FloatArray:
    """The latent code of the window that ends in each row, `(n_timesteps, latent_dim)`."""
    codes = []
    encode = _reconstruction_model(member).network.encode
    for start, stop in grid.segments:
        filled, _ = ForwardFill().push(model.scaler.scaled(grid.values[start:stop])[:, model.scaler.network_channels])
        past = np.repeat(filled[:1], member.window_size - 1, axis=0)
        series = np.concatenate([past, filled])
        windows = np.lib.stride_tricks.sliding_window_view(series, member.window_size, axis=0, writeable=True)
        for first in range(0, len(windows), _WINDOWS_AT_ONCE):
            codes.append(encode(windows[first : first + _WINDOWS_AT_ONCE].transpose(0, 2, 1)).astype(np.float64))
    return np.concatenate(codes)[grid.rows]


class CalibrationScores(NamedTuple):
    """Scores of normal rows that no network was trained on, each `(n,)`: what thresholds are learned from."""

    settled: FloatArray
    immediate: FloatArray
    unsmoothed: FloatArray
    immediate_unsmoothed: FloatArray


def held_out_scores(model: ScoreModel, spans: Sequence[Span], *, lag: int) -> CalibrationScores:
    """Scores of the held-out rows of all spans: those that scoring all rows gives."""
    parts: list[list[FloatArray]] = [[] for _ in CalibrationScores._fields]
    context = model.full_lag + _LONGEST_MEMORY
    in_step = math.lcm(*(member.stride for member in model.members))  # windows start at the same rows as in the whole
    for span in spans:
        if not span.n_held_out:
            continue
        split = len(span.values) - span.n_held_out
        begin = max(0, split - context) // in_step * in_step
        scorer = SegmentScorer(model, lag=lag, immediate=True)
        blocks = [
            scorer.push(span.values[first : first + _ROWS_AT_ONCE])
            for first in range(begin, len(span.values), _ROWS_AT_ONCE)
        ]
        blocks.append(scorer.flush())
        for part, name in zip(parts, CalibrationScores._fields, strict=True):
            part.append(np.concatenate([getattr(rows, name) for rows in blocks])[split - begin :])
    scores = CalibrationScores(*map(np.concatenate, parts))
    return scores if model.labelled is None else _with_terms(scores, model, spans, lag=lag)


def _with_terms(scores: CalibrationScores, model: ScoreModel, spans: Sequence[Span], *, lag: int) -> CalibrationScores:
    """The scores of held-out rows, joined by the classifier."""
    terms = []
    for wait in (lag, 0):
        held_out = [
            row_features(model, on_grid(span.values), lag=wait)[len(span.values) - span.n_held_out :]
            for span in spans
            if span.n_held_out
        ]
        terms.append(cast(LabelClassifier, model.labelled).term(np.concatenate(held_out)))
    settled, immediate = terms
    return CalibrationScores(
        scores.settled + settled,
        scores.immediate + immediate,
        scores.unsmoothed + settled,
        scores.immediate_unsmoothed + immediate,
    )


def code_length(member: Member) -> int:
    """Length of a member's codes."""
    return _reconstruction_model(member).network.n_linear + member.options.latent_dim


def _reconstruction_model(member: Member) -> ReconstructionModel:
    if not isinstance(member.model, ReconstructionModel):
        raise ParameterError("a member that predicts hidden blocks has no codes; use one that rebuilds windows")
    return member.model
