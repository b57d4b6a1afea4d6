"""AUC-PR, AUC-ROC and the oracle F1."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from tests.evaluation import reference
from tests.evaluation.recipes import CASES
from tests.evaluation.strategies import Labelled, labelled_scores, patient
from tsae.evaluation import auc_pr, auc_roc, oracle_f1

# metric_ROC and metric_PR of TSB-AD 1.5, and the best f1_score of scikit-learn over all thresholds.
PUBLISHED = {
    "apart": (0.7122889471467964, 0.44947357566031443, 0.496),
    "close": (0.7285305158868376, 0.5122392992753335, 0.45112781954887216),
    "borders": (0.6352378994964546, 0.2907090362032601, 0.30434782608695654),
    "blind": (0.5722348484848485, 0.1509785168301599, 0.2536873156342183),
}


@pytest.mark.parametrize("name", CASES)
def test_published_values(name: str) -> None:
    labels, scores = CASES[name]
    figures = auc_roc(labels, scores), auc_pr(labels, scores), oracle_f1(labels, scores).f1
    assert figures == pytest.approx(PUBLISHED[name], abs=1e-12)


@patient
@given(labelled_scores())
def test_slow_twins_agree(data: Labelled) -> None:
    labels, scores = data
    assert auc_roc(labels, scores) == pytest.approx(reference.auc_roc(labels, scores))
    assert auc_pr(labels, scores) == pytest.approx(reference.auc_pr(labels, scores))
    assert oracle_f1(labels, scores).f1 == pytest.approx(reference.oracle_f1(labels, scores))


@patient
@given(labelled_scores())
def test_the_oracle_threshold_gives_the_oracle_f1(data: Labelled) -> None:
    labels, scores = data
    best = oracle_f1(labels, scores)
    flags = scores > best.threshold
    assert reference.f1_score((flags & labels.astype(bool)).sum(), flags.sum(), labels.sum()) == best.f1


@patient
@given(labelled_scores())
def test_only_the_order_of_scores_counts(data: Labelled) -> None:
    labels, scores = data
    for metric in (auc_roc, auc_pr):
        assert metric(labels, np.exp(scores)) == pytest.approx(metric(labels, scores))
    assert oracle_f1(labels, np.exp(scores)).f1 == oracle_f1(labels, scores).f1


def test_no_anomaly_is_undefined() -> None:
    best = oracle_f1([0, 0, 0], [1, 2, 3])
    assert np.isnan([auc_pr([0, 0, 0], [1, 2, 3]), auc_roc([0, 0, 0], [1, 2, 3]), best.f1, best.threshold]).all()


def test_all_anomalous() -> None:
    assert auc_pr([1, 1], [1, 2]) == 1
    assert np.isnan(auc_roc([1, 1], [1, 2]))
    assert oracle_f1([1, 1], [1, 2]).f1 == 1


def test_constant_score() -> None:
    labels = [0, 1, 0, 0]
    assert auc_pr(labels, [2, 2, 2, 2]) == 0.25
    assert auc_roc(labels, [2, 2, 2, 2]) == 0.5
    assert oracle_f1(labels, [2, 2, 2, 2]).f1 == pytest.approx(2 * 0.25 / 1.25)
