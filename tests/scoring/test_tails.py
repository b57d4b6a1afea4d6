from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tsae.scoring.combination import combined, combined_row
from tsae.scoring.tails import LogTails, fit_log_tail


def test_tails_side_by_side_give_what_each_gives_alone() -> None:
    rng = np.random.default_rng(0)
    normal = [rng.exponential(size=400), rng.exponential(size=30) * 1e-6, np.repeat([0.0, 1.0, 2.0], 50), np.zeros(20)]
    tails = [fit_log_tail(scores) for scores in normal]
    scores = np.stack([rng.exponential(size=(50, 2)) * 10.0 ** rng.integers(-8, 8, (50, 2)) for _ in range(2)])
    scores[0, 0], scores[1, 1, 0] = 0.0, np.nan
    found = LogTails([tails[:2], tails[2:]])(scores)
    for place, tail in enumerate(tails):
        group, number = divmod(place, 2)
        np.testing.assert_allclose(found[group, :, number], tail(scores[group, :, number]), rtol=1e-9, atol=1e-9)


@given(arrays(np.float64, st.integers(1, 9), elements=st.floats(0, 1e6) | st.just(np.nan)))
def test_views_of_one_row_are_combined_like_those_of_many(views: np.ndarray) -> None:
    np.testing.assert_allclose(combined_row(views.tolist(), 20.0), combined(views[None].copy(), 20.0)[0], rtol=1e-12)
