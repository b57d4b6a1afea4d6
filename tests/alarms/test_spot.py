from __future__ import annotations

import copy

import numpy as np
import pytest

from tests.alarms.thresholds_reference import spot_thresholds
from tests.detection.plants import readings
from tsae import AnomalyDetector
from tsae.alarms.thresholds import Target, following_threshold, learn_threshold
from tsae.alarms.thresholds.learners import Spot, SpotThreshold
from tsae.errors import DataError
from tsae.streaming.scorer import StreamScorer
from tsae.streaming.state import restore_scorer, scorer_state

RNG = np.random.default_rng(0)
NORMAL = RNG.exponential(size=1500)
WAVES = np.convolve(RNG.exponential(size=3000), np.ones(12) / 12, "same")  # runs of high rows
TARGETS = [Target(0.01), Target(0.001), Target(0.3), Target(0.003, "episodes")]


def with_anomalies(scores: np.ndarray) -> np.ndarray:
    changed = scores.copy()
    changed[300:330] += 8
    changed[700] = 50.0
    return changed


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("depth", [0, 40, 10_000])
@pytest.mark.parametrize("scores", [NORMAL, WAVES])
def test_spot_is_the_slow_one(target, depth, scores):
    known, later = scores[:400], with_anomalies(scores[400:])
    found = SpotThreshold(known, target, depth=depth).thresholds(later)
    slow = spot_thresholds(
        later.tolist(), known.tolist(), target.rate, episodes=target.counts == "episodes", depth=min(depth, 200)
    )
    np.testing.assert_allclose(found, slow, rtol=1e-6)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("depth", [0, 40])
def test_spot_can_be_stopped_and_taken_up_anywhere(target, depth):
    later = with_anomalies(WAVES[400:])
    whole = SpotThreshold(WAVES[:400], target, depth=depth).thresholds(later)
    parts = []
    state = None
    for start in range(0, len(later), 317):
        spot = SpotThreshold(WAVES[:400], target, depth=depth)
        if state is not None:
            spot.restore(state)
        parts.append(spot.thresholds(later[start : start + 317]))
        state = spot.state()
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_the_first_threshold_is_the_one_that_is_learned():
    for depth in (0, 40):
        learned, note = Spot(depth).learn(NORMAL, Target(0.001))
        spot = SpotThreshold(NORMAL, Target(0.001), depth=depth)
        assert spot.first == spot.value == learned
        assert note == ""
    assert Spot().learn(NORMAL, Target(1e-5))[1] == "their tail was extrapolated"


def test_spot_keeps_a_fine_budget_about_and_overruns_a_coarse_one():
    scores = np.random.default_rng(1).exponential(size=20_000)
    for depth in (0, 200):
        rates = {
            rate: (scores[2000:] > SpotThreshold(scores[:2000], Target(rate), depth=depth).thresholds(scores[2000:]))
            for rate in (0.001, 0.02)
        }
        assert 0.0005 < rates[0.001].mean() < 0.002
        assert 0.02 < rates[0.02].mean() < 0.06


def test_only_dspot_follows_a_slow_rise_and_none_a_jump():
    rising = NORMAL[500:] + np.linspace(0, 4, 1000)
    rates = {
        depth: (rising > SpotThreshold(NORMAL[:500], Target(0.01), depth=depth).thresholds(rising)).mean()
        for depth in (0, 100)
    }
    assert rates[100] < 0.04 < 0.1 < rates[0]
    jumped = SpotThreshold(NORMAL[:500], Target(0.01), depth=100)
    assert (jumped.thresholds(NORMAL[500:] + 30) < 30).all()


def test_memory_does_not_grow_and_missing_scores_change_nothing():
    spot = SpotThreshold(NORMAL, Target(0.2))
    before = spot.state()
    assert len(before["excesses"]) == 500
    spot.thresholds(np.full(10, np.nan))
    for name, array in spot.state().items():
        np.testing.assert_array_equal(array, before[name])
    spot.thresholds(NORMAL)
    assert len(spot.state()["excesses"]) == 500


def test_equal_and_few_scores_have_a_finite_threshold():
    for scores in (np.zeros(1), np.ones(50), np.array([1.0, 2.0])):
        for target in TARGETS:
            assert np.isfinite(SpotThreshold(scores, target, depth=5).value)
            assert np.isfinite(learn_threshold(scores, method="dspot", false_alarm_rate=target.rate).value)
    with pytest.raises(DataError, match="no calibration row has a score"):
        SpotThreshold(np.full(3, np.nan), Target(0.1))


@pytest.fixture(scope="module")
def detector() -> AnomalyDetector:
    return AnomalyDetector(window_size=8, max_steps=10, random_state=0).fit(readings(400, "aa"))


@pytest.mark.parametrize("method", ["spot", "dspot"])
@pytest.mark.parametrize("budget", ["2%", "1 per 100 rows", "1 per 10000 rows"])
def test_a_detector_and_its_stream_follow_alike(detector, method, budget):
    table = readings(300, "aa", seed=3)
    table[100:110] += 1.5
    changed = copy.copy(detector).set_threshold(method, false_alarm_rate=budget)
    found = changed.detect(table)
    judged = found.judged.to_numpy()
    of_rows = budget.endswith("%")
    calibration = changed.calibration_.unsmoothed if of_rows else changed.calibration_.settled
    follower = following_threshold(changed.thresholds_, calibration, changed.window_size_)
    np.testing.assert_array_equal(found.thresholds, follower.thresholds(judged))
    assert changed.thresholds_.used.value >= found.thresholds.iloc[0]
    assert found.thresholds.nunique() > 1
    assert changed.detect(table, adapt=False).thresholds.nunique() == 1
    scorer, labels = StreamScorer(changed), []
    for start in range(0, len(table), 37):
        again = StreamScorer(changed)
        restore_scorer(again, *scorer_state(scorer))
        scorer = again
        labels += [each.label for each in scorer.update_many(table[start : start + 37]).settled]
    labels += [each.label for each in scorer.flush().settled]
    assert labels == found.labels.tolist()
    assert any(labels)
