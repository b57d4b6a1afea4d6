"""What every metric refuses, accepts, and leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tsae import evaluation
from tsae.errors import DataError

SCORE_METRICS = [
    evaluation.auc_pr,
    evaluation.auc_roc,
    evaluation.oracle_f1,
    evaluation.vus,
    evaluation.vus_pr,
    evaluation.vus_roc,
    evaluation.point_adjusted_f1,
    evaluation.pa_percent_k,
    evaluation.evaluate,
]
FLAG_METRICS = [
    evaluation.point_precision_recall,
    evaluation.range_precision_recall,
    evaluation.affiliation_precision_recall,
    evaluation.event_precision_recall,
    evaluation.time_to_detect,
]
LABELS = [0, 1, 1, 0]
Metric = Callable[[Any, Any], Any]


@pytest.mark.parametrize("metric", SCORE_METRICS + FLAG_METRICS)
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 2, 1, 0], r"`labels` \(=2 at row 1\) must hold only 0"),
        ([0, -1, 1, 0], r"pass `predict\(X\) == -1`"),
        ([0, np.nan, 1, 0], r"`labels` \(=nan at row 1\)"),
        ([], r"`labels` \(shape \(0,\)\)"),
        ([[0, 1], [1, 0]], r"`labels` \(shape \(2, 2\)\)"),
        (["0", "1", "1", "0"], r"`labels` \(dtype <U1\) must be numeric"),
        ([0, 1, 1], r"\(length 4\) must have one value per row of `labels` \(length 3\)"),
    ],
)
def test_bad_labels_are_refused(metric: Metric, labels: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        metric(labels, [0, 0, 1, 1])


@pytest.mark.parametrize("metric", SCORE_METRICS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_row_without_a_finite_score_is_refused(metric: Metric, value: float) -> None:
    with pytest.raises(DataError, match=r"`scores` \(=(nan|inf|-inf) at row 2, 1 such rows\) must be finite"):
        metric(LABELS, [0.1, 0.2, value, 0.3])


@pytest.mark.parametrize("metric", FLAG_METRICS)
def test_scores_are_not_taken_for_predictions(metric: Metric) -> None:
    with pytest.raises(DataError, match=r"`predictions` \(=0.4 at row 1\)"):
        metric(LABELS, [0, 0.4, 1, 0])


@pytest.mark.parametrize("metric", SCORE_METRICS + FLAG_METRICS)
@pytest.mark.parametrize("convert", [list, tuple, pd.Series, lambda a: a.astype(np.float32), lambda a: a > 0])
def test_any_array_will_do(metric: Metric, convert: Callable[[Any], Any]) -> None:
    labels, flags = np.array([0, 1, 1, 0, 0]), np.array([0, 0, 1, 1, 0])
    np.testing.assert_equal(_plain(metric(convert(labels), convert(flags))), _plain(metric(labels, flags)))


@pytest.mark.parametrize("metric", SCORE_METRICS + FLAG_METRICS)
def test_inputs_stay_as_they_are(metric: Metric) -> None:
    labels, flags = np.array([1, 1, 0, 0, 1]), np.array([0.0, 1.0, 1.0, 0.0, 1.0])
    labels.flags.writeable = flags.flags.writeable = False
    metric(labels, flags)


def _plain(result: Any) -> Any:
    return vars(result) if hasattr(result, "__dict__") else result
