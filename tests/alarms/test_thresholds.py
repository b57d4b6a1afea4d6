from __future__ import annotations

import copy
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import genpareto

from tests.detection.plants import readings
from tsae import AnomalyDetector
from tsae.alarms.thresholds import (
    StandingThreshold,
    Threshold,
    check_threshold,
    fixed_threshold,
    learn_threshold,
    learning,
    widened,
)
from tsae.alarms.thresholds.learners import LEARNERS
from tsae.alarms.thresholds.threshold import ThresholdLearner, cluster_peaks
from tsae.errors import DataError, ParameterError
from tsae.scoring.tails import LogTail, fit_log_tail

NORMAL = np.random.default_rng(0).exponential(size=5000)
"""Scores with an exponential tail: a share exp(-x) of all rows exceeds x."""


def learned(scores: np.ndarray = NORMAL, method: str = "pot", rate: float = 0.001) -> Threshold:
    return learn_threshold(scores, method=method, false_alarm_rate=rate)


@pytest.mark.parametrize("method", ["pot", "quantile"])
@pytest.mark.parametrize("rate", [0.3, 0.1, 0.05, 0.01, 0.002])
def test_the_quantile_of_an_exponential_is_found(method, rate):
    assert learned(method=method, rate=rate).value == pytest.approx(-math.log(rate), rel=0.1)


@pytest.mark.parametrize(("n_rows", "rate"), [(1000, 1e-4), (20_000, 1e-5)])
def test_peaks_over_threshold_answer_beyond_the_largest_score(n_rows, rate):
    scores = np.random.default_rng(0).exponential(size=n_rows)
    assert learned(scores, rate=rate).value == pytest.approx(-math.log(rate), rel=0.25)
    assert learned(scores, rate=rate).value > scores.max()


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.3])
def test_peaks_over_threshold_follow_the_shape_of_the_tail(shape):
    scores = genpareto.rvs(shape, size=20_000, random_state=0)
    assert learned(scores, rate=1e-4).value == pytest.approx(genpareto.isf(1e-4, shape), rel=0.2)


@given(
    scores=st.lists(st.floats(0, 1e6), min_size=1, max_size=200),
    rate=st.floats(1e-6, 0.999),
    method=st.sampled_from(["pot", "quantile"]),
)
def test_a_threshold_is_finite_and_no_lower_than_a_looser_one(scores, rate, method):
    strict, loose = (learned(np.array(scores), method, r).value for r in (rate, min(0.999, 2 * rate)))
    assert np.isfinite([strict, loose]).all()
    if method == "quantile":
        assert strict >= loose
        assert min(scores) <= strict <= max(scores)


@given(scores=st.lists(st.floats(0, 1e6), min_size=2, max_size=200), rate=st.floats(1e-3, 0.999))
def test_a_quantile_flags_about_the_share_that_was_asked_for(scores, rate):
    values = np.unique(scores)
    n_flagged = (values > learned(values, "quantile", rate).value).sum()
    assert abs(n_flagged - rate * (len(values) - 1)) <= 1


def test_thresholds_move_with_the_unit_of_the_scores():
    for method in ("pot", "quantile"):
        assert learned(7 * NORMAL, method).value == pytest.approx(7 * learned(method=method).value, rel=1e-3)


def test_few_or_equal_scores_fall_back_to_the_quantile():
    for scores in (NORMAL[:50], np.ones(1000), np.repeat([1.0, 2.0], 500), np.array([3.0])):
        assert learned(scores).value == learned(scores, "quantile").value


def test_rows_without_a_score_do_not_count():
    with_gaps = np.concatenate([NORMAL, np.full(500, np.nan)])
    assert learned(with_gaps) == learned(NORMAL)
    assert learned(NORMAL).n_rows == 5000


def test_a_rate_finer_than_the_rows_is_noted():
    assert learned(rate=0.001).note == ""
    assert learned(rate=1e-4).note == (
        "a rate of 0.0001 is finer than 5000 held-out rows can show; their tail was extrapolated"
    )
    assert learned(method="quantile", rate=1e-4).note == (
        "a rate of 0.0001 is finer than 5000 held-out rows can show; "
        "the threshold lies just below the largest of their scores"
    )
    few = learned(NORMAL[:45])
    assert few.note.endswith("the threshold lies just below the largest of their scores")
    assert (NORMAL[:45] > few.value).sum() == 1


def test_what_a_threshold_remembers():
    n_clusters = len(cluster_peaks(NORMAL, np.quantile(NORMAL, 0.9)))
    assert learned(rate=0.01) == Threshold(
        learned(rate=0.01).value, "pot", 0.01, 5000, budget="1%", n_clusters=n_clusters
    )
    assert fixed_threshold(3) == Threshold(3.0, "fixed", None, 0)


@pytest.mark.parametrize("scores", [np.empty(0), np.full(9, np.nan)])
def test_no_scores_are_refused(scores):
    with pytest.raises(
        DataError, match="no held-out row has a score to learn a threshold from; pass more training rows"
    ):
        learned(scores)


def test_wrong_methods_and_rates_are_refused_by_name():
    with pytest.raises(ParameterError, match=r"`threshold` \(='median'\) is unknown; choose a finite number or one of"):
        learned(method="median")
    with pytest.raises(ParameterError, match=r"`false_alarm_rate` \(=0\) must lie between 0 and 1, such as 0.001"):
        learned(rate=0)
    check_threshold(-3, 0.5)


@pytest.fixture(scope="module")
def detector() -> AnomalyDetector:
    return AnomalyDetector(window_size=8, max_steps=10, random_state=0).fit(readings(400, "aa"))


def test_the_threshold_is_learned_from_the_scores_that_held_out_rows_get(detector):
    scores = -detector.score_samples(readings(400, "aa"))[-60:]
    np.testing.assert_allclose(detector.calibration_.settled, scores, rtol=1e-4)
    again = learn_threshold(scores, method="pot", false_alarm_rate="1 per 10000 rows")
    raised = widened(again, scores, detector.model_.later, kind=0)
    assert detector.threshold_ == pytest.approx(raised.value, rel=1e-4)
    assert raised.value >= again.value


@pytest.mark.parametrize("window_size", ["auto", (4, 17)])
@pytest.mark.parametrize("channels", ["a", "aacs"])
@pytest.mark.parametrize("lag", ["auto", 0])
def test_held_out_rows_are_scored_as_in_the_whole_series(window_size, channels, lag):
    training = readings(500, channels)
    fitted = AnomalyDetector(window_size=window_size, lag=lag, max_steps=2, random_state=0).fit(training)
    np.testing.assert_allclose(fitted.calibration_.settled, -fitted.score_samples(training)[-75:], rtol=1e-3, atol=1e-4)


def test_the_threshold_can_be_changed_without_training_again(detector):
    changed, values = copy.copy(detector), readings(100, "aa", seed=3)
    before = detector.score_samples(values)
    strict = changed.set_threshold("quantile", false_alarm_rate=0.01).threshold_
    loose = changed.set_threshold("quantile", false_alarm_rate=0.2).threshold_
    assert loose < strict
    assert changed.learned_threshold_.false_alarm_rate == 0.2
    changed.set_threshold(1.5)
    assert (changed.threshold_, changed.offset_, changed.learned_threshold_.method) == (1.5, -1.5, "fixed")
    np.testing.assert_array_equal(changed.score_samples(values), before)
    np.testing.assert_array_equal(changed.predict(values) == -1, -before > 1.5)
    assert changed.set_threshold("pot").threshold_ == detector.threshold_


def test_a_stated_threshold_is_used(detector):
    stated = AnomalyDetector(window_size=8, max_steps=10, random_state=0, threshold=np.float32(2)).fit(
        readings(400, "aa")
    )
    assert stated.threshold_ == 2.0
    np.testing.assert_array_equal(stated.score_samples(readings(50, "aa")), detector.score_samples(readings(50, "aa")))


ERRORS = np.random.default_rng(1).gamma(2.0, size=4000)


@given(
    normal=st.lists(st.floats(0, 1e6), min_size=1, max_size=60),
    scores=st.lists(st.floats(0, 1e12), min_size=2, max_size=30),
)
def test_calibration_keeps_the_order_and_is_never_negative(normal, scores):
    calibrated = fit_log_tail(np.array(normal))(np.sort(scores))
    assert np.isfinite(calibrated).all()
    assert (calibrated >= 0).all()
    assert (np.diff(calibrated) >= 0).all()


def test_below_the_nine_tenths_quantile_calibration_goes_by_ranks():
    for rank in (0.1, 0.5, 0.8, 0.9):
        score = fit_log_tail(ERRORS)(np.quantile(ERRORS, [rank]))
        assert score[0] == pytest.approx(-math.log(1 - rank), rel=0.02)


def test_scores_that_differ_in_scale_and_shape_alone_are_calibrated_alike():
    below = ERRORS[np.quantile(ERRORS, 0.9) > ERRORS]
    plain = fit_log_tail(ERRORS)(below)
    np.testing.assert_allclose(fit_log_tail(100 * ERRORS)(100 * below), plain, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(fit_log_tail(ERRORS**2)(below**2), plain, atol=0.05)


def test_the_tail_of_a_power_law_is_minus_log_p():
    """The logarithm of a Pareto score has an exponential tail."""
    scores = np.random.default_rng(2).pareto(3.0, size=50_000) + 1
    share = np.array([0.05, 0.01, 1e-3, 1e-6])
    calibrated = fit_log_tail(scores)(share ** (-1 / 3))
    np.testing.assert_allclose(calibrated, -np.log(share), rtol=0.05)


def test_beyond_everything_seen_scores_keep_their_distance():
    tail = fit_log_tail(ERRORS)
    far = tail(ERRORS.max() * np.array([1.0, 10.0, 100.0, 1000.0]))
    np.testing.assert_allclose(np.diff(far), math.log(10) / tail.excess, rtol=0.01)


def test_missing_scores_stay_missing_and_do_not_count():
    gaps = np.concatenate([ERRORS, [np.nan] * 100])
    np.testing.assert_array_equal(fit_log_tail(gaps)(gaps[-3:]), [np.nan] * 3)
    np.testing.assert_array_equal(fit_log_tail(gaps)(ERRORS), fit_log_tail(ERRORS)(ERRORS))


@pytest.mark.parametrize("normal", [np.zeros(50), np.ones(50), np.array([4.0])])
def test_equal_scores_still_tell_larger_ones(normal):
    tail: LogTail = fit_log_tail(normal)
    assert tail(normal[:1])[0] < tail(np.array([10 * normal[0] + 1]))[0]


def test_no_normal_score_is_refused():
    with pytest.raises(DataError, match="no held-out row has a score; pass more training rows"):
        fit_log_tail(np.full(5, np.nan))


def test_a_new_learner_is_one_entry(monkeypatch):
    """Also one that goes on learning: its own threshold follows the rows."""

    class Highest(ThresholdLearner):
        def learn(self, scores, target):
            return float(scores.max()), ""

        def follow(self, calibration, target):
            return StandingThreshold(float(np.nanmax(calibration)) + 1)

    monkeypatch.setitem(LEARNERS, "highest", Highest())
    monkeypatch.setattr(learning, "METHODS", tuple(LEARNERS))
    detector = AnomalyDetector(window_size=8, max_steps=3, threshold="highest", random_state=0).fit(readings(200, "aa"))
    assert detector.learned_threshold_.method == "highest"
    thresholds = detector.detect(readings(50, "aa", seed=1)).thresholds
    judged = detector.thresholds_.judged_of(detector.calibration_)
    np.testing.assert_allclose(thresholds, np.nanmax(judged) + 1)
