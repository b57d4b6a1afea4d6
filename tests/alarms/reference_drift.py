"""The latest rows of a table against training, outside of any detector."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tsae.alarms.drift import DistributionWatch, Drift, Reference, drifts_of, fit_reference, score_reference


def drift_between(
    scores: np.ndarray,
    calibration: np.ndarray,
    *,
    first: float,
    last: float,
    values: np.ndarray | None = None,
    inputs: Reference | None = None,
    channels: Sequence[str] = (),
) -> Drift:
    """Compare the latest rows, in time order, with training.

    Parameters
    ----------
    scores, calibration
        Decision scores `(n,)`, and those of calibration rows `(m,)`.
    first, last
        The threshold at the first row and after the last one.
    values, inputs
        Values `(n, n_channels)`, and how they were distributed in training; `None` for no channels.
    """
    of_scores = DistributionWatch(score_reference(calibration))
    of_scores.push(scores[:, None])
    nothing = np.zeros((len(scores), 0))
    of_inputs = DistributionWatch(fit_reference([np.zeros((1, 0))]) if inputs is None else inputs)
    of_inputs.push(nothing if values is None else values)
    (drift,) = drifts_of(of_scores, of_inputs, channels, np.zeros(1, dtype=np.intp), first=first, last=[last])
    return drift
