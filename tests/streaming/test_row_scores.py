"""Scores of a call: columns and objects say the same, in the order in which they are promised."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.streaming.reference import plant, troubled
from tsae import AnomalyDetector, StreamScorer
from tsae.streaming.row_scores import RowScores

NAMES = ["a", "b", "c", "d"]


@pytest.fixture(scope="module")
def detector() -> AnomalyDetector:
    return AnomalyDetector(window_size=8, max_steps=10, preset="alone", random_state=0).fit(plant(300))


@settings(max_examples=15, deadline=None)
@given(blocks=st.lists(st.lists(st.sampled_from(NAMES), max_size=25), min_size=1, max_size=5))
def test_immediate_scores_come_as_the_rows_did_and_settled_ones_turn_by_turn(
    detector: AnomalyDetector, blocks: list[list[str]]
) -> None:
    scorer, values, lag = StreamScorer(detector, lag=2), plant(25).to_numpy(), 2
    alone = {name: StreamScorer(detector, lag=2) for name in NAMES}
    taken = dict.fromkeys(NAMES, 0)
    lanes: list[str] = []
    for names in blocks:
        answer = scorer.update_many(values[: len(names)], None, names)
        lanes += [name for name in dict.fromkeys(names) if name not in lanes]
        one_by_one = [alone[name].update(row) for name, row in zip(names, values[: len(names)], strict=True)]
        expected = [row for each in one_by_one for row in each.immediate]
        np.testing.assert_allclose(answer.immediate.columns.score, [row.score for row in expected], rtol=1e-4)
        assert [row.row for row in answer.immediate] == [row.row for row in expected]
        assert [row.entity for row in answer.immediate] == names
        turns = []
        for turn in range(len(names)):
            for name in lanes:
                row = taken[name] + turn - lag
                turns += [(name, row)] if turn < names.count(name) and row >= 0 else []
        assert [(row.entity, row.row) for row in answer.settled] == turns
        for name in NAMES:
            taken[name] += names.count(name)


def test_columns_and_objects_are_the_same_rows(detector: AnomalyDetector) -> None:
    frame = troubled(190)
    scorers = [StreamScorer(detector) for _ in range(2)]
    block = scorers[0].update_many(
        np.repeat(frame.to_numpy(), 2, axis=0), frame.index.repeat(2), ["a", "b"] * len(frame)
    )
    single = [scorers[1].update(row, time, "a") for time, row in zip(frame.index, frame.to_numpy(), strict=True)]
    for name in ("immediate", "settled"):
        scores = getattr(block, name)
        columns = scores.columns
        assert len(columns.row) == len(scores) == len(list(scores))
        of_a = columns.at(columns.entity == "a")
        joined = sum((getattr(each, name) for each in single), RowScores())
        for field in ("row", "timestamp", "label"):
            assert getattr(of_a, field).tolist() == [getattr(row, field) for row in joined]
            assert getattr(of_a, field).tolist() == getattr(joined.columns, field).tolist()
        for field in ("score", "judged", "threshold"):
            np.testing.assert_allclose(getattr(of_a, field), getattr(joined.columns, field), rtol=1e-3)
        assert columns.tail is scores[0].tail
    assert block.immediate.columns.errors is None
    np.testing.assert_array_equal(block.settled.columns.errors, [row.errors for row in block.settled])


def test_they_are_a_sequence_like_a_tuple(detector: AnomalyDetector) -> None:
    scores = StreamScorer(detector).update_many(np.tile(plant(6).to_numpy(), (2, 1)), None, ["a", "b"] * 6).immediate
    rows = tuple(scores)
    assert scores == rows
    assert rows == scores
    assert scores[3] is rows[3]
    assert scores[-2:] == rows[-2:]
    assert scores[2:5].columns.row.tolist() == [row.row for row in rows[2:5]]
    assert scores + scores[:1] == (*rows, rows[0])
    assert scores != rows[:-1]
    assert not RowScores()
    assert repr(scores) == repr(rows)
