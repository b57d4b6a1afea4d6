from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scoring.reference import habit_surprise
from tsae.fitting.switches import fit_habits
from tsae.scoring.formula import Formula
from tsae.scoring.rings import Rings
from tsae.scoring.switches import SwitchHabits, SwitchWatch


def timer(n_rows: int, on: int, off: int) -> np.ndarray:
    return (np.arange(n_rows) % (on + off) < on).astype(float)


def unusual(habits: SwitchHabits, values: np.ndarray, cuts: Sequence[int] = ()) -> np.ndarray:
    """Surprise at the habits of switches in rows that come in blocks."""
    rings = Rings(2000)
    watch, lanes = SwitchWatch(rings, 0, values.shape[1], Formula()), np.array([rings.open()])
    borders = [0, *sorted(cuts), len(values)]
    blocks = [values[a:b] for a, b in pairwise(borders) if b > a]
    return np.concatenate([watch.unusual(rings.advance(lanes, len(block)), habits, block) for block in blocks])


@settings(max_examples=40)
@given(
    seed=st.integers(0, 1000),
    missing=st.sampled_from([0.0, 0.3, 1.0]),
    cuts=st.lists(st.integers(0, 120), max_size=6),
)
def test_surprise_equals_a_loop_over_rows_whatever_the_blocks(seed, missing, cuts):
    rng = np.random.default_rng(seed)
    values = (np.cumsum(rng.random((120, 2)) < 0.15, axis=0) % 2).astype(float)
    values[rng.random(values.shape) < missing] = np.nan
    habits = SwitchHabits(np.array([[4.0, 7.0], [3.0, np.inf]]), np.full((2, 2), 0.2), np.array([3.0, np.inf]))
    found = unusual(habits, values, cuts)
    np.testing.assert_allclose(found, habit_surprise(values, habits), atol=1e-12)


def test_a_timer_is_watched_and_what_a_person_switches_is_not():
    rng = np.random.default_rng(0)
    by_hand = (np.cumsum(rng.random(2000) < rng.choice([0.005, 0.3], 2000, p=[0.9, 0.1])) % 2).astype(float)
    by_hand[1000:] = (np.cumsum(rng.random(1000) < 0.01) % 2).astype(float)
    never = np.r_[np.zeros(1999), 1.0]
    habits = fit_habits([np.column_stack([timer(2000, 8, 12), by_hand, never])], 3, Formula())
    assert habits.longest[0].tolist() == [12.0, 8.0]
    assert habits.most_changes[0] == 2
    assert np.isinf(habits.longest[1:]).all()
    assert np.isinf(habits.most_changes[1:]).all()


def test_a_stay_grows_more_surprising_and_rows_of_training_do_not_surprise():
    normal = timer(2000, 8, 12)[:, None]
    habits = fit_habits([normal], 1, Formula())
    assert (unusual(habits, normal) == 0).all()
    stuck = normal.copy()
    stuck[100:160] = 1.0
    found = unusual(habits, stuck)[:, 0]
    assert (found[:108] == 0).all()
    assert (np.diff(found[108:150]) >= 0).all()
    assert found[150] == 9.2
    chatter = normal.copy()
    chatter[100:140, 0] = np.arange(40) % 2
    assert unusual(habits, chatter)[110:140].min() > 3
