"""Tables as detectors from outside want them: no missing cells, all channels of one size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from tsae.evaluation.inputs import FloatArray

__all__ = ["Preparation"]


@dataclass(frozen=True)
class Preparation:
    """Mean and standard deviation of the training rows, `(n_channels,)` each.

    Examples
    --------
    >>> import numpy as np
    >>> preparation = Preparation.fit(np.array([[1.0, 5.0], [3.0, 5.0]]))
    >>> preparation.prepare(np.array([[np.nan, 6.0], [4.0, 5.0], [np.nan, 5.0]])).tolist()
    [[0.0, 1.0], [2.0, 0.0], [2.0, 0.0]]
    """

    mean: FloatArray
    """0 for a channel without any value."""
    scale: FloatArray
    """1 for a constant channel."""

    @classmethod
    def fit(cls, train: FloatArray) -> Self:
        """Learn from training rows `(n_train, n_channels)`."""
        known = ~np.isnan(train)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, train, 0.0).sum(axis=0) / count
        deviation = np.sqrt(np.where(known, np.square(train - mean), 0.0).sum(axis=0) / count)
        # what rounding leaves of a constant channel is no deviation
        return cls(mean, np.where(deviation > 1e-12 * np.abs(mean), deviation, 1.0))

    def standardise(self, values: FloatArray) -> FloatArray:
        """Deviations from the mean in standard deviations; NaN stays NaN."""
        return (values - self.mean) / self.scale

    def prepare(self, values: FloatArray) -> FloatArray:
        """Standardised rows without gaps: a missing cell takes the last value before it, else the mean."""
        filled = pd.DataFrame(self.standardise(values)).ffill().fillna(0.0)
        return filled.to_numpy()
