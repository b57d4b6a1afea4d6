from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.detection.plants import readings
from tsae import AnomalyDetector, load
from tsae.errors import ParameterError
from tsae.fitting.fit_rows import lay_out_rows
from tsae.fitting.screening import cross_errors, deviations, suspicious_rows
from tsae.fitting.training_rows import Span
from tsae.series.channels import fit_channels
from tsae.series.grid import on_grid

FAULTS = [(150, 190), (420, 450)]


def dirty(channels: str = "aaa") -> np.ndarray:
    table = readings(800, channels)
    for start, stop in FAULTS:
        table[start:stop, 1] += 9
    return table


def hidden_block_errors(table: np.ndarray, left_out: np.ndarray) -> np.ndarray:
    """Windows of 16 rows, a fifth of the rows at a time, each block of four predicted by least squares with a ridge."""
    n_rows, n_channels = table.shape
    starts = sorted({*range(0, n_rows - 15, 4), n_rows - 16})
    total, count = np.zeros(table.shape), np.zeros(n_rows)
    for start in starts:
        fold = start * 5 // n_rows
        others = [at for at in starts if at * 5 // n_rows != fold and not left_out[at : at + 16].any()]
        learned = np.array([table[at : at + 16].ravel() for at in others])
        centre = learned.mean(axis=0)
        covariance = (learned - centre).T @ (learned - centre) / len(learned)
        covariance += 0.01 * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        window = table[start : start + 16].ravel() - centre
        for first in range(0, 16, 4):
            hidden = np.zeros(len(window), dtype=bool)
            hidden[first * n_channels : (first + 4) * n_channels] = True
            weights = np.linalg.solve(covariance[np.ix_(~hidden, ~hidden)], covariance[np.ix_(~hidden, hidden)])
            errors = (window[hidden] - window[~hidden] @ weights).reshape(4, n_channels) ** 2
            total[start + first : start + first + 4] += errors
        count[start : start + 16] += 1
    return total / count[:, None]


def test_each_row_is_judged_by_a_model_of_the_other_fifths():
    values = dirty()[:500]
    scaler = fit_channels(values)
    rows = lay_out_rows([Span(values, 0)], scaler)
    left_out = np.zeros(500, dtype=bool)
    left_out[150:190] = True
    expected = hidden_block_errors(scaler.scaled(values).astype(np.float64), left_out)
    np.testing.assert_allclose(cross_errors(rows, left_out), expected, rtol=2e-3, atol=1e-5)


def test_deviations_equal_a_loop_over_rows():
    rng = np.random.default_rng(0)
    errors = rng.chisquare(1, size=(90, 2))
    errors[20:25, 1] = np.nan
    segments = ((0, 50, 50), (50, 90, 90))
    found = deviations(errors, segments)
    expected = np.full(90, -np.inf)
    for channel in range(2):
        floor = 0.01 * np.nanmedian(errors[:, channel])
        smooth = np.empty(90)
        for start, _, stop in segments:
            for row in range(start, stop):
                around = errors[max(start, row - 16) : min(stop, row + 17), channel]
                logs = [math.log(error + floor + 1e-12) for error in around if not math.isnan(error)]
                smooth[row] = sum(logs) / len(logs)
        middle, upper = np.quantile(smooth, [0.5, 0.75])
        expected = np.maximum(expected, (smooth - middle) / max((upper - middle) / 0.6745, 0.1))
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_faults_are_found_and_normal_rows_are_left_alone():
    (found,) = suspicious_rows([on_grid(dirty())], [None])
    faulty = np.zeros(800, dtype=bool)
    for start, stop in FAULTS:
        faulty[start:stop] = True
    assert found[faulty].mean() > 0.8
    assert found[~faulty].mean() < 0.1  # the average reaches 16 rows to both sides
    (found,) = suspicious_rows([on_grid(readings(800, "aaa"))], [None])
    assert not found.any()


def test_excluded_rows_are_neither_judged_nor_learned_from():
    table, excluded = dirty(), np.zeros(800, dtype=bool)
    for start, stop in FAULTS:
        excluded[start:stop] = True
    steps = np.ones(800, dtype=np.int64)
    steps[[0, *np.flatnonzero(np.diff(excluded)) + 1]] = 0
    (found,) = suspicious_rows([on_grid(table, steps)], [excluded])
    assert not found.any()


def test_what_lasts_long_is_a_way_to_run_the_plant():
    table = readings(3000, "aaa")
    table[1000:1400, 1] += 9
    (found,) = suspicious_rows([on_grid(table)], [None])
    assert not found[1050:1350].any()
    table[1060:1400, 1] -= 9
    (found,) = suspicious_rows([on_grid(table)], [None])
    assert found[1000:1060].mean() > 0.8


@pytest.mark.parametrize("n_rows", [5, 40, 120])
def test_few_rows_are_left_alone(n_rows):
    (found,) = suspicious_rows([on_grid(readings(n_rows, "aaa"))], [None])
    assert not found.any()


def test_missing_and_constant_channels_do_not_matter():
    table = np.column_stack([dirty(), np.full(800, np.nan), np.full(800, 3.0)])
    table[300:340, 0] = np.nan
    (found,) = suspicious_rows([on_grid(table)], [None])
    assert found[slice(*FAULTS[0])].mean() > 0.8
    assert not found[500:].any()


def quick(**parameters: object) -> AnomalyDetector:
    return AnomalyDetector(**{"window_size": 16, "max_steps": 20, "random_state": 0, **parameters})


def test_a_robust_fit_equals_a_fit_without_the_rejected_rows(tmp_path):
    table = dirty()
    robust = quick(robust=True).fit(table)
    (rejected,) = robust.rejected_
    assert len(rejected) == len(FAULTS)
    mask = np.zeros(len(table), dtype=bool)
    for first, last in rejected:
        mask[first : last + 1] = True
    stated = quick().fit(table, excluded=mask)
    later = readings(100, "aaa", seed=3)
    np.testing.assert_array_equal(robust.score_samples(later), stated.score_samples(later))
    assert robust.threshold_ == stated.threshold_
    robust.save(tmp_path / "m.tsae")
    assert load(tmp_path / "m.tsae").rejected_ == robust.rejected_


def test_nothing_is_rejected_unless_asked_for():
    detector = quick().fit([dirty(), dirty()])
    assert detector.rejected_ == [[], []]


def test_faults_in_the_held_out_rows_do_not_raise_the_threshold():
    table = readings(1000, "aaa")
    clean = quick().fit(table)
    table[930:960, 0] += 9
    plain, robust = quick().fit(table), quick(robust=True).fit(table)
    assert abs(robust.threshold_ - clean.threshold_) < 0.5 * (plain.threshold_ - clean.threshold_)


def test_robust_is_true_or_false():
    with pytest.raises(ParameterError, match="`robust` \\(='yes'\\)"):
        quick(robust="yes").fit(readings(100, "a"))


def test_torchs_random_state_is_left_alone():
    state = torch.random.get_rng_state()
    suspicious_rows([on_grid(dirty())], [None])
    assert torch.equal(state, torch.random.get_rng_state())
