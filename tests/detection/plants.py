"""Small series with every kind of channel, and a detector for each way to put one together."""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tsae import AnomalyDetector
from tsae.detection.parameters.groups import in_groups

Array = npt.NDArray[np.float64]


def readings(n_rows: int, channels: str, *, seed: int = 0) -> Array:
    """Rows of a plant `(n_rows, n_channels)`.

    `channels` has a letter for each: "a" analog, "c" constant, "s" a switch.
    """
    rng = np.random.default_rng(seed)
    time = np.arange(n_rows)
    columns = []
    for number, kind in enumerate(channels):
        wave = np.sin(2 * np.pi * time / (11 + 6 * number)) + 0.05 * rng.normal(size=n_rows)
        columns.append({"a": 20 + 3 * wave, "c": np.full(n_rows, 7.5), "s": (wave > 0).astype(float)}[kind])
    return np.column_stack(columns)


class Composition(NamedTuple):
    """One way to put a detector together."""

    channels: str
    window_size: Any
    architecture: str
    linear_path: bool
    bottleneck: str
    preset: str = "balanced"

    def __str__(self) -> str:
        linear = "linear" if self.linear_path else "plain"
        return f"{self.channels}-{self.window_size}-{self.architecture}-{linear}-{self.bottleneck}-{self.preset}"


def _compositions() -> list[Composition]:
    """Every kind of channels with every window; the rest takes turns so that every pair of choices occurs."""
    architectures = ("dense", "conv", "transformer")
    pairs = product(("a", "aaa", "aac", "aas"), ("auto", 4, 17, (8, 24)))
    return [
        Composition(
            channels,
            window_size,
            architectures[(number + number // 4) % 3],
            linear_path=(number // 2 + number // 8) % 2 == 0,
            bottleneck=("deterministic", "gaussian")[(number // 3 + number // 4) % 2],
        )
        for number, (channels, window_size) in enumerate(pairs)
    ]


COMPOSITIONS = [*_compositions(), Composition("acs", "auto", "dense", True, "deterministic", "best")]
SHORT_LAGS = [(COMPOSITIONS[number], lag) for number in (0, 6, 7, 12) for lag in (0, 5)]
"""A few of them with lags that do not wait for all that helps."""
N_TRAINING = 240


@cache
def fitted(composition: Composition, *, lag: int | str = "auto") -> AnomalyDetector:
    """A detector trained on `readings`, long enough to have all its parts and no longer."""
    parameters = {**composition._asdict(), "lag": lag, "max_steps": 6, "random_state": 0}
    parameters["n_blocks"] = 1 if composition.architecture == "transformer" else 2  # they are slow
    del parameters["channels"]
    return AnomalyDetector(**in_groups(parameters)).fit(readings(N_TRAINING, composition.channels))


def today(composition: Composition, n_rows: int = 90) -> Array:
    """Later rows with what happens in a plant: missing values, a dead channel, a jump, a flipped switch."""
    table = readings(N_TRAINING + n_rows, composition.channels, seed=1)[N_TRAINING:]
    rng = np.random.default_rng(2)
    table[rng.random(table.shape) < 0.05] = np.nan
    table[:3, 0] = np.nan
    table[40:46] = np.nan
    table[50:70, -1] = np.nan
    table[75:80, 0] += 30
    table[20:26, -1] = 1 - table[20:26, -1]
    return table
