from __future__ import annotations

from itertools import cycle

import numpy as np
import pytest

from tests.detection.plants import COMPOSITIONS, Composition, fitted, readings, today
from tsae.scoring.engine import SegmentScorer
from tsae.streaming.lanes import Lanes

LAGS = (10_000, 0, 5)


@pytest.mark.parametrize("composition", COMPOSITIONS, ids=str)
def test_rows_of_many_lanes_in_turn_are_scored_like_a_segment_at_once(composition: Composition) -> None:
    model, values = fitted(composition).model_.ensemble, today(composition, 75)
    lag = LAGS[COMPOSITIONS.index(composition) % 3]
    lanes = Lanes(model, lag=lag)
    first, _, third = (lanes.open() for _ in range(3))
    shifted = 7  # the third lane begins later, so that windows of the two are not complete at the same rows
    settled, errors, immediate = [], [], []
    for row in range(len(values) + shifted):
        ours = range(max(0, row - shifted), min(row - shifted + 1, len(values)))
        both = np.array([lane for lane, is_in in ((first, row < len(values)), (third, len(ours))) if is_in])
        step = lanes.step(both, np.stack([values[row] if lane == first else values[ours[0]] for lane in both]))
        if len(ours):
            immediate.append(step.immediate[-1])
            settled += step.settled[-1:][step.is_settled[-1:]].tolist()
            errors += list(step.errors[-1:][step.is_settled[-1:]])
    rest = lanes.flush(third)
    scorer = SegmentScorer(model, lag=lag, immediate=True)
    parts = [scorer.push(values), scorer.flush()]
    close = {"rtol": 1e-3, "atol": 1e-3}
    np.testing.assert_allclose(immediate, parts[0].immediate, **close)
    np.testing.assert_allclose([*settled, *rest.settled], np.concatenate([part.settled for part in parts]), **close)
    np.testing.assert_allclose([*errors, *rest.errors], np.concatenate([part.errors for part in parts]), **close)


@pytest.mark.parametrize(("composition", "turn"), [*zip(COMPOSITIONS[1::2], cycle([0, 1]), strict=False)], ids=str)
@pytest.mark.parametrize("is_full", [True, False])
def test_lanes_that_miss_nothing_for_long_are_scored_like_a_segment_at_once(
    composition: Composition, turn: int, is_full: bool
) -> None:
    lag, n_lanes = (10_000, 1 + turn) if is_full else (5, 2 - turn)  # each composition in two of four ways
    model, values = fitted(composition).model_.ensemble, readings(190, composition.channels, seed=3)
    values[150, 0] = np.nan  # of one lane only, so that the two part ways
    values[152:155] = np.nan
    lanes = Lanes(model, lag=lag)
    both = np.array([lanes.open(), lanes.open()])
    n_shifted = 8
    steps = []
    for row in range(len(values)):
        n_now = min(n_lanes, 1 + (row >= n_shifted))
        steps.append(lanes.step(both[:n_now], values[[row, row - n_shifted][:n_now]]))
    rest = lanes.flush(0)
    scorer = SegmentScorer(model, lag=lag, immediate=True)
    parts = [scorer.push(values), scorer.flush()]
    close = {"rtol": 1e-3, "atol": 1e-3}
    for name in ("settled", "unsmoothed", "errors"):
        found = [*(getattr(step, name)[0] for step in steps if step.is_settled[0]), *getattr(rest, name)]
        np.testing.assert_allclose(found, np.concatenate([getattr(part, name) for part in parts]), **close)
    for name in ("immediate", "immediate_unsmoothed"):
        found = [getattr(step, name)[0] for step in steps]
        np.testing.assert_allclose(found, getattr(parts[0], name), **close)


@pytest.mark.parametrize("n_rows", [0, 1, 3, 20])
@pytest.mark.parametrize("lag", LAGS)
def test_a_segment_shorter_than_a_window_and_the_one_after_it(n_rows: int, lag: int) -> None:
    composition = COMPOSITIONS[12]
    model, values = fitted(composition).model_.ensemble, today(composition, 40)
    lanes = Lanes(model, lag=lag)
    lane = np.array([lanes.open()])
    for segment in (values[:n_rows], values[n_rows:]):
        steps = [lanes.step(lane, row[None]) for row in segment]
        rest = lanes.flush(0)
        lanes.restart(0)
        settled = [score for step in steps if step.is_settled[0] for score in step.settled]
        scorer = SegmentScorer(model, lag=lag)
        parts = [scorer.push(segment), scorer.flush()] if len(segment) else []
        expected = [score for part in parts for score in part.settled.tolist()]
        np.testing.assert_allclose([*settled, *rest.settled], expected, rtol=1e-3, atol=1e-3)
