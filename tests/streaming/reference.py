"""A small plant, and the scores of a stream by the plain way: the whole file at once."""

from __future__ import annotations

import gc
from collections.abc import Iterable

import numpy as np
import pandas as pd
import torch

from tsae import AnomalyDetector
from tsae.streaming.scorer import RowScore

CHANNELS = ["flow", "pressure", "running"]


def plant(n_rows: int, *, seed: int = 0) -> pd.DataFrame:
    """A cycle of 24 rows in two sensors and a switch, a row every minute."""
    rng = np.random.default_rng(seed)
    phase = 2 * np.pi * np.arange(n_rows) / 24
    values = np.column_stack([10 + np.sin(phase), 3 + 0.5 * np.cos(phase), np.sin(phase) > -0.5])
    values[:, :2] += rng.normal(scale=0.05, size=(n_rows, 2))
    index = pd.date_range("2026-11-24 10:00", periods=n_rows, freq="min", name="time")
    return pd.DataFrame(values, index=index, columns=CHANNELS)


def troubled(n_rows: int = 210, *, seed: int = 1) -> pd.DataFrame:
    """The plant with a fault, missing values, a short gap that is bridged and a long one that is not."""
    frame = plant(n_rows, seed=seed)
    frame.iloc[60:66, 1] += 2.0
    frame.iloc[30:33, 0] = np.nan
    frame.iloc[90] = np.nan
    gaps = [*range(100, 102), *range(140, 165), *range(185, 188)]
    return frame.drop(frame.index[gaps])


def of_file(detector: AnomalyDetector, frame: pd.DataFrame) -> np.ndarray:
    """Scores of all rows, higher = more anomalous."""
    return -np.asarray(detector.score_samples(frame))


def scores_of(rows: Iterable[RowScore]) -> np.ndarray:
    """Scores of all rows, in the order of the stream; none may be missing or come twice."""
    rows = list(rows)
    assert [row.row for row in rows] == list(range(len(rows)))
    return np.array([row.score for row in rows])


def bytes_held(thing: object) -> int:
    """Bytes of all arrays and tensors that can be reached from it, networks left out."""
    seen: dict[int, int] = {}
    todo = [thing]
    while todo:
        one = todo.pop()
        if id(one) in seen or isinstance(one, type | torch.nn.Module) or callable(one):
            continue
        size = one.untyped_storage().nbytes() if isinstance(one, torch.Tensor) else getattr(one, "nbytes", 64)
        seen[id(one)] = size if isinstance(size, int) else 64
        todo += gc.get_referents(one)
    return sum(seen.values())
