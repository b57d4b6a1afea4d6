"""Many machines in one stream, rows out of order, and clocks that are set."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.streaming.reference import of_file, plant, scores_of, troubled
from tsae import AnomalyDetector, StreamScorer
from tsae.errors import DataError, ParameterError
from tsae.streaming.clock import ROWS_OF_A_CLOCK_STEP


@pytest.fixture(scope="module")
def detector() -> AnomalyDetector:
    return AnomalyDetector(window_size=[8, 16], max_steps=30, random_state=0).fit(plant(500))


def test_every_entity_is_scored_as_if_it_were_alone(detector: AnomalyDetector) -> None:
    frames = {name: troubled(190 + 10 * number, seed=number) for number, name in enumerate("abc")}
    rows = sorted((time, name) for name, frame in frames.items() for time in frame.index)
    scorer = StreamScorer(detector)
    answers = []
    for start in range(0, len(rows), 17):
        times, names = zip(*rows[start : start + 17], strict=True)
        values = np.stack([frames[name].loc[time].to_numpy() for time, name in rows[start : start + 17]])
        answers.append(scorer.update_many(values, times, names))
    answers.append(scorer.flush())
    for name, frame in frames.items():
        settled = [row for answer in answers for row in answer.settled if row.entity == name]
        np.testing.assert_allclose(scores_of(settled), of_file(detector, frame), rtol=1e-4)
        alone = StreamScorer(detector).update_many(frame.to_numpy(), frame.index).immediate
        immediate = [row for answer in answers for row in answer.immediate if row.entity == name]
        np.testing.assert_allclose(scores_of(immediate), scores_of(alone), rtol=1e-4)
    assert scorer.counts.n_rows == len(rows)


@settings(max_examples=15)
@given(swaps=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 4)), max_size=20))
def test_rows_that_come_late_by_less_than_the_buffer_are_put_in_order(
    detector: AnomalyDetector, swaps: list[tuple[int, int]]
) -> None:
    frame = plant(100, seed=3)
    delayed = np.arange(100.0)
    for row, by in swaps:
        delayed[row] = row + by + 0.5
    order = np.argsort(delayed, kind="stable")
    scorer = StreamScorer(detector, reorder=6)
    settled = [row for place in order for row in scorer.update(frame.to_numpy()[place], frame.index[place]).settled]
    settled += scorer.flush().settled
    assert scorer.counts.n_late == 0
    assert [row.timestamp for row in settled] == list(frame.index)
    np.testing.assert_allclose(scores_of(settled), of_file(detector, frame), rtol=1e-4)


def test_of_rows_of_one_time_the_first_wins(detector: AnomalyDetector) -> None:
    frame = plant(60)
    for reorder in (0, 3):
        scorer = StreamScorer(detector, reorder=reorder)
        for time, row in zip(frame.index, frame.to_numpy(), strict=True):
            scorer.update(row, time)
            scorer.update(row + 100, time)
        settled = scorer.flush().settled
        assert scorer.counts.n_duplicates == 60
        assert settled[-1].score == pytest.approx(of_file(detector, frame)[-1], rel=1e-4)


def test_a_clock_that_is_set_back_begins_a_new_segment(detector: AnomalyDetector) -> None:
    frame, back = plant(80), plant(60, seed=4)
    back.index += pd.Timedelta("20s")
    scorer = StreamScorer(detector)
    answers = [scorer.update_many(frame.to_numpy(), frame.index), scorer.update_many(back.to_numpy(), back.index)]
    answers.append(scorer.flush())
    settled = [row for answer in answers for row in answer.settled]
    n_lost = ROWS_OF_A_CLOCK_STEP - 1
    assert (scorer.counts.n_clock_steps, scorer.counts.n_late, len(settled)) == (1, n_lost, 140 - n_lost)
    expected = [of_file(detector, frame), of_file(detector, back.iloc[n_lost:])]
    np.testing.assert_allclose(scores_of(settled), np.concatenate(expected), rtol=1e-4)


def test_one_time_in_the_far_future_costs_a_few_rows_only(detector: AnomalyDetector) -> None:
    frame = plant(100)
    scorer = StreamScorer(detector)
    scorer.update_many(frame.to_numpy()[:50], frame.index[:50])
    scorer.update(frame.to_numpy()[50], frame.index[50] + pd.DateOffset(years=70))
    scorer.update_many(frame.to_numpy()[51:], frame.index[51:])
    assert scorer.counts.n_late == ROWS_OF_A_CLOCK_STEP - 1
    assert scorer.counts.n_rows == 100 - scorer.counts.n_late


def test_one_entity_can_end(detector: AnomalyDetector) -> None:
    scorer = StreamScorer(detector)
    scorer.update_many(plant(30).to_numpy(), None, ["a", "b"] * 15)
    assert {row.entity for row in scorer.flush("a").settled} == {"a"}
    assert {row.entity for row in scorer.flush().settled} == {"b"}


def test_entities_beyond_the_limit_are_refused(detector: AnomalyDetector) -> None:
    scorer = StreamScorer(detector, max_entities=2)
    scorer.update([1, 2, 0], entity="a")
    scorer.update([1, 2, 0], entity="b")
    with pytest.raises(DataError, match=r"entity 'c' would be one more than `max_entities` \(=2\)"):
        scorer.update([1, 2, 0], entity="c")
    assert scorer.update([1, 2, 0], entity="a").immediate[0].row == 1


def test_there_is_a_name_for_every_row_and_no_negative_buffer(detector: AnomalyDetector) -> None:
    with pytest.raises(DataError, match="`entities` has 1 entries for 2 rows"):
        StreamScorer(detector).update_many(plant(2).to_numpy(), None, ["a"])
    with pytest.raises(ParameterError, match=r"`reorder` \(=-1\)"):
        StreamScorer(detector, reorder=-1)
