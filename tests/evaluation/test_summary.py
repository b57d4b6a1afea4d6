"""All figures at once."""

from __future__ import annotations

import numpy as np
import pytest

from tests.evaluation.recipes import CASES, THRESHOLD
from tsae import evaluation
from tsae.evaluation import evaluate

LABELS, SCORES = CASES["close"]


def test_every_figure_is_that_of_its_own_function() -> None:
    figures = evaluate(LABELS, SCORES, threshold=THRESHOLD, window=20)
    flags = SCORES > THRESHOLD
    volume = evaluation.vus(LABELS, SCORES, 20)
    assert (figures["vus_roc"], figures["vus_pr"]) == (volume.roc, volume.pr)
    assert figures["auc_pr"] == evaluation.auc_pr(LABELS, SCORES)
    assert figures["auc_roc"] == evaluation.auc_roc(LABELS, SCORES)
    assert figures["oracle_f1"] == evaluation.oracle_f1(LABELS, SCORES).f1
    assert (figures["n_events"], figures["anomaly_ratio"]) == (5, LABELS.mean())
    for prefix, metric in {
        "": evaluation.point_precision_recall,
        "event_": evaluation.event_precision_recall,
        "range_": evaluation.range_precision_recall,
        "affiliation_": evaluation.affiliation_precision_recall,
    }.items():
        pair = metric(LABELS, flags)
        shown = tuple(figures[f"{prefix}{name}"] for name in ("precision", "recall", "f1"))
        assert shown == (pair.precision, pair.recall, pair.f1)
    assert figures["n_false_alarms"] == 64
    assert figures["median_time_to_detect"] == np.median(evaluation.time_to_detect(LABELS, flags))


def test_point_adjusted_figures_stand_beside_a_random_score() -> None:
    figures = evaluate(LABELS, SCORES, threshold=THRESHOLD)
    adjusted = [name for name in figures if "pa_" in name or "point_adjusted" in name]
    shown = [name for name in adjusted if not name.endswith("_of_random_score")]
    assert len(shown) == 4
    assert set(adjusted) == {*shown, *(f"{name}_of_random_score" for name in shown)}
    best = evaluation.pa_percent_k(LABELS, SCORES, k=20)
    assert figures["oracle_pa_20_f1"] == best.f1
    assert figures["oracle_pa_20_f1_of_random_score"] == best.random_f1


def test_without_a_threshold_nothing_needs_one() -> None:
    figures = evaluate(LABELS, SCORES)
    assert "f1" not in figures
    assert all(name in evaluate(LABELS, SCORES, threshold=1) for name in figures)


def test_healthy_series_give_nan_and_false_alarms() -> None:
    figures = evaluate([0, 0, 0, 0], [0.1, 0.9, 0.1, 0.8], threshold=0.5)
    assert figures.pop("n_events") == figures.pop("anomaly_ratio") == 0
    assert figures.pop("n_false_alarms") == 2
    assert figures.pop("precision") == figures.pop("event_precision") == figures.pop("range_precision") == 0
    assert np.isnan(list(figures.values())).all()


def test_a_perfect_score_gets_one_everywhere() -> None:
    figures = evaluate(LABELS, LABELS.astype(float), threshold=0.5)
    figures = {name: value for name, value in figures.items() if not name.endswith("_of_random_score")}
    for name in ("anomaly_ratio", "n_events", "n_false_alarms", "median_time_to_detect"):
        del figures[name]
    assert figures == pytest.approx(dict.fromkeys(figures, 1.0))
