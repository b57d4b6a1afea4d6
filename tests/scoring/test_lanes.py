from __future__ import annotations

from itertools import cycle

import numpy as np
import pytest

from tests.detection.plants import COMPOSITIONS, Composition, fitted, readings, today
from tsae.scoring.ensemble import Ensemble
from tsae.scoring.scorer import Scorer, Step
from tsae.scoring.whole_series import score_grid, segment_scores
from tsae.series.grid import on_grid

LAGS = (10_000, 0, 5)


def at_once(model: Ensemble, values: np.ndarray, lag: int) -> dict[str, np.ndarray]:
    """All kinds of scores of a segment in one block, and the errors of its rows."""
    grid = on_grid(values)
    return {
        **segment_scores(model, values, lag=lag)._asdict(),
        "errors": score_grid(model, grid, lag=lag, with_errors=True).errors,
    }


def in_turn(model: Ensemble, values: np.ndarray, lag: int, sizes: list[int]) -> Step:
    """All that the second of two lanes answers about rows that come in blocks of these sizes."""
    scorer, first, steps = Scorer(model, lag=lag), 0, []
    scorer.open()
    lane = np.array([scorer.open()])
    for size in cycle(sizes):
        if first >= len(values):
            break
        steps.append(scorer.push(lane, values[None, first : first + size]))
        first += size
    rest = scorer.flush(1)
    columns = {name: np.concatenate([getattr(step, name) for step in steps]) for name in Step._fields}
    for name in rest._fields:
        columns[name] = np.concatenate([columns[name][columns["is_settled"]], getattr(rest, name)])
    return Step(**columns)


@pytest.mark.parametrize("composition", COMPOSITIONS, ids=str)
def test_blocks_of_one_lane_are_scored_like_a_segment_at_once(composition: Composition) -> None:
    model, values = fitted(composition).model_.ensemble, readings(260, composition.channels, seed=4)
    values[3:5] = values[130, 0] = np.nan
    lag = LAGS[(COMPOSITIONS.index(composition) + 1) % 3]
    found, whole = in_turn(model, values, lag, [1, 9, 2, 30, 64]), at_once(model, values, lag)
    for name, expected in whole.items():
        np.testing.assert_allclose(getattr(found, name), expected, rtol=1e-3, atol=1e-3, err_msg=name)


def test_rows_of_many_lanes_in_one_step_are_those_of_each_lane() -> None:
    composition = COMPOSITIONS[2]
    model, values = fitted(composition).model_.ensemble, today(composition, 60)
    scorer = Scorer(model, lag=10_000)
    lanes = np.array([scorer.open(), scorer.open()])
    step = scorer.push(lanes, np.stack([values[:40], values[10:50]]))
    for number, first in enumerate((0, 10)):
        own = in_turn(model, values[first : first + 40], 10_000, [40])
        np.testing.assert_allclose(step.immediate[40 * number :][:40], own.immediate, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("composition", COMPOSITIONS, ids=str)
def test_rows_of_many_lanes_in_turn_are_scored_like_a_segment_at_once(composition: Composition) -> None:
    model, values = fitted(composition).model_.ensemble, today(composition, 75)
    lag = LAGS[COMPOSITIONS.index(composition) % 3]
    lanes = Scorer(model, lag=lag)
    first, _, third = (lanes.open() for _ in range(3))
    shifted = 7  # the third lane begins later, so that windows of the two are not complete at the same rows
    settled, errors, immediate = [], [], []
    for row in range(len(values) + shifted):
        ours = range(max(0, row - shifted), min(row - shifted + 1, len(values)))
        both = np.array([lane for lane, is_in in ((first, row < len(values)), (third, len(ours))) if is_in])
        step = lanes.push(both, np.stack([values[row] if lane == first else values[ours[0]] for lane in both])[:, None])
        if len(ours):
            immediate.append(step.immediate[-1])
            settled += step.settled[-1:][step.is_settled[-1:]].tolist()
            errors += list(step.errors[-1:][step.is_settled[-1:]])
    rest = lanes.flush(third)
    whole, close = at_once(model, values, lag), {"rtol": 1e-3, "atol": 1e-3}
    np.testing.assert_allclose(immediate, whole["immediate"], **close)
    np.testing.assert_allclose([*settled, *rest.settled], whole["settled"], **close)
    np.testing.assert_allclose([*errors, *rest.errors], whole["errors"], **close)


@pytest.mark.parametrize(("composition", "turn"), [*zip(COMPOSITIONS[1::2], cycle([0, 1]), strict=False)], ids=str)
@pytest.mark.parametrize("is_full", [True, False])
def test_lanes_that_miss_nothing_for_long_are_scored_like_a_segment_at_once(
    composition: Composition, turn: int, is_full: bool
) -> None:
    lag, n_lanes = (10_000, 1 + turn) if is_full else (5, 2 - turn)  # each composition in two of four ways
    model, values = fitted(composition).model_.ensemble, readings(190, composition.channels, seed=3)
    values[150, 0] = np.nan  # of one lane only, so that the two part ways
    values[152:155] = np.nan
    lanes = Scorer(model, lag=lag)
    both = np.array([lanes.open(), lanes.open()])
    n_shifted = 8
    steps = []
    for row in range(len(values)):
        n_now = min(n_lanes, 1 + (row >= n_shifted))
        steps.append(lanes.push(both[:n_now], values[[row, row - n_shifted][:n_now]][:, None]))
    rest = lanes.flush(0)
    whole, close = at_once(model, values, lag), {"rtol": 1e-3, "atol": 1e-3}
    for name in ("settled", "unsmoothed", "errors"):
        found = [*(getattr(step, name)[0] for step in steps if step.is_settled[0]), *getattr(rest, name)]
        np.testing.assert_allclose(found, whole[name], **close)
    for name in ("immediate", "immediate_unsmoothed"):
        found = [getattr(step, name)[0] for step in steps]
        np.testing.assert_allclose(found, whole[name], **close)


@pytest.mark.parametrize("n_rows", [0, 1, 3, 20])
@pytest.mark.parametrize("lag", LAGS)
def test_a_segment_shorter_than_a_window_and_the_one_after_it(n_rows: int, lag: int) -> None:
    composition = COMPOSITIONS[12]
    model, values = fitted(composition).model_.ensemble, today(composition, 40)
    lanes = Scorer(model, lag=lag)
    lane = np.array([lanes.open()])
    for segment in (values[:n_rows], values[n_rows:]):
        steps = [lanes.push(lane, row[None, None]) for row in segment]
        rest = lanes.flush(0)
        lanes.restart(0)
        settled = [score for step in steps if step.is_settled[0] for score in step.settled]
        expected = at_once(model, segment, lag)["settled"]
        np.testing.assert_allclose([*settled, *rest.settled], expected, rtol=1e-3, atol=1e-3)
