"""What people do with codes of windows; images are held to the same in `test_image_detector.py`."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from tests.detection.plants import COMPOSITIONS, Composition, fitted, readings, today
from tsae import AnomalyDetector, ImageAnomalyDetector
from tsae.detection.codes.cloud import fit_cloud
from tsae.errors import DataError, ParameterError
from tsae.scoring.rebuilding import towards
from tsae.series.synthetic import make_series

GAUSSIAN = [composition for composition in COMPOSITIONS if composition.bottleneck == "gaussian"]
SMALL = Composition("aacs", (4, 12), "dense", True, "deterministic")
N_TRAINING = 1500


@cache
def waves() -> np.ndarray:
    return make_series(N_TRAINING + 500, 3, random_state=0)


@cache
def learned(**parameters: object) -> AnomalyDetector:
    settings = {"window_size": 16, "preset": "alone", "max_steps": 150, "random_state": 0, **parameters}
    return AnomalyDetector(**settings).fit(waves()[:N_TRAINING] * 5 + 40)


@pytest.mark.parametrize("estimator", [AnomalyDetector, ImageAnomalyDetector])
def test_both_detectors_do_the_same_things_under_the_same_names(estimator):
    names = ("encode", "decode", "reconstruct", "denoise", "sample", "interpolate", "compression")
    assert all(callable(getattr(estimator, name)) for name in names)
    for name, arguments in (("sample", (3,)), ("interpolate", ([], [], 3)), ("compression", ()), ("denoise", ([],))):
        with pytest.raises(NotFittedError):
            getattr(estimator(), name)(*arguments)


@pytest.mark.parametrize("composition", GAUSSIAN, ids=str)
def test_new_windows_follow_their_seed(composition):
    detector, n_channels = fitted(composition), len(composition.channels)
    drawn = detector.sample(4, random_state=1)
    assert drawn.shape == (4, detector.window_size_, n_channels)
    known = [kind != "s" for kind in composition.channels]
    assert np.isfinite(drawn[..., known]).all()
    assert np.isnan(drawn[..., np.logical_not(known)]).all()
    constant = [kind == "c" for kind in composition.channels]
    assert (drawn[..., constant] == 7.5).all()
    np.testing.assert_array_equal(drawn, detector.sample(4, random_state=1))
    assert not np.array_equal(drawn, detector.sample(4, random_state=2), equal_nan=True)
    smooth = detector.sample(4, noise=False, random_state=1)
    assert not np.array_equal(drawn, smooth, equal_nan=True)


def test_only_variational_kinds_draw_new_windows():
    with pytest.raises(ParameterError, match=r"`bottleneck` \(='deterministic'\) .*bottleneck='gaussian'"):
        fitted(SMALL).sample(3)
    for n in (0, 1.5, True):
        with pytest.raises(ParameterError, match=rf"`n` \(={n}\) must be a whole number of at least 1"):
            fitted(GAUSSIAN[0]).sample(n)


def test_a_cloud_has_the_shape_of_its_codes():
    """Codes of a wave lie on a ring, which one Gaussian would fill."""
    angles = np.random.default_rng(0).uniform(0, 2 * np.pi, 1200)
    ring = np.column_stack([3 * np.cos(angles), 0.3 * np.sin(angles), np.full(1200, 2.0)])
    cloud = fit_cloud(ring[:800], ring[800:], random_state=0)
    drawn = cloud.draw(2000, np.random.default_rng(1))
    radius = np.hypot(drawn[:, 0] / 3, drawn[:, 1] / 0.3)
    assert np.quantile(radius, 0.05) > 0.7
    assert np.quantile(radius, 0.95) < 1.3
    np.testing.assert_allclose(drawn[:, 2], 2.0, atol=1e-3)
    np.testing.assert_allclose(np.cov(drawn[:, :2].T), np.cov(ring[:, :2].T), atol=0.3)


def test_windows_on_the_line_between_two_codes():
    detector = fitted(SMALL)
    size, values = detector.window_size_, readings(60, SMALL.channels, seed=5)
    a, b = values[:size], values[20 : 20 + size]
    between = detector.interpolate(a, pd.DataFrame(b), 5)
    assert between.shape == (5, size, 4)
    codes = np.stack([detector.encode(window)[-1] for window in (a, b)])
    np.testing.assert_allclose(between[[0, -1]], detector.decode(codes), rtol=1e-4, atol=1e-4)
    middle = detector.decode(codes.mean(axis=0, keepdims=True))[0]
    np.testing.assert_allclose(between[2], middle, rtol=1e-4, atol=1e-4)
    with pytest.raises(DataError, match=r"`b` has 5 rows; pass one window of `window_size_` = 12"):
        detector.interpolate(a, b[:5], 3)
    with pytest.raises(ParameterError, match=r"`steps` \(=1\)"):
        detector.interpolate(a, b, 1)


def test_codes_go_by_both_names_and_stay_arrays():
    detector, values = fitted(SMALL), today(SMALL)
    codes = detector.transform(values)
    np.testing.assert_array_equal(detector.encode(values), codes)
    np.testing.assert_array_equal(detector.decode(codes), detector.inverse_transform(codes))
    frames = AnomalyDetector(window_size=8, max_steps=5, random_state=0).set_output(transform="pandas")
    table = pd.DataFrame(readings(100, "aa"))
    assert isinstance(frames.fit(table).transform(table), pd.DataFrame)
    assert isinstance(frames.encode(table), np.ndarray)


def test_compression_is_measured_on_held_out_windows():
    detector = learned(latent_dim=8)
    ratio, rmse, unexplained = detector.compression()
    assert ratio == 16 * 3 / 8
    later = waves()[N_TRAINING:] * 5 + 40
    windows = np.lib.stride_tricks.sliding_window_view(later, 16, axis=0).transpose(0, 2, 1)
    rebuilt = detector.decode(detector.encode(later)[15:])
    error = np.square((rebuilt - windows) / detector.model_.ensemble.scaler.scale).mean()
    assert rmse == pytest.approx(np.sqrt(error), rel=0.1)
    variance = np.square((windows - windows.mean(axis=0)) / detector.model_.ensemble.scaler.scale).mean()
    assert unexplained == pytest.approx(error / variance, rel=0.1)
    assert learned(latent_dim=2).compression().unexplained > unexplained


@pytest.mark.parametrize("noise", [None, 2.0, (2.0, 2.0, 2.0)])
def test_denoising_brings_noisy_rows_nearer_to_the_clean_ones(noise):
    clean = waves()[N_TRAINING:] * 5 + 40
    noisy = clean + np.random.default_rng(1).normal(0, 2.0, clean.shape)
    after = np.square(learned().denoise(noisy, noise=noise) - clean).mean()
    assert after < np.square(noisy - clean).mean() / 3


def test_clean_rows_stay_and_missing_ones_are_filled():
    detector, clean = learned(), waves()[N_TRAINING:] * 5 + 40
    np.testing.assert_allclose(detector.denoise(clean, noise=0.0), clean, atol=1e-4)
    holes = pd.DataFrame(clean).mask(np.random.default_rng(0).random(clean.shape) < 0.02)
    cleaned = detector.denoise(holes)
    assert list(cleaned.columns) == list(holes.columns)
    missing = holes.isna().to_numpy()
    np.testing.assert_allclose(cleaned.to_numpy()[missing], detector.reconstruct(holes).to_numpy()[missing], atol=1e-4)
    fleet = detector.denoise([clean[:100], clean[100:]])
    assert [len(machine) for machine in fleet] == [100, 400]


def test_what_no_network_sees_stays_as_it_is():
    values = today(SMALL)
    cleaned = fitted(SMALL).denoise(values)
    np.testing.assert_array_equal(cleaned[:, 2:], values[:, 2:])
    assert np.isfinite(cleaned[:, :2]).all()


@pytest.mark.parametrize("noise", [-1, "much", np.nan, (1.0, 2.0)])
def test_a_noise_that_is_none_is_refused(noise):
    with pytest.raises(ParameterError, match=r"`noise` \(=.*\) must be a standard deviation .*each of the 4 channels"):
        fitted(SMALL).denoise(today(SMALL), noise=noise)


def test_weights_between_seen_and_rebuilt():
    """Against the best weight found by trying all of them."""
    rng = np.random.default_rng(0)
    signal, left, noise = rng.normal(size=200_000), 0.3, 0.7
    rebuilt = signal + rng.normal(0, np.sqrt(left), signal.shape)
    seen = signal + rng.normal(0, np.sqrt(noise), signal.shape)
    weights = np.linspace(0, 1, 101)
    errors = [np.square(rebuilt + weight * (seen - rebuilt) - signal).mean() for weight in weights]
    found = np.square(towards(seen, rebuilt, np.float64(left), np.float64(noise)) - signal).mean()
    assert found == pytest.approx(min(errors), rel=1e-3)
