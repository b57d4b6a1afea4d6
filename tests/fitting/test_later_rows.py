"""Scores of later training rows, and static thresholds raised by them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import tsae
from tsae import AnomalyDetector
from tsae.alarms.thresholds import learn_thresholds
from tsae.detection.parameters.resolved import series_options
from tsae.fitting.build import fit_linear_model
from tsae.fitting.later_rows import _sampled, learn_later_scores
from tsae.fitting.training_rows import Span, held_out_scores, split_in_time

TOO_SHORT = "training is too short"


def series(n_rows: int, drift: float, *, seed: int = 0, first: int = 0) -> np.ndarray:
    """Two waves and noise; the mean of the first channel wanders away by `drift` per 1000 rows."""
    rows = np.arange(first, first + n_rows)
    waves = np.column_stack([np.sin(rows / 5), np.cos(rows / 7)])
    waves[:, 0] += drift * rows / 1000
    return waves + np.random.default_rng([seed, first]).normal(scale=0.2, size=waves.shape)


def fitted(training: np.ndarray, **parameters: object) -> AnomalyDetector:
    return AnomalyDetector(**{"preset": "fast", "max_steps": 5, "random_state": 0, **parameters}).fit(training)


def unraised(detector: AnomalyDetector) -> float:
    """The threshold that a model without scores of later rows learns."""
    model = detector.model_
    return learn_thresholds(model.calibration, "pot", detector.false_alarm_rate, model.period).settled.value


@pytest.fixture(scope="module")
def drifting() -> AnomalyDetector:
    return fitted(series(1500, 1.0))


def test_fewer_rows_of_a_drifting_series_are_flagged(drifting):
    later = -drifting.score_samples(series(1500, 1.0, first=1500))
    assert np.mean(later > unraised(drifting)) > 0.4
    assert np.mean(later > drifting.threshold_) < 0.6 * np.mean(later > unraised(drifting))
    assert "raised from" in drifting.learned_threshold_.note
    assert drifting.offset_ == -drifting.threshold_


def test_the_threshold_of_a_stationary_series_hardly_changes():
    detector = fitted(series(3000, 0.0))
    assert unraised(detector) <= detector.threshold_ <= 1.15 * unraised(detector)


def test_faults_stand_out_of_a_drifting_series(drifting):
    rows = series(400, 1.0, first=1500)
    rows[200:230, 1] += 6
    assert (drifting.predict(rows)[200:230] == -1).any()


def test_the_same_rows_give_the_same_numbers(drifting):
    again = fitted(series(1500, 1.0))
    np.testing.assert_array_equal(again.model_.later.quantiles, drifting.model_.later.quantiles)
    assert again.thresholds_ == drifting.thresholds_


@pytest.mark.parametrize("budget", [0.01, "1 per 500 rows"])
def test_another_budget_gives_what_fit_gives_with_it(drifting, budget):
    direct = fitted(series(1500, 1.0), false_alarm_rate=budget)
    assert drifting.set_threshold("pot", false_alarm_rate=budget).thresholds_ == direct.thresholds_
    drifting.set_threshold("pot")


def test_recalibrate_uses_the_scores_of_later_training_rows(tmp_path):
    detector = fitted(series(1500, 1.0))
    detector.save(tmp_path / "m.tsae")
    loaded = tsae.load(tmp_path / "m.tsae")
    assert loaded.thresholds_ == detector.thresholds_
    np.testing.assert_array_equal(loaded.model_.later.quantiles, detector.model_.later.quantiles)
    rows = series(300, 1.0, first=1500)
    for each in (detector, loaded):
        each.recalibrate(rows, threshold="pot", false_alarm_rate=0.01)
    assert "raised from" in loaded.learned_threshold_.note or loaded.threshold_ >= unraised(loaded)
    assert loaded.threshold_ == pytest.approx(detector.threshold_, rel=1e-4)
    assert loaded.recalibrate(rows, threshold=3.5).threshold_ == 3.5


def test_a_file_without_scores_of_later_rows_keeps_its_thresholds(tmp_path, drifting):
    before = fitted(series(1500, 1.0))
    before.model_ = replace(before.model_, later=None)
    before.save(tmp_path / "m.tsae")
    loaded = tsae.load(tmp_path / "m.tsae")
    assert loaded.model_.later is None
    assert loaded.thresholds_ == drifting.thresholds_
    assert loaded.set_threshold("pot").threshold_ == unraised(loaded) < drifting.threshold_


@pytest.mark.parametrize("n_rows", [60, 140])
def test_training_that_is_too_short_is_noted(n_rows):
    detector = fitted(series(n_rows, 1.0))
    assert TOO_SHORT in detector.learned_threshold_.note
    assert detector.threshold_ == unraised(detector)


def test_a_window_longer_than_the_earlier_rows_leaves_that_part_out():
    detector = fitted(series(400, 0.0), window_size=180)
    assert len(detector.model_.later.quantiles) == 1


def test_kinds_of_networks_do_not_change_the_linear_members():
    plain, other = (fitted(series(600, 1.0), **more) for more in ({}, {"network": {"bottleneck": "gaussian"}}))
    np.testing.assert_array_equal(plain.model_.later.quantiles, other.model_.later.quantiles)


def test_a_fleet_is_cut_entity_by_entity():
    tables = [pd.DataFrame(series(n, 1.0, seed=n), columns=["a", "b"]) for n in (600, 900)]
    detector = AnomalyDetector(preset="fast", max_steps=2, random_state=0).fit(tables)
    assert detector.model_.later.quantiles.shape == (2, 4, 9)


def test_of_many_spans_some_are_scored():
    spans = [Span(np.zeros((200, 1)), 100, entity) for entity in range(500)]
    sampled = _sampled(spans)
    assert len({span.entity for span in sampled}) == 20
    assert 1500 <= sum(span.n_held_out for span in sampled) <= 1800


@pytest.mark.parametrize("lengths", [[90], [50, 40], [10, 60, 20]])
@pytest.mark.parametrize("share", [1 / 3, 2 / 3])
def test_rows_are_cut_in_time(lengths, share):
    values, start, spans = np.arange(180.0)[:, None], 0, []
    for entity in range(2):
        own = []
        for length in lengths:
            own.insert(0, Span(values[start : start + length], 0, entity))  # the latest first
            start += length
        spans += own
    earlier, later = split_in_time(spans, share, held_out=0.2)
    for entity in range(2):
        first = entity * 90
        cut = first + int(share * 90)
        before = np.concatenate([span.values for span in earlier if span.entity == entity])
        after = [span.values[len(span.values) - span.n_held_out :] for span in later if span.entity == entity]
        assert sorted(before.ravel()) == list(range(first, cut))
        assert sorted(np.concatenate(after).ravel()) == list(range(cut, first + 90))
        held_out = [span.values[len(span.values) - span.n_held_out :] for span in earlier if span.entity == entity]
        n_held_out = round(0.2 * (cut - first))
        assert sorted(np.concatenate(held_out).ravel()) == list(range(cut - n_held_out, cut))


def test_few_rows_are_scored_as_in_the_whole():
    training = series(900, 1.0)
    spans = [Span(training, 135)]
    options = series_options(AnomalyDetector().get_params(deep=False), seed=0)
    found = learn_later_scores(spans, options, held_out=0.15, lag=None)
    for part, share in zip(found.quantiles, (1 / 3, 2 / 3), strict=True):
        n_earlier = int(share * 900)
        ensemble = fit_linear_model([Span(training[:n_earlier], round(0.15 * n_earlier))], options)
        rows = [Span(training, 900 - n_earlier)]
        scores = held_out_scores(ensemble, rows, lag=ensemble.full_lag)
        for kind, known in zip(part, scores, strict=True):
            np.testing.assert_allclose(kind, np.quantile(known[~np.isnan(known)], found.levels), rtol=1e-6)
