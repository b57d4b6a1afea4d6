"""Short labelled series with many ties, events at the borders and events close together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import settings
from hypothesis import strategies as st

patient = settings(deadline=None)
"""No example fails because the machine is busy."""

Labelled = tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]


@st.composite
def labelled_scores(draw: st.DrawFn, both_kinds: bool = True) -> Labelled:
    """Labels with at least one anomalous row (and one normal row), and scores from a few levels."""
    n_timesteps = draw(st.integers(2, 40))
    labels = np.zeros(n_timesteps, dtype=np.int64)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, n_timesteps - 1))
        labels[start : start + draw(st.integers(1, 8))] = 1
    if both_kinds and labels.all():
        labels[draw(st.integers(0, n_timesteps - 1))] = 0
    scores = draw(st.lists(st.integers(-6, 6), min_size=n_timesteps, max_size=n_timesteps))
    return labels, np.array(scores, dtype=np.float64)


@st.composite
def labelled_flags(draw: st.DrawFn) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Labels with at least one anomalous row, and any predictions."""
    labels, scores = draw(labelled_scores(both_kinds=False))
    return labels, (scores > draw(st.integers(-7, 6))).astype(np.int64)
