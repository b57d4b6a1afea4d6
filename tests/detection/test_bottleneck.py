"""Each advice is given where it should be, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score

import tsae
from tsae import AnomalyDetector, ImageAnomalyDetector
from tsae.detection.codes.bottleneck import BottleneckFacts, advise, far_off, principal_curve, study_bottleneck
from tsae.detection.codes.readiness import study_tables
from tsae.errors import DataError
from tsae.series.synthetic import make_series

GOOD = BottleneckFacts(
    n_values=48,
    latent_dim=8,
    n_apart=200,
    lengths=(1, 2, 4, 8, 16, 32),
    curve=(0.6, 0.4, 0.2, 0.1, 0.04, 0.01),
    left_in_training=0.1,
    left=0.11,
    told=0.98,
    missing=0.0,
    touched=0.0,
    concentration=0.05,
)


def noise(n_rows: int, n_channels: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n_rows, n_channels))


def burst() -> np.ndarray:
    values = make_series(2000, 3, random_state=0)
    values[700:715] += 8 * noise(15, 3)
    return values


def spikes() -> np.ndarray:
    values = make_series(2000, 3, random_state=0)
    values[np.random.default_rng(0).random(values.shape) < 0.01] = 50
    return values


def holes() -> np.ndarray:
    values = make_series(2000, 3, random_state=0)
    values[np.random.default_rng(0).random(values.shape) < 0.3] = np.nan
    return values


TABLES: dict[str, tuple[Any, dict[str, Any], set[str]]] = {
    "fits": (lambda: make_series(2000, 3, random_state=0), {}, set()),
    "one number for three waves": (
        lambda: make_series(2000, 3, random_state=0),
        {"latent_dim": 1, "network": {"linear_path": False}},
        {"narrow"},
    ),
    "a code as long as the window": (lambda: make_series(2000, 3, random_state=0), {"latent_dim": 48}, {"wide"}),
    "noise, nearly all of it kept": (lambda: noise(2000, 3), {"latent_dim": 44}, {"wide"}),
    "noise, rebuilt by nobody": (lambda: noise(4000, 3), {"latent_dim": 8}, set()),
    "six windows": (lambda: make_series(110, 3, random_state=0), {}, {"little"}),
    "few rows of many sensors": (lambda: noise(300, 8), {"window_size": 32}, {"little"}),
    "a burst": (burst, {}, {"dirty"}),
    "spikes": (spikes, {"latent_dim": 20}, {"dirty"}),
    "holes": (holes, {}, {"dirty"}),
}


@cache
def fitted(name: str) -> AnomalyDetector:
    make, settings, _ = TABLES[name]
    quick = {"window_size": 16, "preset": "alone", "max_steps": 60, "random_state": 0}
    return AnomalyDetector(**quick | settings).fit(make())


@pytest.mark.parametrize("name", TABLES)
def test_a_fitted_detector_is_advised(name):
    assert {finding.kind for finding in fitted(name).advice().findings} == TABLES[name][2]


def test_advice_survives_the_file_and_reads_well(tmp_path):
    detector = fitted("one number for three waves")
    detector.save(tmp_path / "m.tsae")
    assert tsae.load(tmp_path / "m.tsae").advice() == detector.advice()
    text = str(detector.advice())
    assert "16 principal components leave" in text
    assert "raise `latent_dim`" in text


@pytest.mark.parametrize(
    ("n", "settings", "kinds"),
    [(600, {}, set()), (600, {"latent_dim": 1}, {"narrow"}), (600, {"latent_dim": 64}, {"wide"}), (9, {}, {"little"})],
)
def test_an_image_detector_is_advised(n, settings, kinds, tmp_path):
    detector = ImageAnomalyDetector(**{"max_steps": 150, "random_state": 0, **settings}).fit(load_digits().images[:n])
    assert {finding.kind for finding in detector.advice().findings} == kinds
    detector.save(tmp_path / "m.tsae")
    assert tsae.load(tmp_path / "m.tsae").advice() == detector.advice()


def test_good_facts_need_no_advice_and_each_bad_one_has_its_own():
    assert advise(GOOD).findings == ()
    bad = {
        "narrow": {"left": 0.5, "left_in_training": 0.45, "curve": (0.9, 0.8, 0.6, 0.5, 0.1, 0.05)},
        "wide": {"told": 0.6},
        "little": {"n_apart": 9},
        "dirty": {"concentration": 0.6},
    }
    for kind, facts in bad.items():
        assert [finding.kind for finding in advise(replace(GOOD, **facts)).findings] == [kind]
    assert advise(replace(GOOD, left=0.5, left_in_training=0.45)).findings == ()  # the network lacks training
    overfitted = replace(GOOD, left=0.5, left_in_training=0.1)
    assert [finding.kind for finding in advise(overfitted).findings] == ["dirty"]
    assert "is all of it normal" in advise(overfitted).findings[0].sentence
    assert [finding.kind for finding in advise(replace(overfitted, n_apart=70)).findings] == ["little"]
    assert advise(replace(GOOD, told=None)).findings == ()


def test_the_curve_is_that_of_principal_components():
    training, held_out = (
        make_series(1600, 3, random_state=0).reshape(-1, 16, 3)[part] for part in (slice(70), slice(70, 100))
    )
    lengths, curve = principal_curve(training, held_out, 5)
    assert lengths == (1, 2, 4, 5, 8, 16, 32)
    flat = held_out.reshape(30, -1)
    for length, left in zip(lengths, curve, strict=True):
        pca = PCA(length).fit(training.reshape(70, -1))
        error = np.square(pca.inverse_transform(pca.transform(flat)) - flat).mean()
        assert left == pytest.approx(error / np.square(flat - pca.mean_).mean(), rel=1e-4)


def test_facts_against_a_loop():
    windows = make_series(3200, 2, random_state=0).reshape(-1, 16, 2).astype(np.float32)
    training, held_out = windows[:150], windows[150:]

    def smooth(inputs: np.ndarray) -> np.ndarray:
        return np.repeat(inputs.reshape(len(inputs), 4, 4, 2).mean(axis=2), 4, axis=1)

    facts = study_bottleneck(training, held_out, smooth, latent_dim=8, n_apart=150)
    errors = [np.square(smooth(window[None])[0] - window).mean() for window in training]
    variance = np.mean([np.square(window - training.mean(axis=0)).mean() for window in training])
    assert facts.left_in_training == pytest.approx(np.mean(errors) / variance, rel=1e-4)
    assert facts.concentration == pytest.approx(sum(sorted(errors)[-2:]) / sum(errors), rel=1e-4)
    assert facts.told is not None
    assert facts.told > 0.9
    rng = np.random.default_rng(1)
    wrong = [np.square(smooth(mixed[None])[0] - mixed).mean() for mixed in map(rng.permutation, held_out)]
    own = [np.square(smooth(window[None])[0] - window).mean() for window in held_out]
    area = roc_auc_score(np.repeat([1, 0], 50), [*wrong, *own])
    assert facts.told == pytest.approx(max(area, facts.told), abs=0.1)


def test_what_is_far_off():
    windows = np.random.default_rng(0).normal(size=(50, 8, 3)).astype(np.float32)
    windows[..., 1] = 4.0  # no spread to judge by
    windows[:10, :, 2] += 100  # another state, not an error
    assert not far_off(windows).any()
    windows[7, 3, 0] = 30
    assert np.flatnonzero(far_off(windows)).tolist() == [7]


def test_a_table_is_judged_before_a_fit():
    good = study_tables([pd.DataFrame(make_series(3000, 3, random_state=0))])
    assert good.window_sizes == (16, 64)
    assert good.advice.findings == ()
    assert good.advice.facts.left < 0.1
    short = study_tables([pd.DataFrame(make_series(300, 3, random_state=0))])
    assert "little" in {finding.kind for finding in short.advice.findings}
    dirty = study_tables([pd.DataFrame(spikes()), pd.DataFrame(spikes())])
    assert "dirty" in {finding.kind for finding in dirty.advice.findings}
    with pytest.raises(DataError, match="exceeds the longest run of training rows"):
        study_tables([pd.DataFrame(noise(3, 2))])
