"""Defects light up where they are, and count by their most unusual place."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tsae import ImageAnomalyDetector
from tsae.detection.images.model import HeatScale, fit_heat_scale
from tsae.images.reading import ImageTable

SIDE = 20
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE]


def waves(n, seed, channels=1):
    """Pictures `(n, channels, height, width)` of a wave with a varying phase and noise."""
    rng = np.random.default_rng(seed)
    phases = rng.uniform(0, 2 * np.pi, (n, channels, 1, 1))
    return np.sin(0.7 * COLUMNS + 0.3 * ROWS + phases) + rng.normal(0, 0.1, (n, channels, SIDE, SIDE))


@pytest.fixture(scope="module")
def detector():
    return ImageAnomalyDetector(latent_dim=2, network={"hidden": (64,)}, max_steps=200, random_state=0).fit(
        waves(150, 0)
    )


def test_a_painted_defect_lights_up_where_it_is(detector):
    pictures, masks = waves(24, 1), np.zeros((24, SIDE, SIDE), bool)
    for number, (row, column) in enumerate(np.random.default_rng(2).integers(1, SIDE - 4, (24, 2))):
        masks[number, row : row + 3, column : column + 3] = True
        pictures[number, 0][masks[number]] += 1.2 if number % 2 else -1.2
    heat = detector.heatmaps(pictures)
    assert heat.shape == masks.shape
    assert roc_auc_score(masks.ravel(), heat.ravel()) > 0.96
    peaks = heat.reshape(24, -1).argmax(axis=1)
    assert masks.reshape(24, -1)[np.arange(24), peaks].mean() > 0.9
    raw = detector.errors(pictures)[:, 0]
    assert roc_auc_score(masks.ravel(), heat.ravel()) > roc_auc_score(masks.ravel(), raw.ravel())


def test_a_small_defect_counts_more_by_its_place_than_in_the_mean(detector):
    fine, bad = waves(60, 3), waves(60, 4)
    bad[:, 0, 5:7, 5:7] += 0.9
    settings = detector.get_params(deep=False) | {"local_score": False}
    whole = ImageAnomalyDetector(**settings).fit(waves(150, 0))
    is_bad, pictures = np.arange(120) >= 60, np.concatenate([fine, bad])
    scores = [-each.score_samples(pictures) for each in (whole, detector)]
    assert roc_auc_score(is_bad, scores[1]) > roc_auc_score(is_bad, scores[0]) + 0.02
    assert (scores[1] >= scores[0]).all()


def test_normal_pictures_stay_below_the_level(detector):
    heat = detector.heatmaps(waves(100, 5))
    assert (heat > detector.heat_level_).mean() < 0.005
    assert 0.5 < heat.mean() < 2


def test_the_scale_is_the_loop_over_held_out_pictures():
    errors = np.random.default_rng(0).exponential(1, (7, 2, 6, 5)).astype(np.float32)
    scale, peaks = fit_heat_scale(errors)
    mean = errors.mean(axis=0)
    np.testing.assert_allclose(scale.usual, 0.5 * mean + 0.5 * mean.mean(), rtol=1e-5)
    for number in range(7):
        others = np.delete(errors, number, axis=0).mean(axis=0)
        one = HeatScale(0.5 * others + 0.5 * others.mean(), 1.0).heat(errors[number : number + 1])
        assert peaks[number] == pytest.approx(one.max(), rel=1e-4)
    assert fit_heat_scale(errors[:1])[1].shape == (1,)
    assert np.isfinite(fit_heat_scale(np.zeros_like(errors))[1]).all()


def test_what_is_found_keeps_names_and_order(detector):
    pictures = waves(5, 6)
    pictures[3, 0, 8:12, 8:12] += 2
    found = detector.detect(ImageTable(pictures, tuple("edcba")))
    assert found.names == tuple("edcba")
    np.testing.assert_array_equal(found.scores, -detector.score_samples(pictures))
    np.testing.assert_array_equal(found.labels, found.scores > detector.threshold_)
    np.testing.assert_array_equal(found.severities > 50, found.labels)
    assert found.worst_first[0] == 3
    assert detector.detect(pictures).names == tuple("01234")
