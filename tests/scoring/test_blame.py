from __future__ import annotations

import numpy as np
import pytest

from tests.detection.plants import readings
from tsae import AnomalyDetector, load
from tsae.fitting.build import fit_blame
from tsae.fitting.fit_rows import lay_out_rows
from tsae.fitting.training_rows import Span
from tsae.scoring.blame import BlameModel, put_aside
from tsae.series.channels import fit_channels

SIZE, N_CHANNELS = 3, 4


def gaussian(seed: int = 0) -> tuple[BlameModel, np.ndarray]:
    """A model of windows whose channels hang together, and the covariance of its windows, flat, time first."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(SIZE * N_CHANNELS, SIZE * N_CHANNELS)) / 3
    covariance = mixing @ mixing.T + 0.1 * np.eye(len(mixing))
    precision = np.linalg.inv(covariance)
    return BlameModel(np.zeros((SIZE, N_CHANNELS)), precision, np.full(N_CHANNELS, float(SIZE))), covariance


def entries_of(channels: list[int]) -> np.ndarray:
    return np.flatnonzero(np.isin(np.arange(SIZE * N_CHANNELS) % N_CHANNELS, channels))


def distance(window: np.ndarray, covariance: np.ndarray, channels: list[int]) -> float:
    """Squared Mahalanobis distance of some channels of a window `(SIZE, N_CHANNELS)`."""
    entries = entries_of(channels)
    part = window.ravel()[entries]
    return float(part @ np.linalg.solve(covariance[np.ix_(entries, entries)], part))


def parts_of(windows: np.ndarray, covariance: np.ndarray, usual: np.ndarray, n_most: int) -> np.ndarray:
    """Put the channel aside whose absence brings the others closest to the mean, and again."""
    left, found = list(range(windows.shape[2])), []
    parts = np.zeros(windows.shape[2])
    while left:
        gains = {}
        for channel in left:
            others = [other for other in left if other != channel]
            gain = [
                distance(window, covariance, left) - (distance(window, covariance, others) if others else 0.0)
                for window in windows
            ]
            gains[channel] = max(sum(gain) / len(gain) / usual[channel] - 1, 0)
        best = max(gains, key=lambda channel: gains[channel])
        largest = max([part for _, part in found], default=gains[best])
        if len(found) == n_most or gains[best] <= 0.02 * largest:
            for channel, gain in gains.items():
                parts[channel] = gain
            break
        found.append((best, gains[best]))
        left.remove(best)
    for place, (channel, _) in enumerate(found):
        parts[channel] = max(part for _, part in found[place:])
    return parts


def test_putting_a_channel_aside_equals_the_inverse_of_the_other_channels_covariance():
    model, covariance = gaussian()
    precision = model.precision.reshape(SIZE, N_CHANNELS, SIZE, N_CHANNELS).transpose(1, 0, 3, 2)
    kept = entries_of([0, 1, 3])
    expected = np.linalg.inv(covariance[np.ix_(kept, kept)]).reshape(SIZE, 3, SIZE, 3).transpose(1, 0, 3, 2)
    np.testing.assert_allclose(put_aside(precision, 2), expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("seed", range(8))
def test_what_channels_explain_equals_the_distance_that_goes_away_with_them(seed):
    model, covariance = gaussian(seed)
    windows = np.random.default_rng(seed).normal(size=(5, SIZE, N_CHANNELS))
    expected = [
        [
            distance(window, covariance, [0, 1, 2, 3])
            - distance(window, covariance, [other for other in range(4) if other != j])
            for j in range(N_CHANNELS)
        ]
        for window in windows
    ]
    np.testing.assert_allclose(model.explained(windows), expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_what_is_hidden_is_expected_at_its_mean_given_the_rest(seed):
    model, covariance = gaussian(seed)
    rng = np.random.default_rng(seed)
    model = BlameModel(rng.normal(size=(SIZE, N_CHANNELS)), model.precision, model.usual)
    window, hidden = rng.normal(size=(SIZE, N_CHANNELS)), rng.random((SIZE, N_CHANNELS)) < 0.4
    at, rest = np.flatnonzero(hidden), np.flatnonzero(~hidden)
    known = (window - model.centre).ravel()[rest]
    expected = window.ravel().copy()
    expected[at] = model.centre.ravel()[at] + covariance[np.ix_(at, rest)] @ np.linalg.solve(
        covariance[np.ix_(rest, rest)], known
    )
    np.testing.assert_allclose(model.expected(window, hidden).ravel(), expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("seed", range(8))
def test_parts_equal_a_search_that_leaves_channels_out(seed):
    model, covariance = gaussian(seed)
    rng = np.random.default_rng(seed)
    rows = np.linalg.cholesky(covariance) @ rng.normal(size=SIZE * N_CHANNELS)
    rows = np.concatenate([rows.reshape(SIZE, N_CHANNELS)] * 2)
    rows[:, seed % N_CHANNELS] += 3
    rows[:, (seed + 1) % N_CHANNELS] -= 2
    windows = np.stack([rows[start : start + SIZE] for start in range(len(rows) - SIZE + 1)])
    expected = parts_of(windows, covariance, model.usual, 10)
    np.testing.assert_allclose(model.parts(rows, np.ones(rows.shape, dtype=bool)), expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("seed", range(8))
def test_no_channel_explains_more_than_the_faulty_one(seed):
    model, _ = gaussian(seed)
    for channel in range(N_CHANNELS):
        fault = np.zeros((1, SIZE, N_CHANNELS))
        fault[0, :, channel] = np.random.default_rng(seed).normal(size=SIZE)
        assert np.argmax(model.explained(fault)[0]) == channel


def test_a_channel_that_was_not_measured_is_not_to_blame():
    model, _ = gaussian()
    rows, observed = np.full((SIZE, N_CHANNELS), 5.0), np.ones((SIZE, N_CHANNELS), dtype=bool)
    observed[1, 2] = False
    parts = model.parts(rows, observed)
    assert parts[2] == 0
    assert parts.sum() > 0
    assert not model.parts(rows, np.zeros_like(observed)).any()


def test_the_precision_is_that_of_training_windows():
    table = readings(600, "aaa")
    scaler = fit_channels(table)
    rows = lay_out_rows([Span(table, 90)], scaler)
    model = fit_blame(rows)
    scaled = scaler.scaled(table).astype(np.float64)
    windows = np.array([scaled[start : start + 16].ravel() for start in range(600 - 90 - 15)])
    covariance = np.cov(windows.T, bias=True)
    covariance += 0.05 * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    np.testing.assert_allclose(model.precision @ covariance, np.eye(len(covariance)), atol=1e-3)
    np.testing.assert_allclose(model.centre.ravel(), windows.mean(axis=0), atol=1e-6)


def test_one_channel_and_runs_shorter_than_a_window_have_no_model():
    for table in (readings(600, "a"), readings(12, "aa")):
        assert fit_blame(lay_out_rows([Span(table, 2)], fit_channels(table))) is None


def smearing_plant(n_rows: int, seed: int) -> np.ndarray:
    """Six sensors of two processes: the network rebuilds every one from the others."""
    rng = np.random.default_rng(seed)
    phase = 2 * np.pi * np.arange(n_rows) / 31
    processes = np.column_stack([np.sin(phase), np.sin(0.37 * phase + 1)])
    mixing = np.array([[1, 0.8, 0.9, 0.1, 0.2, 0.5], [0.1, 0.3, -0.2, 1, -0.9, 0.6]])
    return 10 + processes @ mixing + 0.1 * rng.normal(size=(n_rows, 6))


def test_a_fault_that_spreads_through_the_network_is_blamed_on_its_sensor(tmp_path):
    detector = AnomalyDetector(window_size=16, max_steps=60, threshold=8.0, random_state=0)
    detector.fit(smearing_plant(800, 0))
    today = smearing_plant(200, 1)
    today[100:130, 2] += 2.5
    worst = max(detector.detect(today).events, key=lambda event: event.peak_score)
    errors = np.maximum(detector.errors(today)[100:130] - 1, 0).sum(axis=0)
    assert worst.sensors[0].sensor == "x2"
    assert worst.sensors[0].share > 1.2 * errors[2] / errors.sum()
    assert worst.sensors[0].expected == pytest.approx(smearing_plant(200, 1)[worst.peak, 2], abs=0.3)
    detector.save(tmp_path / "m.tsae")
    again = max(load(tmp_path / "m.tsae").detect(today).events, key=lambda event: event.peak_score)
    shares = {each.sensor: each.share for each in worst.sensors}
    assert {each.sensor: each.share for each in again.sensors} == pytest.approx(shares, abs=1e-4)
