"""Do drawn inputs resemble real ones? Known differences are seen, and no others."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from tsae.errors import DataError
from tsae.evaluation import resemblance
from tsae.evaluation.resemblance import autocorrelation


def windows(seed: int, n: int = 200) -> np.ndarray:
    """A process with a memory, in two channels `(n, 12, 2)`."""
    noise = np.random.default_rng(seed).normal(size=(n, 30, 2))
    return lfilter([0.6], [1, -0.8], noise, axis=1)[:, -12:] * [1, 5] + [0, 100]


def images(seed: int, n: int = 150) -> np.ndarray:
    """Smooth pictures `(n, 1, 6, 7)`, their first column without any variance."""
    rng = np.random.default_rng(seed)
    waves = np.sin(np.arange(6)[:, None] * 0.7 + np.arange(7) * 0.5 + rng.uniform(0, 6, (n, 1, 1, 1)))
    waves[..., 0] = 2.0
    return waves


@pytest.mark.parametrize("make", [windows, images])
def test_two_samples_of_one_distribution_are_alike(make):
    found = resemblance(make(0), make(1))
    assert found.means < 0.25
    assert found.variances < 0.3
    assert found.autocorrelation < 0.06
    assert 0.35 < found.auc < 0.65


def test_each_difference_shows_in_its_figure():
    real, other = windows(0), windows(1)
    alike = resemblance(real, other)
    moved = resemblance(real, other + real.std(axis=(0, 1)))
    assert moved.means == pytest.approx(1.0, abs=0.15)
    assert moved.variances == pytest.approx(alike.variances)
    assert moved.auc > 0.7
    wider = resemblance(real, (other - other.mean(axis=0)) * 2 + other.mean(axis=0))
    assert wider.variances == pytest.approx(np.log(4), abs=0.3)
    assert wider.means == pytest.approx(alike.means)
    order = np.random.default_rng(2).permuted(np.broadcast_to(np.arange(12), (200, 12)), axis=1)
    mixed = resemblance(real, np.take_along_axis(other, order[..., None], axis=1))
    assert mixed.autocorrelation > 0.15
    assert mixed.variances < 0.3
    assert mixed.auc > 0.85


def test_copies_of_one_input_are_told_from_real_ones():
    real = images(0)
    found = resemblance(real, np.broadcast_to(real.mean(axis=0), real.shape))
    assert found.means == pytest.approx(0, abs=1e-9)
    assert found.variances > 5
    assert found.auc > 0.95


def slow_autocorrelation(inputs: np.ndarray) -> np.ndarray:
    """Of windows, one product after another."""
    n, length, n_channels = inputs.shape
    out = np.zeros((length // 2, n_channels))
    for channel in range(n_channels):
        values = inputs[:, :, channel]
        mean, variance = values.mean(), values.var()
        for lag in range(1, length // 2 + 1):
            products = [
                (values[i, t] - mean) * (values[i, t - lag] - mean) for i in range(n) for t in range(lag, length)
            ]
            out[lag - 1, channel] = np.mean(products) / variance
    return out


def test_autocorrelation_equals_the_slow_one():
    some = windows(0, 20)
    np.testing.assert_allclose(autocorrelation(some, 1), slow_autocorrelation(some))
    np.testing.assert_allclose(autocorrelation(windows(0, 4000), 1)[0], 0.8, atol=0.03)
    down = autocorrelation(images(0, 20), 2)[:, 0]
    np.testing.assert_allclose(down[:, 1:], slow_autocorrelation(images(0, 20)[:, 0, :, 1:]))
    assert (down[:, 0] == 0).all()


@pytest.mark.parametrize(
    ("real", "drawn", "message"),
    [
        (windows(0)[:9], windows(0), r"`real` has shape \(9, 12, 2\)"),
        (windows(0), windows(0)[..., 0], r"`drawn` has shape \(200, 12\)"),
        (windows(0), windows(0)[:, :5], r"inputs of shapes \(12, 2\) and \(5, 2\)"),
        (windows(0), np.full((20, 12, 2), np.nan), "`drawn` holds values that are not finite"),
        (np.ones((20, 12, 2)), windows(0), "`real` holds the same input only"),
    ],
)
def test_what_cannot_be_compared_is_refused(real, drawn, message):
    with pytest.raises(DataError, match=message):
        resemblance(real, drawn)
