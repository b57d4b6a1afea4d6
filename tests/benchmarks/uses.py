"""What the kinds are good for besides detection: `python -m tests.benchmarks.uses`.

Compression: input size over code size, and the share of the variance that is lost on held-out inputs. Denoising: white
noise is added to later data, and the gain is by how many decibels the squared error against the clean data falls,
beside a reconstruction alone and a median filter. Sampling: new inputs of the variational kinds beside held-out real
ones, rounded as those are (see `tsae.evaluation.resemblance`); the first line compares two halves of the real ones.

Series: waves with a tenth of noise (`tsae.series.synthetic`), and the pump's normal weeks. Images: all of
scikit-learn's digits.

    python -m tests.benchmarks.uses                                      all of it
    python -m tests.benchmarks.uses --data waves --kinds variational     a part of it
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import median_filter
from sklearn.datasets import load_digits

import tsae
from tsae import AnomalyDetector, ImageAnomalyDetector
from tsae.detection.parameters.recipes import RECIPES, recipe
from tsae.evaluation import resemblance
from tsae.series.synthetic import make_series

Array = NDArray[Any]
WINDOW = 32
NOISES = (0.3, 1.0)  # standard deviations of the values


class Data(NamedTuple):
    training: Array
    later: Array
    inputs: Array
    """Later windows side by side `(n, time, channels)`, or images `(n, channels, height, width)`."""


def waves() -> Data:
    series = make_series(16_000, 3, random_state=0)
    return series_data(series, 8_000)


def pump() -> Data:
    table = tsae.read_table(tsae.bundled_dataset("pump").train).frames[""]
    analog = [name for name in table.columns if table[name].nunique() > 2]
    values = table[analog].interpolate(limit_direction="both").to_numpy()
    return series_data(values, len(values) * 2 // 3)


def series_data(series: Array, n_training: int) -> Data:
    later = series[n_training:]
    n_windows = len(later) // WINDOW
    return Data(series[:n_training], later, later[: n_windows * WINDOW].reshape(n_windows, WINDOW, -1))


def digits() -> Data:
    images = load_digits().images[:, np.newaxis]
    order = np.random.default_rng(0).permutation(len(images))
    later = images[order[1000:]]
    return Data(images[order[:1000]], later, later)


DATA = {"waves": waves, "pump": pump, "digits": digits}


def fitted(name: str, data: str, training: Array) -> Any:
    if data == "digits":
        return ImageAnomalyDetector(**recipe(name, "images", random_state=0)).fit(training)
    return AnomalyDetector(**recipe(name, window_size=WINDOW, random_state=0)).fit(training)


def decibels(clean: Array, noisy: Array, cleaned: Array, spread: Array) -> float:
    before, after = (np.square((part - clean) / spread).mean() for part in (noisy, cleaned))
    return float(10 * np.log10(before / after))


def gains(detector: Any, data: Data) -> list[float]:
    """Gain in dB for each level: noise known, noise estimated, reconstruction alone, median of three."""
    axes = (0,) if data.later.ndim == 2 else None
    spread = data.training.std(axis=axes)
    found = []
    for level in NOISES:
        noisy = data.later + np.random.default_rng(1).standard_normal(data.later.shape) * level * spread
        window = (3, 1) if data.later.ndim == 2 else (1, 1, 3, 3)
        answers = (
            detector.denoise(noisy, noise=level * spread),
            detector.denoise(noisy),
            detector.reconstruct(noisy),
            median_filter(noisy, window),
        )
        found += [decibels(data.later, noisy, answer, spread) for answer in answers]
    return found


def as_recorded(drawn: Array, real: Array) -> Array:
    """Drawn values rounded to the steps of the sensors or pixels that recorded the real ones."""
    channels = 1 if drawn.ndim == 4 else 2
    steps = [np.diff(np.unique(part.round(6))).min() for part in np.moveaxis(real, channels, 0)]
    step = np.array(steps) if channels == 2 else np.array(steps)[:, np.newaxis, np.newaxis]
    return np.round(drawn / step) * step


def report(data_name: str, kinds: Sequence[str]) -> None:
    data = DATA[data_name]()
    level = "".join(f"{f'noise {level}: known':>18}{'estimated':>10}{'rebuilt':>9}{'median':>8}" for level in NOISES)
    print(f"\n{data_name}\n{'':16}{'ratio':>7}{'lost':>7}{level}")
    detectors = {}
    for name in kinds:
        detector = detectors[name] = fitted(name, data_name, data.training)
        ratio, _, unexplained = detector.compression()
        found = gains(detector, data)
        cells = "".join(
            f"{known:18.1f}{unknown:10.1f}{rebuilt:9.1f}{median:8.1f}"
            for known, unknown, rebuilt, median in zip(*[iter(found)] * 4, strict=True)
        )
        print(f"{name:16}{ratio:7.1f}{unexplained:7.3f}{cells}", flush=True)
    print(f"{'sampled':32}{'means':>8}{'variances':>11}{'autocorr.':>11}{'AUC':>7}")
    half = len(data.inputs) // 2
    lines = {"real, other half": (data.inputs[:half], data.inputs[half:])}
    for name, detector in detectors.items():
        if detector.codes_.cloud is not None:
            for noise in (True, False):
                label = name if noise else f"{name}, noise=False"
                drawn = detector.sample(len(data.inputs), noise=noise, random_state=0)
                lines[label] = data.inputs, as_recorded(drawn, data.inputs)
    for label, (real, drawn) in lines.items():
        means, variances, correlation, auc = resemblance(real, drawn)
        print(f"{label:32}{means:8.3f}{variances:11.3f}{correlation:11.3f}{auc:7.3f}", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=DATA)
    parser.add_argument("--kinds", nargs="+", default=list(RECIPES), choices=RECIPES)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    for name in given.data:
        report(name, given.kinds)


if __name__ == "__main__":
    main()
