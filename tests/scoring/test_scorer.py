from __future__ import annotations

import numpy as np
import pytest

from tests.detection.plants import COMPOSITIONS, SHORT_LAGS, Composition, fitted, today
from tests.scoring.reference import segment_errors, segment_scores
from tsae.scoring.combination import NEUTRAL_SCORE
from tsae.scoring.whole_series import score_grid
from tsae.series.grid import on_grid

every_composition = pytest.mark.parametrize("composition", COMPOSITIONS, ids=str)


def scored(
    composition: Composition, values: np.ndarray, lag: int, smoothed: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    found = score_grid(fitted(composition).model_.ensemble, on_grid(values), lag=lag, with_errors=True)
    return (found.scores, found.errors) if smoothed else (found.unsmoothed, np.empty(0))


@every_composition
def test_settled_scores_and_errors_equal_those_put_together_row_by_row(composition):
    model, values = fitted(composition).model_.ensemble, today(composition)
    scores, errors = scored(composition, values, model.full_lag)
    np.testing.assert_allclose(scores, segment_scores(model, values, lag=model.full_lag), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(errors, segment_errors(model, values), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("composition", "lag"), SHORT_LAGS, ids=str)
def test_scores_at_a_short_lag_equal_those_put_together_row_by_row(composition, lag):
    model, values = fitted(composition).model_.ensemble, today(composition, 60)
    scores, _ = scored(composition, values, lag)
    np.testing.assert_allclose(scores, segment_scores(model, values, lag=lag), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("composition", "lag"), [*((each, 10_000) for each in COMPOSITIONS), *SHORT_LAGS], ids=str)
def test_unsmoothed_scores_equal_those_put_together_row_by_row(composition, lag):
    model, values = fitted(composition).model_.ensemble, today(composition, 60)
    scores, _ = scored(composition, values, lag, smoothed=False)
    np.testing.assert_allclose(scores, segment_scores(model, values, lag=lag, smoothed=False), rtol=1e-3, atol=1e-4)


@every_composition
@pytest.mark.parametrize("n_rows", [1, 2, 7])
def test_a_segment_shorter_than_a_window_is_scored_the_same_way(composition, n_rows):
    model, values = fitted(composition).model_.ensemble, today(composition)[5 : 5 + n_rows]
    for lag in (0, 5, model.full_lag):
        scores, _ = scored(composition, values, lag)
        np.testing.assert_allclose(scores, segment_scores(model, values, lag=lag), rtol=1e-3, atol=1e-4)


@every_composition
def test_a_segment_without_rows_has_no_scores(composition):
    scores, errors = scored(composition, today(composition)[:0], fitted(composition).lag_)
    assert scores.shape == (0,)
    assert errors.shape == (0, len(composition.channels))


@every_composition
@pytest.mark.parametrize("lag", [0, 5, "auto"])
def test_rows_with_nothing_to_judge_in_reach_are_neutral(composition, lag):
    values = np.full((12, len(composition.channels)), np.nan)
    scores, errors = scored(composition, values, fitted(composition).lag_ if lag == "auto" else lag)
    assert scores.tolist() == [NEUTRAL_SCORE] * 12
    assert np.isnan(errors).all()
