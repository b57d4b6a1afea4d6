from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.streaming.reference import CHANNELS, bytes_held, of_file, plant, scores_of, troubled
from tsae import AnomalyDetector, StreamScorer
from tsae.errors import DataError, ParameterError
from tsae.streaming.scorer import RowScore, StreamScores

RTOL = 1e-4


@pytest.fixture(scope="module")
def detector() -> AnomalyDetector:
    return AnomalyDetector(window_size=[8, 16], max_steps=30, random_state=0).fit(plant(500))


def push(scorer: StreamScorer, frame: pd.DataFrame, cuts: list[int]) -> tuple[list[RowScore], list[RowScore]]:
    """Immediate and settled scores of all rows, handed in as blocks cut at these places."""
    bounds = [0, *sorted(cuts), len(frame)]
    answers = [
        scorer.update_many(frame.to_numpy()[start:stop], frame.index[start:stop]) for start, stop in pairwise(bounds)
    ]
    answers.append(scorer.flush())
    immediate = [row for answer in answers for row in answer.immediate]
    return immediate, [row for answer in answers for row in answer.settled]


@pytest.mark.parametrize("lag", [None, 0, 3])
def test_settled_scores_row_by_row_equal_those_of_the_file(detector: AnomalyDetector, lag: int | None) -> None:
    frame = troubled()
    as_file = copy.copy(detector)
    as_file.model_ = detector.model_ if lag is None else replace(detector.model_, lag=lag)
    _, settled = push(StreamScorer(detector, lag=lag), frame, list(range(1, len(frame))))
    np.testing.assert_allclose(scores_of(settled), of_file(as_file, frame), rtol=RTOL)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda scorer: pickle.loads(pickle.dumps(scorer))])
def test_a_copied_or_pickled_scorer_goes_on_by_itself(
    detector: AnomalyDetector, copied: Callable[[StreamScorer], StreamScorer]
) -> None:
    values = plant(280).to_numpy()
    alone, scorer = StreamScorer(detector), StreamScorer(detector)
    scores = [alone.update(row).immediate[0].score for row in values]
    for row in values[:120]:
        scorer.update(row)
    other = copied(scorer)
    for _ in range(100):
        scorer.update(values[5])  # which must not show in the other one
    assert [other.update(row).immediate[0].score for row in values[120:]] == scores[120:]


@settings(max_examples=8)
@given(
    cuts=st.lists(st.integers(0, 200), max_size=8),
    missing=st.lists(st.tuples(st.integers(0, 199), st.integers(0, 2)), max_size=30),
    dropped=st.sets(st.integers(1, 199), max_size=40),
)
def test_blocks_equal_the_file(
    detector: AnomalyDetector, cuts: list[int], missing: list[tuple[int, int]], dropped: set[int]
) -> None:
    frame = plant(200, seed=2)
    for row, channel in missing:
        frame.iloc[row, channel] = np.nan
    frame = frame.drop(frame.index[sorted(dropped)])
    scorer = StreamScorer(detector)
    immediate, settled = push(scorer, frame, [min(cut, len(frame)) for cut in cuts])
    np.testing.assert_allclose(scores_of(settled), of_file(detector, frame), rtol=RTOL)
    _, at_once = push(StreamScorer(detector, lag=0), frame, [])
    np.testing.assert_allclose(scores_of(immediate), scores_of(at_once), rtol=RTOL)


def test_errors_of_settled_rows_are_those_of_the_file(detector: AnomalyDetector) -> None:
    frame = troubled()
    _, settled = push(StreamScorer(detector), frame, [50, 120])
    errors = np.array([row.errors for row in settled])
    np.testing.assert_allclose(errors, detector.errors(frame).to_numpy(), rtol=1e-3, atol=1e-4)


def test_rows_settle_at_most_a_lag_later(detector: AnomalyDetector) -> None:
    scorer = StreamScorer(detector)
    n_settled = 0
    for place, row in enumerate(plant(150).to_numpy()):
        n_settled += len(scorer.update(row).settled)
        assert place + 1 - n_settled <= scorer.lag


def test_immediate_scores_do_not_depend_on_later_rows(detector: AnomalyDetector) -> None:
    frame = plant(80)
    changed = frame.copy()
    changed.iloc[50:] += 5
    one, _ = push(StreamScorer(detector), frame, [])
    other, _ = push(StreamScorer(detector), changed, [])
    assert one[:50] == other[:50]
    assert one[50:] != other[50:]


def test_labels_compare_scores_with_their_own_thresholds(detector: AnomalyDetector) -> None:
    immediate, settled = push(StreamScorer(detector, adapt=False), troubled(), [])
    assert [row.label for row in settled] == [row.score > detector.threshold_ for row in settled]
    threshold = detector.thresholds_.immediate.value
    warm = [row for row in immediate if 15 <= row.row < 138]
    assert [row.label for row in warm] == [row.score > threshold for row in warm]
    assert any(row.label for row in warm)


def test_without_a_full_window_nothing_is_labelled_at_once(detector: AnomalyDetector) -> None:
    frame = troubled() + 50.0
    scorer = StreamScorer(detector, adapt=False)
    immediate, settled = push(scorer, frame, [7])
    after_gap = int(np.argmax(np.diff(frame.index) > pd.Timedelta(minutes=10))) + 1
    labels = [row.label for row in immediate]
    assert scorer.warm_up == 15
    for start in (0, after_gap):
        assert not any(labels[start : start + 15])
        assert all(labels[start + 15 : start + 20])
    assert all(row.label for row in settled)
    short = push(StreamScorer(detector, adapt=False), frame[:15], [7])[1]
    assert len(short) == 15
    assert not any(row.label for row in short)


def test_a_settled_score_that_waits_less_has_the_immediate_threshold(detector: AnomalyDetector) -> None:
    for lag, threshold in ((3, detector.thresholds_.immediate.value), (10_000, detector.threshold_)):
        scorer = StreamScorer(detector, lag=lag, adapt=False)
        scorer.update([0.0, 0.0, 0.0])
        assert scorer.fleet.decider.settled.next(0.0) == threshold
    assert StreamScorer(detector, lag=10_000).lag == detector.lag_


def test_late_and_repeated_rows_are_dropped_and_counted(detector: AnomalyDetector) -> None:
    frame = plant(100)
    order = [*range(50), 49, 20, *range(50, 100), 99]
    one_by_one, at_once = StreamScorer(detector), StreamScorer(detector)
    settled = []
    for place in order:
        answer = one_by_one.update(frame.to_numpy()[place], frame.index[place])
        settled += answer.settled
    settled += one_by_one.flush().settled
    block = at_once.update_many(frame.to_numpy()[order], frame.index[order])
    assert len(block.immediate) == 100
    assert one_by_one.counts.n_late == at_once.counts.n_late == 0
    assert one_by_one.counts.n_duplicates == at_once.counts.n_duplicates == 3
    assert one_by_one.counts.n_rows == at_once.counts.n_rows == 100
    np.testing.assert_allclose(scores_of(settled), of_file(detector, frame), rtol=RTOL)
    assert [row.timestamp for row in settled] == list(frame.index)


def test_gaps_are_bridged_or_end_the_segment(detector: AnomalyDetector) -> None:
    scorer = StreamScorer(detector)
    frame = plant(100)
    scorer.update_many(frame.to_numpy()[:40], frame.index[:40])
    assert (scorer.counts.n_filled, scorer.counts.n_gaps) == (0, 0)
    scorer.update(frame.to_numpy()[43], frame.index[43])
    assert (scorer.counts.n_filled, scorer.counts.n_gaps) == (3, 0)
    answer = scorer.update(frame.to_numpy()[48], frame.index[48])
    assert (scorer.counts.n_filled, scorer.counts.n_gaps) == (3, 1)
    assert answer.settled[-1].row == 40
    assert answer.immediate[0].row == 41


def test_a_stream_without_times_follows_on(detector: AnomalyDetector) -> None:
    frame = plant(120).reset_index(drop=True)
    scorer = StreamScorer(detector)
    settled = [row for values in frame.to_numpy() for row in scorer.update(values).settled]
    settled += scorer.flush().settled
    np.testing.assert_allclose(scores_of(settled), of_file(detector, frame), rtol=RTOL)
    assert all(row.timestamp is None for row in settled)


def test_mappings_and_sequences_are_the_same_row(detector: AnomalyDetector) -> None:
    values = [9.5, None, True]
    named = {"running": True, "note": "x", "flow": 9.5}
    one, other = StreamScorer(detector), StreamScorer(detector)
    assert one.update(values) == other.update(named)
    assert (one.counts.n_absent, other.counts.n_absent) == (0, 1)
    assert one.channels == CHANNELS


def test_a_row_of_a_table_is_read_by_its_names(detector: AnomalyDetector) -> None:
    frame = plant(3)
    one, other = StreamScorer(detector), StreamScorer(detector)
    for time, row in frame[["running", "flow", "pressure"]].iterrows():
        assert one.update(row, time) == other.update(frame.loc[time].to_numpy(), time)
    with pytest.raises(DataError, match="a row must be a mapping from channel to value"):
        one.update(pd.Series([1.0, 2.0, 3.0]), frame.index[-1])


def test_flush_ends_the_segment(detector: AnomalyDetector) -> None:
    frame = plant(60)
    scorer = StreamScorer(detector)
    assert scorer.flush() == StreamScores()
    _, first = push(scorer, frame.iloc[:30], [])
    _, second = push(scorer, frame.iloc[30:], [])
    expected = [of_file(detector, frame.iloc[:30]), of_file(detector, frame.iloc[30:])]
    np.testing.assert_allclose(scores_of(first + second), np.concatenate(expected), rtol=RTOL)
    assert scorer.counts.n_gaps == 0


BAD_ROWS = [
    pytest.param([1.0, "wet", 0.0], "'pressure' has the value 'wet', which is not a number", id="text"),
    pytest.param([1.0, 2.0, math.inf], "'running' has the value inf, which is not finite", id="infinity"),
    pytest.param([10**400, 2.0, 0.0], "'flow' .* is not finite", id="too large"),
    pytest.param([1.0, 2.0], "the 3 values of flow, pressure, running in this order; got", id="too few"),
    pytest.param("abc", "a row must be a mapping from channel to value", id="no row"),
    pytest.param({"flow": [1]}, "'flow' has the value", id="nested"),
]


@pytest.mark.parametrize(("row", "message"), BAD_ROWS)
def test_a_bad_row_costs_only_itself(detector: AnomalyDetector, row: object, message: str) -> None:
    frame = plant(60)
    scorer = StreamScorer(detector)
    settled = list(scorer.update_many(frame.to_numpy()[:30], frame.index[:30]).settled)
    with pytest.raises(DataError, match=message):
        scorer.update(row, frame.index[30])
    with pytest.raises(DataError, match=message):
        scorer.update_many([frame.to_numpy()[30], row], frame.index[30:32])
    settled += scorer.update_many(frame.to_numpy()[30:], frame.index[30:]).settled
    settled += scorer.flush().settled
    np.testing.assert_allclose(scores_of(settled), of_file(detector, frame), rtol=RTOL)
    assert (scorer.counts.n_rows, scorer.counts.n_late, scorer.counts.n_absent) == (60, 0, 0)


def test_infinity_in_a_block_is_named(detector: AnomalyDetector) -> None:
    values = plant(10).to_numpy(copy=True)
    values[4, 1] = -np.inf
    with pytest.raises(DataError, match=r"'pressure' has the value .*-inf.*, which is not finite"):
        StreamScorer(detector).update_many(values)


BAD_TIMES = [
    pytest.param(None, "must be given for every row or for none", id="none"),
    pytest.param(1_790_000_000, r"`timestamp` \(=1790000000\) is not a valid time", id="number"),
    pytest.param("soon", r"`timestamp` \(='soon'\) is not a valid time", id="text"),
    pytest.param(pd.NaT, "is not a valid time", id="NaT"),
    pytest.param("9999-12-31T23:59", r"\(='9999-12-31T23:59'\) lies before 1824 or after 2115", id="far"),
    pytest.param("0001-01-01", "lies before 1824 or after 2115", id="long ago"),
    pytest.param("2026-11-24T11:00+01:00", "some `timestamp` carry a time zone and some do not", id="zone"),
]


@pytest.mark.parametrize(("time", "message"), BAD_TIMES)
def test_a_bad_time_costs_only_its_row(detector: AnomalyDetector, time: object, message: str) -> None:
    scorer = StreamScorer(detector)
    row = [10.0, 3.0, 1.0]
    scorer.update(row, "2026-11-24T10:00")
    with pytest.raises(DataError, match=message):
        scorer.update(row, time)
    assert scorer.update(row, "2026-11-24T10:01").immediate[0].row == 1


@pytest.mark.parametrize("is_block", [False, True])
def test_a_first_time_begins_a_segment(detector: AnomalyDetector, is_block: bool) -> None:
    frame = plant(60, seed=3)
    scorer, fresh = StreamScorer(detector), StreamScorer(detector)
    early = [scorer.update(row) for row in frame.to_numpy()[:25]]
    if is_block:
        answers = [scorer.update_many(frame.to_numpy(), frame.index)]
    else:
        answers = [scorer.update(row, time) for time, row in zip(frame.index, frame.to_numpy(), strict=True)]
    settled = [row for answer in [*early, *answers, scorer.flush()] for row in answer.settled]
    assert [row.row for row in settled] == list(range(85))
    assert [row.timestamp for row in settled] == [None] * 25 + frame.index.tolist()
    expected = [*fresh.update_many(frame.to_numpy(), frame.index).settled, *fresh.flush().settled]
    np.testing.assert_allclose([row.score for row in settled[25:]], scores_of(expected), rtol=RTOL)
    assert scorer.counts.n_gaps == 1


def test_original_timestamps_are_returned_unchanged(detector: AnomalyDetector) -> None:
    frame, texts = plant(3), ["first", "second", "third"]
    for times in (None, frame.index):
        found = StreamScorer(detector).update_many(frame.to_numpy(), times, time_texts=texts)
        assert [row.timestamp for row in found.immediate] == texts
    with pytest.raises(DataError, match="`time_texts` has 2 entries for 3 rows"):
        StreamScorer(detector).update_many(frame.to_numpy(), time_texts=texts[:2])


def test_times_must_be_as_many_as_rows(detector: AnomalyDetector) -> None:
    with pytest.raises(DataError, match="`timestamps` has 1 entries for 2 rows"):
        StreamScorer(detector).update_many(plant(2).to_numpy(), ["2026-11-24T10:00"])


def test_another_sampling_period_is_told_once(detector: AnomalyDetector) -> None:
    values = plant(40).to_numpy()
    scorer = StreamScorer(detector)
    times = pd.date_range("2026-11-24 10:00", periods=40, freq="10s")
    scorer.update_many(values[:15], times[:15])
    with pytest.warns(UserWarning, match="rows arrive every 10 s, but in training every 60 s"):
        scorer.update(values[15], times[15])
    scorer.update_many(values[16:], times[16:])  # a second warning would be an error


def test_memory_does_not_grow(detector: AnomalyDetector) -> None:
    scorer = StreamScorer(detector)
    values = plant(1_200).to_numpy()
    held = []
    for start in range(0, 1_200, 40):
        scorer.update_many(values[start : start + 40])
        held.append(bytes_held(scorer))
    assert max(held[20:]) <= 1.1 * max(held[5:10])  # an event that is open remembers a little


def test_lag_must_not_be_negative(detector: AnomalyDetector) -> None:
    with pytest.raises(ParameterError, match=r"`lag` \(=-1\) must be 0 or more rows"):
        StreamScorer(detector, lag=-1)


def test_no_rows_are_no_scores(detector: AnomalyDetector) -> None:
    assert StreamScorer(detector).update_many(np.zeros((0, 3))) == StreamScores()


@pytest.mark.parametrize("budget", ["1%", "1 per 500 rows", "1 per 10000 rows"])
@pytest.mark.parametrize("adapt", [True, False])
def test_labels_row_by_row_equal_those_of_the_file(detector: AnomalyDetector, budget: str, adapt: bool) -> None:
    budgeted = copy.copy(detector).set_threshold("pot", false_alarm_rate=budget)
    frame = troubled()
    found = budgeted.detect(frame, adapt=adapt)
    assert (found.drift.moved != 0) == adapt
    _, settled = push(StreamScorer(budgeted, adapt=adapt), frame, list(range(1, len(frame), 7)))
    assert [row.label for row in settled] == found.labels.tolist()
    assert found.labels.any()
    assert not found.labels.all()
