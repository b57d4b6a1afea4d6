"""Made-up plants whose faults are known: processes that drive several sensors each, and faults of many kinds.

A plant has about a third as many hidden processes as sensors: cycles, set points that step, and wandering loads. A
sensor shows one to three of them, delayed and damped, plus noise of its own level (a tenth of the sensors are very
noisy). Nothing here is used by the package.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

__all__ = ["KINDS", "Fault", "Plant", "inject_fault", "inject_share"]

Array = NDArray[Any]
KINDS = ("bias", "drift", "stuck", "noise", "spike", "swapped")


@dataclass(frozen=True)
class Fault:
    """A fault and the sensors it is in."""

    start: int
    stop: int
    kind: str
    sensors: tuple[int, ...]
    """The first is where a spreading fault begins."""


class Plant:
    """A source of normal rows and of what a fault in one sensor does to the coupled ones."""

    def __init__(self, n_sensors: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        n_processes = max(1, round(n_sensors / 3))
        self.kinds = rng.choice(["cycle", "steps", "wander"], size=n_processes)
        self.periods = rng.integers(24, 150, size=n_processes)
        self.mixing = np.zeros((n_processes, n_sensors))
        for sensor in range(n_sensors):
            seen = rng.choice(n_processes, size=min(n_processes, int(rng.integers(1, 4))), replace=False)
            self.mixing[seen, sensor] = rng.choice([-1, 1], size=len(seen)) * rng.uniform(0.4, 1.2, size=len(seen))
        self.damping = rng.uniform(0.0, 0.8, size=n_sensors)
        self.noise = rng.choice([0.05, 0.1, 0.2, 0.6], p=[0.3, 0.4, 0.2, 0.1], size=n_sensors)
        self.scale, self.offset = 10 ** rng.uniform(-1, 2, size=n_sensors), rng.uniform(-50, 50, size=n_sensors)

    def rows(self, n_rows: int, seed: int) -> Array:
        """Normal rows `(n_rows, n_sensors)` in the sensors' units."""
        rng = np.random.default_rng(seed)
        processes = np.column_stack(
            [
                self._process(kind, period, n_rows + 200, rng)
                for kind, period in zip(self.kinds, self.periods, strict=True)
            ]
        )
        clean = processes @ self.mixing
        damped = np.column_stack(
            [lfilter([1 - a], [1, -a], column) for a, column in zip(self.damping, clean.T, strict=True)]
        )
        noisy = damped[200:] + self.noise * rng.normal(size=(n_rows, len(self.damping)))
        return self.offset + self.scale * noisy

    def coupled(self, sensor: int) -> Array:
        """How strongly the other sensors hang on the same processes, `(n_sensors,)`, 0 for the sensor itself."""
        strength = np.abs(self.mixing.T @ self.mixing[:, sensor])
        strength[sensor] = 0
        return strength

    @staticmethod
    def _process(kind: str, period: int, n_rows: int, rng: np.random.Generator) -> Array:
        time = np.arange(n_rows)
        if kind == "cycle":
            phase = 2 * np.pi * (time + rng.uniform(0, period)) / period
            return np.sin(phase) + 0.4 * np.sin(2 * phase + 1)
        if kind == "steps":
            levels = np.repeat(rng.normal(size=n_rows // 30 + 2), rng.integers(20, 90, size=n_rows // 30 + 2))
            return np.resize(levels, n_rows)
        return lfilter([0.3], [1, -0.95], rng.normal(size=n_rows))


def inject_fault(table: Array, fault: Fault, usual: Array, rng: np.random.Generator) -> None:
    """Put a fault into `table` `(n_rows, n_sensors)` in place; `usual` is each sensor's standard deviation.

    A fault in several sensors reaches each a few rows after the one before, and a little weaker.
    """
    length = fault.stop - fault.start
    size = rng.uniform(1.5, 4.0)
    for place, sensor in enumerate(fault.sensors):
        first = fault.start + min(place * 3, length // 3)
        rows = slice(first, fault.stop)
        n_rows = fault.stop - first
        sign = rng.choice([-1, 1])
        strength = sign * size * usual[sensor] * 0.85**place
        column = table[rows, sensor]
        if fault.kind == "bias":
            column += strength
        elif fault.kind == "drift":
            column += strength * np.linspace(0, 1, n_rows)
        elif fault.kind == "noise":
            column += abs(strength) * rng.normal(size=n_rows)
        elif fault.kind == "spike":
            column += 2 * strength * (rng.random(n_rows) < 0.25)
        elif fault.kind == "stuck":
            column[:] = (
                column[0] if abs(column[0] - column.mean()) > 0.5 * usual[sensor] else column.mean() + strength / 2
            )
        elif fault.kind == "swapped":  # wired to another sensor's signal: right in level and spread, wrong in time
            other = int(rng.integers(table.shape[1] - 1)) if table.shape[1] > 1 else sensor
            other += other >= sensor and table.shape[1] > 1
            signal = table[rows, other] if other != sensor else column[::-1].copy()
            centred = (signal - table[:, other].mean()) / (table[:, other].std() + 1e-12)
            column[:] = table[:, sensor].mean() + usual[sensor] * centred


def inject_share(
    table: Array, share: float, seed: int, *, lengths: tuple[int, int] = (20, 80), n_sensors: int = 1
) -> tuple[Array, NDArray[np.bool_], list[Fault]]:
    """A copy of `table` with faults of all kinds in about `share` of its rows, which rows these are, and the faults."""
    rng = np.random.default_rng(seed)
    faulty, labels, faults = table.copy(), np.zeros(len(table), dtype=bool), []
    usual = table.std(axis=0)
    free = table.std(axis=0) > 0
    while labels.sum() < share * len(table):
        left = round(share * len(table)) - int(labels.sum())
        length = min(int(rng.integers(*lengths)), max(left, 5))
        start = int(rng.integers(0, len(table) - length))
        if labels[max(0, start - 20) : start + length + 20].any():
            continue
        sensors = tuple(rng.permutation(np.flatnonzero(free))[:n_sensors].tolist())
        fault = Fault(start, start + length, str(rng.choice(KINDS)), sensors)
        inject_fault(faulty, fault, usual, rng)
        labels[start : start + length] = True
        faults.append(fault)
    return faulty, labels, faults
