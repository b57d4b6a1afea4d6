"""Inputs that can be rebuilt anywhere without a random generator, for values computed elsewhere."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Case = tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]


def build(n_timesteps: int, events: list[tuple[int, int]], lift: float, levels: int) -> Case:
    """Labels with the given events `(start, stop)`, and pseudo-random scores lifted in and after them.

    The scores take at most `levels` values below 1 plus multiples of `lift`, so that ties are common.
    """
    labels = np.zeros(n_timesteps, dtype=bool)
    for start, stop in events:
        labels[start:stop] = True
    row = np.arange(n_timesteps)
    noise = (row * row * 37 + row * 101 + 13) % 1009 % levels / levels
    late = np.roll(labels, 3) | labels
    return labels, noise + lift * late


CASES: dict[str, Case] = {
    "apart": build(900, [(120, 150), (400, 401), (700, 760)], 0.25, 1009),
    "close": build(400, [(90, 100), (108, 111), (112, 120), (180, 200), (290, 330)], 0.25, 50),
    "borders": build(300, [(0, 12), (140, 150), (285, 300)], 0.15, 20),
    "blind": build(500, [(200, 260)], 0.0, 1009),
}

THRESHOLD = 0.7077
"""Where published metrics of flags were computed: rows that score higher are flagged."""
