from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.detection.thresholds_reference import adaptive_thresholds, peaks
from tsae.detection.thresholds import AdaptiveThreshold, Target, learn_threshold
from tsae.detection.thresholds.adaptive import Guards, guards_for
from tsae.detection.thresholds.clusters import MERGE_GAP, cluster_peaks
from tsae.errors import DataError

EXPONENTIAL = np.random.default_rng(0).exponential(size=12_000)
TARGETS = [Target(0.01), Target(0.001), Target(5e-4, "episodes")]


def with_trouble(seed: int, n_rows: int = 900) -> np.ndarray:
    rng = np.random.default_rng(seed)
    scores = rng.exponential(size=n_rows)
    scores[300:360] += 9
    scores[500:] += 3
    return scores


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_adaptive_thresholds_equal_those_put_together_row_by_row(target):
    guards = Guards(120, 0.1, 0.4, 300.0, -1.0, 2.0, learned=9, counted=4, quiet=6)
    calibration, scores = with_trouble(1, 250), with_trouble(2)
    adaptive = AdaptiveThreshold(calibration, target, guards)
    row_rate = float(adaptive.state()["numbers"][6])
    twin = adaptive_thresholds(
        scores.tolist(), calibration.tolist(), target.rate, row_rate, target.counts == "episodes", guards
    )
    np.testing.assert_allclose(adaptive.thresholds(scores), twin, rtol=1e-9)


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(0, 900), max_size=6), target=st.sampled_from(TARGETS))
def test_blocks_and_a_restored_state_change_nothing(cuts, target):
    scores = with_trouble(3)
    whole = AdaptiveThreshold(EXPONENTIAL[:500], target).thresholds(scores)
    adaptive, parts = AdaptiveThreshold(EXPONENTIAL[:500], target), []
    for part in np.split(scores, sorted(cuts)):
        parts.append(adaptive.thresholds(part))
        state = adaptive.state()
        adaptive = AdaptiveThreshold(EXPONENTIAL[:10], target)
        adaptive.restore(state)
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_no_threshold_depends_on_its_own_row_or_later_ones():
    scores = with_trouble(4)
    changed = scores.copy()
    changed[640:] = 99
    one, other = (AdaptiveThreshold(EXPONENTIAL[:500], TARGETS[0]).thresholds(each) for each in (scores, changed))
    np.testing.assert_array_equal(one[:641], other[:641])
    assert (one[641:] != other[641:]).any()


@pytest.mark.parametrize("target", TARGETS[:2], ids=str)
def test_a_new_normal_is_followed_and_a_short_anomaly_is_not(target):
    calibration, later = EXPONENTIAL[:2000], EXPONENTIAL[2000:] + np.linspace(0, 6, 10_000)
    rate = (later > AdaptiveThreshold(calibration, target).thresholds(later)).mean()
    static = (later > learn_threshold(calibration, method="pot", false_alarm_rate=target.rate).value).mean()
    assert rate < 3 * target.rate < static
    anomaly = EXPONENTIAL[2000:4000].copy()
    anomaly[1000:1200] += 20
    adaptive = AdaptiveThreshold(calibration, target)
    assert (anomaly > adaptive.thresholds(anomaly))[1000:1200].mean() > 0.5


def test_a_level_that_stays_becomes_the_new_normal():
    scores = EXPONENTIAL[2000:].copy() + 30
    flagged = scores > AdaptiveThreshold(EXPONENTIAL[:2000], Target(0.01)).thresholds(scores)
    assert flagged[:100].all()
    assert flagged[-3000:].mean() < 0.05


def test_without_scores_there_is_nothing_to_begin_with():
    with pytest.raises(DataError, match="no calibration row has a score"):
        AdaptiveThreshold(np.full(3, np.nan), Target(0.01))


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0]), max_size=60), st.sampled_from([0.0, 1.0, 2.5]))
def test_runs_have_the_peaks_that_a_loop_finds(scores, threshold):
    assert cluster_peaks(np.array(scores), threshold).tolist() == peaks(scores, threshold, MERGE_GAP)


def test_guards_depend_on_what_the_budget_counts():
    assert guards_for(Target(0.01)).memory != guards_for(Target(1e-3, "episodes")).memory
