"""A handful of labels: what they keep out, which threshold they choose, and what a classifier learns from them."""

from __future__ import annotations

import copy
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import fbeta_score, roc_auc_score

import tsae
from tests.alarms.thresholds_reference import peaks
from tests.detection.plants import readings
from tsae import AnomalyDetector, ImageAnomalyDetector
from tsae.alarms.thresholds.threshold import MERGE_GAP
from tsae.detection.labels.checks import cheapest_threshold, tune_threshold
from tsae.errors import DataError, ParameterError
from tsae.fitting.classifier import fit_label_classifier, honest_terms

Array = np.ndarray
SETTINGS = {"window_size": 8, "preset": "alone", "max_steps": 20, "random_state": 0}


def plant(seed: int, n_rows: int = 400) -> tuple[Array, Array]:
    """Rows and their labels. One sensor moves a little further than usual, in events of eight rows."""
    table, labels = readings(n_rows, "aa", seed=seed), np.zeros(n_rows)
    for start in range(30, n_rows - 20, 60):
        table[start : start + 8, 0] += 0.25
        labels[start : start + 8] = 1
    return table, labels


def pictures() -> tuple[Array, Array]:
    """Zeros, and a few nines among them that are labelled."""
    digits = load_digits()
    zeros, nines = (digits.images[digits.target == digit] for digit in (0, 9))
    return np.concatenate([zeros[:120], nines[:12]]), np.repeat([np.nan, 1.0], [120, 12])


@cache
def detector(**settings: object) -> AnomalyDetector:
    table, labels = plant(0)
    return AnomalyDetector(**SETTINGS | settings).fit(table, annotations=labels)


@cache
def image_detector(**settings: object) -> ImageAnomalyDetector:
    images, labels = pictures()
    return ImageAnomalyDetector(max_steps=40, random_state=0, **settings).fit(images, annotations=labels)


def test_without_labels_nothing_changes():
    table, _ = plant(0)
    plain = AnomalyDetector(**SETTINGS).fit(table)
    unknown = AnomalyDetector(**SETTINGS).fit(table, annotations=np.full(400, -1))
    np.testing.assert_array_equal(unknown.score_samples(table), plain.score_samples(table))
    assert unknown.learned_threshold_ == plain.learned_threshold_
    np.testing.assert_array_equal(
        AnomalyDetector(**SETTINGS).fit(table, y=plant(0)[1]).predict(table), plain.predict(table)
    )


def test_labelled_anomalies_are_kept_out_as_excluded_rows_are():
    table, labels = plant(0)
    excluded = AnomalyDetector(**SETTINGS).fit(table, excluded=labels == 1)
    np.testing.assert_array_equal(detector().score_samples(table), excluded.score_samples(table))
    np.testing.assert_array_equal(detector().calibration_.settled, excluded.calibration_.settled)


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_the_best_threshold_is_found(beta):
    rng = np.random.default_rng(0)
    scores = np.round(np.concatenate([rng.exponential(1, 300), rng.exponential(3, 40)]), 1)
    truth = np.repeat([False, True], [300, 40])
    found = tune_threshold(scores, truth, beta=beta)
    levels = np.unique(scores)
    candidates = [-1.0, *((low + high) / 2 for low, high in pairwise(levels))]
    best = max(fbeta_score(truth, scores > candidate, beta=beta) for candidate in candidates)
    assert fbeta_score(truth, scores > found.value, beta=beta) == pytest.approx(best)
    assert found.method == "labels"
    assert f"{best:.3f}" in found.note


def cost_of(threshold: float, anomalies: Array, normal: Array, cost: float, n: int) -> float:
    """The most alarms that any threshold as high gives, and what is missed."""
    above = [threshold, *(level for level in normal.tolist() if level > threshold)]
    alarms = max(len(peaks(normal.tolist(), level, MERGE_GAP)) for level in above)
    return cost * (anomalies <= threshold).sum() + alarms * n / len(normal)


@pytest.mark.parametrize("cost", [0.1, 1.0, 3.0, 100.0])
@pytest.mark.parametrize("seed", range(4))
def test_the_cheapest_threshold_is_found(cost, seed):
    rng = np.random.default_rng(seed)
    normal, anomalies = np.round(rng.exponential(size=120), 1), np.round(rng.exponential(3, size=7), 1)
    found = cheapest_threshold(anomalies, normal, cost=cost, n=300)
    levels = np.unique(np.concatenate([normal, anomalies]))
    candidates = [-1.0, *((low + high) / 2 for low, high in pairwise(levels)), levels[-1] + 1]
    least = min(cost_of(each, anomalies, normal, cost, 300) for each in candidates)
    assert cost_of(found.value, anomalies, normal, cost, 300) == pytest.approx(least)
    assert f"{(anomalies <= found.value).sum()} of 7 labelled anomalies missed" in found.note


def test_without_order_every_image_is_an_alarm_of_its_own():
    normal, anomalies = np.arange(100) / 10, np.array([5.05, 9.55])
    values = [
        cheapest_threshold(anomalies, normal, cost=cost, n=100, in_order=False).value for cost in (1e-3, 5.5, 1e3)
    ]
    np.testing.assert_allclose(values, [10.9, 9.525, 5.025])


def test_the_dearer_a_missed_event_the_lower_the_threshold():
    values = [detector(label_cost=cost).threshold_ for cost in (0.01, 1.0, 1000.0)]
    assert values[0] >= values[1] >= values[2]
    assert values[0] > values[2]
    table, labels = plant(0)
    scores = -detector().score_samples(table)
    runs = np.flatnonzero(np.diff(labels, prepend=0, append=0)).reshape(-1, 2)
    assert values[2] < min(scores[first:stop].max() for first, stop in runs)
    assert "labelled anomalies missed" in detector(label_cost=1.0).learned_threshold_.note


def test_labels_tune_the_thresholds_unless_one_is_stated():
    table, labels = plant(0)
    tuned = detector()
    assert tuned.learned_threshold_.method == tuned.thresholds_.immediate.method == "labels"
    scores = np.concatenate([-tuned.score_samples(table), tuned.calibration_.settled])
    truth = np.concatenate([labels == 1, np.zeros(len(tuned.calibration_.settled), dtype=bool)])
    assert tuned.threshold_ == tune_threshold(scores, truth).value
    assert tuned.offset_ == -tuned.threshold_
    eager, careful = detector(label_beta=3.0), detector(label_beta=0.3)
    assert eager.threshold_ <= tuned.threshold_ <= careful.threshold_
    assert eager.threshold_ < careful.threshold_
    assert detector(threshold=3.0).threshold_ == 3.0
    normal_only = AnomalyDetector(**SETTINGS).fit(table, annotations=np.zeros(400))
    assert normal_only.learned_threshold_.method == "pot"


def test_labels_recalibrate_as_they_tune_a_fit():
    changed, (later, labels) = copy.copy(detector()), plant(1)
    faulty = labels == 1
    scores = -changed.score_samples(later)
    changed.recalibrate(later, annotations=labels)
    normal = changed.calibration_.settled
    assert len(normal) == (~faulty).sum()
    tried = np.concatenate([scores[faulty], normal])
    truth = np.repeat([True, False], [faulty.sum(), len(normal)])
    assert changed.threshold_ == tune_threshold(tried, truth).value
    values = [changed.recalibrate(later, annotations=labels, label_cost=cost).threshold_ for cost in (0.01, 1000.0)]
    assert values[0] > values[1]
    runs = np.flatnonzero(np.diff(labels, prepend=0, append=0)).reshape(-1, 2)
    peaks_found = np.array([scores[first:stop].max() for first, stop in runs])
    dear = cheapest_threshold(peaks_found, normal, cost=1000.0, n=len(later))
    assert values[1] == dear.value
    assert changed.learned_threshold_ == dear


def test_labelled_anomalies_are_kept_out_of_every_recalibration():
    later, labels = plant(1)
    by_labels = copy.copy(detector()).recalibrate([later], annotations=[labels], threshold="quantile")
    by_mask = copy.copy(detector()).recalibrate(later, excluded=labels == 1, threshold="quantile")
    np.testing.assert_array_equal(by_labels.calibration_.settled, by_mask.calibration_.settled)
    assert by_labels.learned_threshold_ == by_mask.learned_threshold_
    assert by_labels.learned_threshold_.method == "quantile"
    assert copy.copy(detector()).recalibrate(later, annotations=np.zeros(400)).learned_threshold_.method == "pot"
    excluded = copy.copy(detector()).recalibrate(later, annotations=labels, excluded=labels == 1)
    assert excluded.learned_threshold_.method == "pot"


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        (
            {"threshold": "label_cost", "label_cost": 20},
            r"`threshold` \(='label_cost'\) .*pass `annotations`, with some rows marked 1",
        ),
        ({"label_beta": 2.0}, r"`threshold` \(='label_beta'\) chooses by labelled anomalies"),
        ({"labels": "some", "threshold": "label_cost"}, r"needs the cost of a missed anomaly .*state `label_cost`"),
        ({"labels": "some", "threshold": "pot", "label_cost": 2}, r"`label_cost` \(=2\) clashes with `threshold`"),
        ({"labels": "some", "label_beta": 1, "label_cost": 2}, r"`label_cost` \(=2\) clashes with `label_beta` \(=1\)"),
        ({"labels": "some", "label_cost": -1}, r"`label_cost` \(=-1\) must be a positive number"),
        ({"threshold": "best"}, r"`threshold` \(='best'\) is unknown"),
    ],
)
def test_a_recalibration_that_cannot_be_is_refused_and_changes_nothing(stated, message):
    changed, (later, labels) = copy.copy(detector()), plant(1)
    before = changed.thresholds_, changed.calibration_
    with pytest.raises(ParameterError, match=message):
        changed.recalibrate(later, **stated | ({"labels": labels} if "labels" in stated else {}))
    assert (changed.thresholds_, changed.calibration_) == before


def test_a_threshold_by_labels_is_not_set_without_them():
    for estimator in (detector(), image_detector()):
        with pytest.raises(ParameterError, match=r"`threshold` \(='label_cost'\) chooses by labels.*`recalibrate`"):
            copy.copy(estimator).set_threshold("label_cost")


def test_a_classifier_finds_the_next_fault_of_a_known_kind():
    later, truth = plant(1)
    areas = [roc_auc_score(truth, -detector(label_classifier=asked).score_samples(later)) for asked in (False, True)]
    assert areas[1] > areas[0] + 0.01


@pytest.mark.parametrize("make", [detector, image_detector])
def test_a_classifier_survives_the_file(make, tmp_path):
    fitted = make(label_classifier=True)
    inputs = plant(1)[0] if make is detector else pictures()[0]
    fitted.save(tmp_path / "m.tsae")
    loaded = tsae.load(tmp_path / "m.tsae")
    np.testing.assert_allclose(loaded.score_samples(inputs), fitted.score_samples(inputs), rtol=1e-3, atol=2e-3)
    assert loaded.learned_threshold_ == fitted.learned_threshold_
    assert (make().score_samples(inputs) > fitted.score_samples(inputs)).all()


def test_a_stream_refuses_a_classifier(tmp_path):
    with pytest.raises(ParameterError, match=r"`label_classifier` .*joins the scores of whole tables only"):
        tsae.StreamScorer(detector(label_classifier=True))


def test_labels_of_a_fleet_and_held_out_scores():
    machines, labels = zip(plant(0), plant(2), strict=True)
    fitted = AnomalyDetector(**SETTINGS, label_classifier=True).fit(list(machines), annotations=list(labels))
    assert fitted.learned_threshold_.method == "labels"
    n_normal = sum(int((part == 0).sum()) for part in labels)
    assert len(fitted.calibration_.settled) == pytest.approx(0.15 * n_normal, abs=2)
    with pytest.raises(DataError, match="`annotations` must be a list of 2"):
        AnomalyDetector(**SETTINGS).fit(list(machines), annotations=labels[0])


def test_images_are_labelled_the_same_way():
    images, labels = pictures()
    normal = ImageAnomalyDetector(max_steps=40, random_state=0).fit(images[:120])
    np.testing.assert_array_equal(image_detector().score_samples(images), normal.score_samples(images))
    assert image_detector().learned_threshold_.method == "labels"
    digits = load_digits()
    later = np.concatenate([digits.images[digits.target == digit][-50:] for digit in (0, 9)])
    truth = np.repeat([0, 1], 50)
    flagged = image_detector(label_classifier=True).predict(later) == -1
    assert fbeta_score(truth, flagged, beta=1) > 0.9
    assert ImageAnomalyDetector(max_steps=10, threshold=2.0).fit(images, annotations=labels).threshold_ == 2.0


def test_the_classifier_is_a_logistic_regression_whose_evidence_is_bounded():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(300, 4)) * [1, 10, 0.1, 0] + [0, 5, 0, 2]
    truth = np.repeat([False, True], [280, 20])
    features[truth, :2] += [3, 20]
    classifier = fit_label_classifier(features, truth)
    normal = features[~truth]
    scaled = np.clip((features - normal.mean(axis=0)) / np.maximum(normal.std(axis=0), 1e-6), -5, 5)
    twin = LogisticRegression(C=0.1, class_weight="balanced", max_iter=500).fit(scaled, truth)
    expected = -np.log(1 - twin.predict_proba(scaled)[:, 1])
    np.testing.assert_allclose(classifier.term(features), expected, rtol=1e-6)
    far = classifier.term(features[-1:] + 1e6)
    assert np.isfinite(far).all()
    assert (classifier.term(features) >= 0).all()


def test_honest_terms_have_not_seen_their_event():
    rng = np.random.default_rng(0)
    features, truth = rng.normal(size=(200, 3)), np.zeros(200, dtype=bool)
    truth[[10, 11, 50, 51]] = True
    features[[10, 11], 0], features[[50, 51], 1] = 8, 8  # two events that have nothing in common
    runs = np.cumsum(np.diff(truth, prepend=False))
    honest = honest_terms(features, truth, runs)
    assert np.isnan(honest[~truth]).all()
    assert honest[truth].max() < fit_label_classifier(features, truth).term(features)[truth].min()
    others = truth.copy()
    others[[10, 11]] = False
    keep = np.setdiff1d(np.arange(200), [10, 11])
    expected = fit_label_classifier(features[keep], others[keep]).term(features[[10, 11]])
    np.testing.assert_allclose(honest[[10, 11]], expected)
    one = np.zeros(200, dtype=bool)
    one[10:12] = True
    assert np.isnan(honest_terms(features, one, np.cumsum(np.diff(one, prepend=False)))).all()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.full(400, 2), r"`annotations` holds 2 at position 0"),
        (np.r_[np.zeros(399), 0.5], r"`annotations` holds 0.5 at position 399"),
        (np.zeros(399), r"`annotations` has shape \(399,\)"),
        (np.zeros((400, 2)), r"`annotations` has shape \(400, 2\)"),
        (["normal"] * 400, "`annotations` must be numbers"),
    ],
)
def test_nonsense_is_refused(labels, message):
    with pytest.raises(DataError, match=message):
        AnomalyDetector(**SETTINGS).fit(plant(0)[0], annotations=labels)


@pytest.mark.parametrize("estimator", [AnomalyDetector, ImageAnomalyDetector])
def test_parameters_are_refused_by_name(estimator):
    inputs = plant(0)[0] if estimator is AnomalyDetector else pictures()[0]
    for settings in ({"label_beta": 0}, {"label_beta": "f1"}, {"label_classifier": "yes"}):
        ((name, value),) = settings.items()
        with pytest.raises(ParameterError, match=rf"`{name}` \(={value!r}\)"):
            estimator(**settings).fit(inputs)
    for labels in (None, np.full(len(inputs), np.nan)):
        with pytest.raises(ParameterError, match=r"`label_classifier` \(=True\) learns from labelled anomalies"):
            estimator(label_classifier=True, max_steps=5).fit(inputs, annotations=labels)


def test_labels_are_still_taken_under_their_former_name() -> None:
    table, known = np.random.default_rng(0).normal(size=(120, 2)), np.zeros(120)
    detector = AnomalyDetector(max_steps=2, random_state=0).fit(table, labels=known)
    with pytest.raises(ParameterError, match="`labels` is the former name of `annotations`"):
        detector.fit(table, labels=known, annotations=known)
