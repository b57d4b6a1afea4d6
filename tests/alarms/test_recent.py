from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import genpareto

from tests.alarms.thresholds_reference import peaks, recent_thresholds
from tsae.alarms.thresholds import METHODS, RecentThreshold, Target, learn_threshold
from tsae.alarms.thresholds.learners import fit_pareto
from tsae.alarms.thresholds.threshold import MERGE_GAP, cluster_peaks, lowest_threshold
from tsae.errors import DataError
from tsae.scoring.rings import Rings

EXPONENTIAL = np.random.default_rng(0).exponential(size=12_000)
RARE = Target(1e-4, "episodes")
ONE = np.zeros(1, dtype=int)
TARGETS = [Target(0.01), Target(0.001), Target(5e-4, "episodes"), RARE]


def with_trouble(seed: int, n_rows: int = 900) -> np.ndarray:
    rng = np.random.default_rng(seed)
    scores = rng.exponential(size=n_rows)
    scores[300:360] += 9
    scores[500:] += 3
    return scores


@pytest.mark.parametrize("window", [8, 24])
@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_thresholds_equal_those_put_together_row_by_row(target, window):
    calibration, scores = with_trouble(1, 250), with_trouble(2)
    scores[700:705] = np.nan
    recent = RecentThreshold(calibration, target, window)
    twin, levels = recent_thresholds(scores.tolist(), calibration.tolist(), target, window)
    assert recent.first == pytest.approx(levels[0])
    np.testing.assert_allclose(recent.thresholds(scores), twin, rtol=1e-9)
    assert recent.levels(ONE)[0] != recent.first


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(0, 900), max_size=6), target=st.sampled_from(TARGETS))
def test_blocks_and_a_restored_state_change_nothing(cuts, target):
    scores = with_trouble(3)
    whole = RecentThreshold(EXPONENTIAL[:500], target, 16).thresholds(scores)
    recent, parts = RecentThreshold(EXPONENTIAL[:500], target, 16), []
    for part in np.split(scores, sorted(cuts)):
        parts.append(recent.thresholds(part))
        state = recent.arrays.state()
        recent = RecentThreshold(EXPONENTIAL[:500], target, 16)
        recent.arrays.restore(state)
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("target", TARGETS[1:3], ids=str)
def test_lanes_side_by_side_are_what_each_is_alone(target):
    scores = np.stack([with_trouble(seed) for seed in range(5)])
    scores[1, 40:60] = scores[2, 650:] = np.nan
    arrays = Rings()
    together = RecentThreshold(EXPONENTIAL[:500], target, 16, arrays=arrays, name="settled.")
    lanes = np.array([arrays.open() for _ in scores])
    rng, rows, found = np.random.default_rng(0), np.zeros(5, dtype=int), [[] for _ in scores]
    while (rows < scores.shape[1]).any():  # some lanes are ahead of others
        now = rng.permutation(lanes[(rows < scores.shape[1]) & (rng.random(5) < 0.8)])
        if len(now) == 1:
            answers = [together.next(scores[now[0], rows[now[0]]], int(now[0]))]
        else:
            answers = together.next_of(now, scores[now, rows[now]])
        for lane, answer in zip(now.tolist(), answers, strict=True):
            found[lane].append(answer)
        rows[now] += 1
    alone = [RecentThreshold(EXPONENTIAL[:500], target, 16).thresholds(each) for each in scores]
    np.testing.assert_array_equal(found, alone)


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_no_threshold_depends_on_its_own_row_or_later_ones(target):
    scores = with_trouble(4)
    changed = scores.copy()
    changed[640:] = 99
    one, other = (RecentThreshold(EXPONENTIAL[:500], target, 16).thresholds(each) for each in (scores, changed))
    np.testing.assert_array_equal(one[:641], other[:641])
    assert (one[641:] != other[641:]).any()


@pytest.mark.parametrize("target", TARGETS[:2], ids=str)
def test_a_share_of_rows_is_kept_while_scores_drift(target):
    calibration, later = EXPONENTIAL[:2000], EXPONENTIAL[2000:] + np.linspace(0, 6, 10_000)
    rate = (later > RecentThreshold(calibration, target, 16).thresholds(later)).mean()
    static = (later > learn_threshold(calibration, method="pot", false_alarm_rate=target.rate).value).mean()
    assert rate < 3 * target.rate < static


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_a_level_that_stays_becomes_the_new_normal(target):
    scores = EXPONENTIAL[2000:].copy() + 30
    flagged = scores > RecentThreshold(EXPONENTIAL[:2000], target, 16).thresholds(scores)
    assert flagged[:16].all()
    assert flagged[-3000:].mean() < 0.05


def test_an_alarm_goes_on_over_rows_that_the_level_has_caught_up_with():
    scores = EXPONENTIAL[2000:4000].clip(max=3)
    scores[1000:1200] = 20
    scores[1200:1300] = 3
    recent = RecentThreshold(EXPONENTIAL[:2000], RARE, 64)
    flagged = scores > recent.thresholds(scores)
    begun, ended = np.flatnonzero(np.diff(flagged.astype(int)))
    assert begun == 999
    assert 1000 + 96 <= ended < 1200  # one and a half windows after the last news, it is the new normal
    again = np.append(scores, np.full(10, 40.0))
    assert (again > RecentThreshold(EXPONENTIAL[:2000], RARE, 64).thresholds(again))[-10:].all()


def test_a_lane_begins_with_a_higher_threshold():
    recent = RecentThreshold(EXPONENTIAL[:2000], RARE, 16)
    thresholds = recent.thresholds(EXPONENTIAL[2000:4000].clip(max=3))
    assert thresholds[0] == pytest.approx(recent.first + 8)
    assert recent.values(ONE)[0] == recent.levels(ONE)[0]


def test_a_tighter_budget_has_higher_thresholds():
    firsts = [RecentThreshold(EXPONENTIAL[:2000], Target(rate, "episodes"), 16).first for rate in (1e-3, 1e-4, 1e-5)]
    assert firsts[0] < firsts[1] < firsts[2]


def test_rows_without_a_score_are_not_learned():
    one, other = (RecentThreshold(EXPONENTIAL[:500], TARGETS[0], 16) for _ in range(2))
    one.thresholds(np.full(160, np.nan))
    assert one.arrays["latest"][0].tolist() == other.arrays["latest"][0].tolist()


def test_without_scores_there_is_nothing_to_begin_with():
    with pytest.raises(DataError, match="no calibration row has a score"):
        RecentThreshold(np.full(3, np.nan), Target(0.01), 16)


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0]), max_size=60), st.sampled_from([0.0, 1.0, 2.5]))
def test_runs_have_the_peaks_that_a_loop_finds(scores, threshold):
    assert cluster_peaks(np.array(scores), threshold).tolist() == peaks(scores, threshold, MERGE_GAP)


@given(st.lists(st.floats(0, 9), min_size=1, max_size=60, unique=True), st.integers(0, 4))
@example([7.5, 7.0, 8.0, 1.5, 2.5, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 0.5, 6.0], 2)  # a row within a run joins nothing
def test_the_lowest_threshold_keeps_to_the_number_of_episodes(scores, allowed):
    found = lowest_threshold(np.array(scores), allowed)
    levels = sorted(scores, reverse=True)[: len(scores) // 2 + 1]
    counts = {level: len(peaks(scores, level, MERGE_GAP)) for level in levels}
    too_many = [level for level, count in counts.items() if count > allowed]
    if too_many:
        assert found == levels[levels.index(max(too_many)) - 1]
    else:
        assert found == max(level for level, count in counts.items() if count == max(counts.values()))


def test_scores_that_hardly_move_do_not_flag_everything():
    slow = np.sin(np.arange(4000) / 300) + np.arange(4000) * 1e-6
    for method in ("quantile", "conformal"):
        learned = learn_threshold(slow, method=method, false_alarm_rate="50 per 10000 rows")
        assert (slow > learned.value).mean() < 0.5


@pytest.mark.parametrize("shape", [-0.4, 0.0, 0.3])
def test_the_pareto_fit_equals_scipys(shape):
    excesses = genpareto.rvs(shape, scale=2.0, size=400, random_state=0)
    ours = fit_pareto(excesses)
    theirs, _, scale = genpareto.fit(excesses, floc=0)

    def likelihood(shape: float, scale: float) -> float:
        return float(genpareto.logpdf(excesses, shape, scale=scale).sum())

    assert likelihood(ours.shape, ours.scale) >= likelihood(theirs, scale) - 0.05
    assert ours.quantile(1e-3) == pytest.approx(genpareto.isf(1e-3, ours.shape, scale=ours.scale), rel=1e-6)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("budget", ["1%", "20 per 10000 rows"])
def test_learners_can_be_exchanged(method, budget):
    learned = learn_threshold(EXPONENTIAL, method=method, false_alarm_rate=budget)
    assert learned.method == method
    assert learned.n_clusters > 100
    if method != "mad":
        found = learned.value
        n_found = (found < EXPONENTIAL).sum() if budget == "1%" else len(cluster_peaks(EXPONENTIAL, found))
        wanted = 120 if budget == "1%" else 24
        assert 0.6 * wanted <= n_found <= 1.4 * wanted


def test_mad_is_that_of_a_gaussian():
    scores = np.random.default_rng(1).normal(5, 2, size=50_000)
    assert learn_threshold(scores, method="mad", false_alarm_rate=0.01).value == pytest.approx(5 + 2.326 * 2, rel=0.02)


def test_conformal_thresholds_hold_on_average_whatever_the_distribution():
    rng = np.random.default_rng(2)
    rates = []
    for _ in range(300):
        scores = rng.pareto(1.5, size=99)
        value = learn_threshold(scores, method="conformal", false_alarm_rate=0.05).value
        assert value == np.sort(scores)[-5]
        rates.append((rng.pareto(1.5, size=200) > value).mean())
    assert 0.04 < np.mean(rates) < 0.055


def test_conformal_says_when_there_is_no_guarantee():
    learned = learn_threshold(EXPONENTIAL[:500], method="conformal", false_alarm_rate=0.001)
    assert "no conformal guarantee" in learned.note
    assert np.isfinite(learned.value)
