"""What every detector promises, however it is put together."""

from __future__ import annotations

import copy
import random
from dataclasses import replace
from itertools import repeat
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import tsae
from tests.detection.plants import COMPOSITIONS, N_TRAINING, SHORT_LAGS, Composition, fitted, readings, today
from tsae import AnomalyDetector
from tsae.scoring.scorer import Scorer

every_composition = pytest.mark.parametrize("composition", COMPOSITIONS, ids=str)
every_lag = pytest.mark.parametrize(
    ("composition", "lag"), [*((composition, "auto") for composition in COMPOSITIONS), *SHORT_LAGS], ids=str
)
SMALL = Composition("aacs", (4, 12), "dense", True, "deterministic")
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def at_lag(composition: Composition, lag: int | str) -> AnomalyDetector:
    """The detector as it is after a fit with another `lag`: only how long scores wait is different."""
    detector = copy.copy(fitted(composition))
    detector.model_ = detector.model_ if lag == "auto" else replace(detector.model_, lag=lag)
    return detector


def in_blocks(detector: AnomalyDetector, values: np.ndarray, sizes: Any) -> tuple[np.ndarray, np.ndarray]:
    """Settled and immediate scores of rows that come in blocks of these sizes, over and over."""
    scorer = Scorer(detector.model_.ensemble, lag=detector.lag_)
    lane, steps, first = np.array([scorer.open()]), [], 0
    while first < len(values):
        size = next(sizes)
        if size:
            steps.append(scorer.push(lane, values[None, first : first + size]))
        first += size
    settled = [step.settled[step.is_settled] for step in steps]
    return np.concatenate([*settled, scorer.flush(0).settled]), np.concatenate([step.immediate for step in steps])


def block_sizes() -> Any:
    rng = np.random.default_rng(0)
    while True:
        yield int(rng.choice([0, 1, 1, 2, 9, 30]))


@every_lag
def test_stream_equals_blocks_equals_file(composition, lag):
    detector, values = at_lag(composition, lag), today(composition)
    file = -detector.score_samples(values)
    settled, immediate = in_blocks(detector, values, block_sizes())
    np.testing.assert_allclose(settled, file, **CLOSE)
    np.testing.assert_allclose(immediate, -at_lag(composition, 0).score_samples(values), **CLOSE)


@pytest.mark.parametrize("lag", [0, 5])
def test_a_lag_changes_when_a_score_is_given_and_nothing_that_was_learned(lag):
    short, values = fitted(SMALL, lag=lag), today(SMALL)
    assert short.lag_ == lag
    np.testing.assert_array_equal(short.score_samples(values), at_lag(SMALL, lag).score_samples(values))
    np.testing.assert_array_equal(short.transform(values), fitted(SMALL).transform(values))


def test_a_lag_longer_than_useful_is_cut():
    longest = fitted(SMALL).lag_
    assert fitted(SMALL, lag=10_000).lag_ == longest == fitted(SMALL).model_.ensemble.full_lag


@every_lag
def test_no_score_depends_on_rows_later_than_the_lag(composition, lag):
    detector, values = at_lag(composition, lag), today(composition, 200)
    before = detector.score_samples(values)
    for row in (0, 100):
        changed = values.copy()
        changed[row + detector.lag_ + 1 :] = 1e3
        np.testing.assert_allclose(detector.score_samples(changed)[: row + 1], before[: row + 1], **CLOSE)
        cut = values[: row + detector.lag_ + 1]
        np.testing.assert_allclose(detector.score_samples(cut)[: row + 1], before[: row + 1], **CLOSE)


@every_composition
def test_a_lag_is_used_and_not_only_waited_for(composition):
    detector, values = fitted(composition), readings(150, composition.channels, seed=3)
    changed = values.copy()
    changed[100:, 0] += 30
    difference = np.abs(detector.score_samples(changed) - detector.score_samples(values))
    assert difference[: 100 - detector.lag_].max() < 1e-4
    assert difference[100 - detector.lag_ // 2 : 100].max() > 1e-3


@every_composition
def test_a_file_keeps_the_whole_detector(composition, tmp_path):
    detector, values = fitted(composition), today(composition)
    detector.save(tmp_path / "m.tsae")
    loaded = tsae.load(tmp_path / "m.tsae")
    for method in ("score_samples", "predict", "errors", "transform", "reconstruct", "denoise"):
        # What was loaded is executed by ONNX Runtime, what was fitted by torch: equal up to rounding.
        of_file, fresh = (getattr(each, method)(values) for each in (loaded, detector))
        np.testing.assert_allclose(of_file, fresh, rtol=1e-3, atol=2e-3, err_msg=method)
    codes = detector.transform(values)[:5]
    np.testing.assert_array_equal(loaded.inverse_transform(codes), detector.inverse_transform(codes))
    assert vars(detector).keys() == vars(loaded).keys()
    for name in ("threshold_", "offset_", "lag_", "period_", "window_size_", "latent_dim_", "units_", "data_hash_"):
        assert getattr(loaded, name) == getattr(detector, name), name
    assert loaded.learned_threshold_ == detector.learned_threshold_
    assert loaded.fit_reports_ == detector.fit_reports_
    assert loaded.compression() == detector.compression()
    if composition.bottleneck == "gaussian":
        np.testing.assert_array_equal(loaded.sample(3, random_state=0), detector.sample(3, random_state=0))
    loaded.set_threshold("quantile", false_alarm_rate=0.05)
    assert loaded.threshold_ == copy.copy(detector).set_threshold("quantile", false_alarm_rate=0.05).threshold_


@every_composition
def test_scoring_is_repeatable_and_leaves_its_input_alone(composition):
    detector, values = fitted(composition), today(composition)
    before = values.copy()
    values.flags.writeable = False
    for method in ("score_samples", "predict", "errors", "transform", "reconstruct", "denoise", "detect"):
        getattr(detector, method)(values)
    np.testing.assert_array_equal(values, before)
    np.testing.assert_array_equal(detector.score_samples(values), detector.score_samples(values))


@every_lag
def test_every_row_has_a_finite_score_whatever_is_missing(composition, lag):
    detector, values = at_lag(composition, lag), today(composition, 200)
    values[:9] = np.nan
    values[100:190] = np.nan
    for table in (values, values[:1], values[9:10], values[20:23], values[110:120], np.full_like(values, np.nan)):
        scores = -detector.score_samples(table)
        assert scores.shape == (len(table),)
        assert np.isfinite(scores).all()
        assert (scores >= 0).all()
        assert set(detector.predict(table)) <= {1, -1}


@every_composition
def test_a_missing_entry_has_no_error_and_all_others_have_one(composition):
    detector, values = fitted(composition), today(composition)
    errors = detector.errors(values)
    np.testing.assert_array_equal(np.isnan(errors), np.isnan(values))
    assert (errors[~np.isnan(values)] >= 0).all()


@pytest.mark.parametrize(("composition", "lag"), SHORT_LAGS, ids=str)
def test_a_missing_entry_has_no_error_at_a_short_lag(composition, lag):
    values = today(composition)
    assert np.isnan(at_lag(composition, lag).errors(values)[np.isnan(values)]).all()


@every_composition
def test_index_in_equals_index_out(composition):
    detector = copy.copy(fitted(composition))
    table = pd.DataFrame(today(composition), index=pd.RangeIndex(500, 590, name="row"))
    for frame in (detector.errors(table), detector.reconstruct(table)):
        pd.testing.assert_index_equal(frame.index, table.index)
        pd.testing.assert_index_equal(frame.columns, table.columns)
    found = detector.detect(table)
    for part in (found.scores, found.labels, found.errors):
        pd.testing.assert_index_equal(part.index, table.index)
    np.testing.assert_array_equal(found.scores, -detector.score_samples(table))
    static = detector.detect(table, adapt=False)
    np.testing.assert_array_equal(static.labels, detector.predict(table) == -1)
    np.testing.assert_allclose(found.errors, detector.errors(table))
    assert found.threshold == detector.threshold_


@every_composition
def test_codes_and_windows_belong_together(composition):
    detector, values = fitted(composition), readings(60, composition.channels, seed=5)
    codes = detector.transform(values)
    assert codes.shape == (60, detector.latent_dim_)
    assert np.isfinite(codes).all()
    windows = detector.inverse_transform(codes)
    assert windows.shape == (60, detector.window_size_, len(composition.channels))
    size = detector.window_size_
    expected = detector.reconstruct(values[60 - size :])
    np.testing.assert_allclose(windows[-1], expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("composition", [SMALL, COMPOSITIONS[11]], ids=str)
def test_the_same_seed_gives_the_same_model_and_another_one_another(composition):
    parameters = fitted(composition).get_params(deep=False)
    training, values = readings(N_TRAINING, composition.channels), today(composition)
    first = fitted(composition).score_samples(values)
    np.testing.assert_array_equal(AnomalyDetector(**parameters).fit(training).score_samples(values), first)
    other = AnomalyDetector(**{**parameters, "random_state": 1}).fit(training).score_samples(values)
    assert np.abs(other - first).max() > 1e-4


def test_a_random_state_object_is_used_up_and_a_fresh_one_gives_the_same_model():
    training, values = readings(N_TRAINING, "aa"), readings(50, "aa", seed=4)
    scores = [
        AnomalyDetector(window_size=8, max_steps=5, random_state=np.random.RandomState(3)).fit(training)
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*(detector.score_samples(values) for detector in scores))


def test_global_random_states_are_left_alone(tmp_path):
    states = random.getstate(), np.random.get_state(), torch.random.get_rng_state()
    training = readings(N_TRAINING, "aas")
    detector = AnomalyDetector(
        max_steps=5, network={"bottleneck": "gaussian", "corruption": "gaussian"}, random_state=0
    ).fit(training)
    detector.score_samples(training)
    detector.save(tmp_path / "m.tsae")
    tsae.load(tmp_path / "m.tsae").detect(training)
    assert random.getstate() == states[0]
    assert all(np.array_equal(a, b) for a, b in zip(np.random.get_state(), states[1], strict=True))
    assert torch.equal(torch.random.get_rng_state(), states[2])


def test_fitting_leaves_parameters_and_input_alone():
    training, excluded = readings(N_TRAINING, "aac"), np.zeros(N_TRAINING, dtype=bool)
    excluded[50:60] = True
    before = training.copy(), excluded.copy()
    detector = AnomalyDetector(window_size=[8, 4], network={"hidden": [16, 8]}, max_steps=5, random_state=0)
    parameters = copy.deepcopy(detector.get_params())
    detector.fit(training, excluded=excluded)
    assert detector.get_params() == parameters
    np.testing.assert_array_equal(training, before[0])
    np.testing.assert_array_equal(excluded, before[1])


def minutes(n_rows: int, first: str = "2026-03-01") -> pd.DatetimeIndex:
    return pd.date_range(first, periods=n_rows, freq="min")


def test_excluded_rows_change_nothing():
    excluded = np.zeros(N_TRAINING, dtype=bool)
    excluded[[*range(30, 41), *range(225, 230)]] = True
    fits = []
    for value in (20.0, 1e4, np.nan):
        training = readings(N_TRAINING, "aas")
        training[excluded] = value
        detector = AnomalyDetector(window_size=(4, 12), max_steps=10, random_state=0)
        fits.append(detector.fit(training, excluded=excluded))
    values = readings(60, "aas", seed=6)
    for other in fits[1:]:
        assert other.threshold_ == fits[0].threshold_
        np.testing.assert_array_equal(other.score_samples(values), fits[0].score_samples(values))


def test_excluded_rows_never_alarm_and_do_not_touch_the_scores_of_others():
    detector, values = fitted(SMALL), readings(120, SMALL.channels, seed=6)
    excluded = np.zeros(120, dtype=bool)
    excluded[60:66] = True
    results = []
    for value in (20.0, 1e4, np.nan):
        values[60:66] = value
        results.append(detector.detect(values, excluded=excluded))
    for found in results:
        assert not found.labels[excluded].any()
        np.testing.assert_array_equal(found.scores[~excluded], results[0].scores[~excluded])
        assert all(event.stop < 60 or event.start > 65 for event in found.events)
    assert detector.detect(np.where(excluded[:, None], 1e4, values)).labels[excluded].any()


def test_an_event_does_not_bridge_excluded_rows():
    detector, values = fitted(SMALL), readings(120, SMALL.channels, seed=6)
    values[50:80, 0] += 200
    excluded = np.zeros(120, dtype=bool)
    excluded[64:66] = True
    events = detector.detect(values, excluded=excluded).events
    assert len(events) >= 2
    assert all(event.stop < 64 or event.start > 65 for event in events)
    assert all(not excluded[event.peak] for event in events)


def test_windows_do_not_straddle_a_gap():
    detector, values = fitted(SMALL), readings(120, SMALL.channels, seed=7)
    index = minutes(60).append(minutes(60, "2026-03-05"))
    training = pd.DataFrame(readings(N_TRAINING, SMALL.channels), index=minutes(N_TRAINING))
    detector = AnomalyDetector(window_size=(4, 12), max_steps=10, random_state=0).fit(training)
    whole = detector.score_samples(pd.DataFrame(values, index=index))
    parts = [
        detector.score_samples(pd.DataFrame(values[rows], index=index[rows])) for rows in (slice(60), slice(60, 120))
    ]
    np.testing.assert_allclose(whole, np.concatenate(parts), **CLOSE)
    assert np.abs(whole - detector.score_samples(values)).max() > 1e-3


def test_a_short_gap_is_bridged_by_missing_rows():
    training = pd.DataFrame(readings(N_TRAINING, "aa"), index=minutes(N_TRAINING))
    detector = AnomalyDetector(window_size=8, max_steps=10, max_fill=3, random_state=0).fit(training)
    values = pd.DataFrame(readings(90, "aa", seed=8), index=minutes(90))
    holes = values.copy()
    holes.iloc[40:43] = np.nan
    found = detector.detect(values.drop(values.index[40:43]))
    np.testing.assert_array_equal(found.scores, detector.detect(holes).scores.drop(values.index[40:43]))
    assert len(found.scores) == 87


def test_training_windows_do_not_straddle_a_gap():
    """A jump between two segments is nothing to learn; within one it is."""
    rows = readings(N_TRAINING, "aa")
    jump = rows.copy()
    jump[120:] += 300
    index = minutes(120).append(minutes(120, "2026-03-05"))
    kinds = [pd.DataFrame(jump, index=index), pd.DataFrame(jump, index=minutes(N_TRAINING))]
    alone, together = (AnomalyDetector(window_size=8, max_steps=10, random_state=0).fit(kind) for kind in kinds)
    assert alone.score_samples(kinds[0])[119:121].min() > together.score_samples(kinds[1])[100:140].min()


def test_a_fleet_is_a_list_of_series_that_never_touch():
    machines = [readings(N_TRAINING, "aas", seed=seed) for seed in (0, 1)]
    detector = AnomalyDetector(window_size=(4, 12), max_steps=10, random_state=0).fit(machines)
    new = [readings(60, "aas", seed=5), readings(7, "aas", seed=6), readings(40, "aas", seed=7)]
    one_by_one = [detector.score_samples(machine) for machine in new]
    np.testing.assert_array_equal(detector.score_samples(new), np.concatenate(one_by_one))
    assert [len(table) for table in detector.errors(new)] == [60, 7, 40]
    found = detector.detect(new, excluded=[None, None, np.arange(40) < 20])
    assert [len(detection.scores) for detection in found] == [60, 7, 40]
    assert [detection.entity for detection in found] == ["0", "1", "2"]
    assert detector.transform(new).shape == (107, detector.latent_dim_)


def test_row_by_row_equals_the_file():
    detector, values = fitted(SMALL), today(SMALL)
    settled, immediate = in_blocks(detector, values, repeat(1))
    np.testing.assert_allclose(settled, -detector.score_samples(values), **CLOSE)
    np.testing.assert_allclose(immediate, -at_lag(SMALL, 0).score_samples(values), **CLOSE)
