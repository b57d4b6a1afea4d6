"""Point-adjusted F1 and PA%K, never without a random score beside them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evaluation import reference
from tests.evaluation.recipes import CASES, THRESHOLD
from tests.evaluation.strategies import Labelled, labelled_scores, patient
from tsae.errors import ParameterError
from tsae.evaluation import oracle_f1, pa_percent_k, point_adjusted_f1

# F1 of scikit-learn after pak(scores, labels, threshold, k) of the authors' package tadpak.
AT_THRESHOLD = {
    "apart": {
        0: 0.41570438799076215,
        20: 0.41570438799076215,
        50: 0.35096153846153844,
        100: 0.24552429667519182,
    },
    "close": {
        0: 0.6352941176470588,
        20: 0.6352941176470588,
        50: 0.6024096385542169,
        100: 0.43243243243243246,
    },
    "borders": {
        0: 0.5441176470588235,
        20: 0.5441176470588235,
        50: 0.3770491803278688,
        100: 0.2782608695652174,
    },
    "blind": {
        0: 0.47808764940239046,
        20: 0.47808764940239046,
        50: 0.21495327102803738,
        100: 0.21495327102803738,
    },
}
# The best of them over every threshold.
ORACLE = {
    "apart": {0: 0.994475138121547, 20: 0.989010989010989},
    "close": {0: 1.0, 20: 0.9700598802395209},
    "borders": {0: 0.9736842105263158, 20: 0.631578947368421},
    "blind": {0: 0.9230769230769231, 20: 0.6666666666666666},
}
K = st.sampled_from([0, 10, 20, 25, 50, 90, 100])


@pytest.mark.parametrize("name", CASES)
def test_published_values(name: str) -> None:
    for k, expected in AT_THRESHOLD[name].items():
        assert pa_percent_k(*CASES[name], k=k, threshold=THRESHOLD).f1 == pytest.approx(expected, abs=1e-12)
    for k, expected in ORACLE[name].items():
        assert pa_percent_k(*CASES[name], k=k).f1 == pytest.approx(expected, abs=1e-12)


@patient
@given(labelled_scores(both_kinds=False), K, st.integers(-7, 7))
def test_slow_twin_agrees_at_a_threshold(data: Labelled, k: float, threshold: int) -> None:
    found = pa_percent_k(*data, k=k, threshold=threshold, n_random=1)
    assert found.f1 == pytest.approx(reference.adjusted_f1(*data, k, threshold))
    assert (found.threshold, found.oracle) == (threshold, False)


@patient
@given(labelled_scores(both_kinds=False), K)
def test_slow_twin_agrees_on_the_best_threshold(data: Labelled, k: float) -> None:
    found = pa_percent_k(*data, k=k, n_random=1)
    best = max(reference.adjusted_f1(*data, k, level - 0.5) for level in set(data[1]))
    assert found.f1 == pytest.approx(best)
    assert reference.adjusted_f1(*data, k, found.threshold) == pytest.approx(best)
    assert found.oracle


@patient
@given(labelled_scores(both_kinds=False))
def test_k_spans_point_adjustment_and_none(data: Labelled) -> None:
    figures = [pa_percent_k(*data, k=k, n_random=1).f1 for k in (0, 30, 60, 100)]
    assert figures == sorted(figures, reverse=True)
    assert figures[0] == point_adjusted_f1(*data, n_random=1).f1
    assert figures[-1] == pytest.approx(oracle_f1(*data).f1)


def test_a_random_score_wins_where_events_are_long() -> None:
    adjusted = point_adjusted_f1(*CASES["blind"])
    assert adjusted.f1 > 0.9
    assert adjusted.random_f1 > 0.9
    stricter = pa_percent_k(*CASES["blind"], k=50)
    assert stricter.random_f1 < 0.5


@patient
@given(st.integers(0, 2**32))
def test_the_random_value_is_that_of_shuffled_scores(seed: int) -> None:
    labels, scores = CASES["close"]
    found = point_adjusted_f1(labels, scores, threshold=THRESHOLD, n_random=3, random_state=seed)
    rng = np.random.default_rng(seed)
    shuffled = [reference.adjusted_f1(labels, rng.permutation(scores), 0, THRESHOLD) for _ in range(3)]
    assert found.random_f1 == pytest.approx(np.mean(shuffled))


def test_the_same_seed_gives_the_same_value() -> None:
    labels, scores = CASES["apart"]
    assert point_adjusted_f1(labels, scores, random_state=3) == point_adjusted_f1(labels, scores, random_state=3)
    other = point_adjusted_f1(labels, scores, random_state=4)
    assert other.random_f1 != point_adjusted_f1(labels, scores, random_state=3).random_f1


def test_shown_with_name_and_random_value() -> None:
    labels, scores = CASES["close"]
    shown = str(pa_percent_k(labels, scores, k=20))
    assert shown.startswith("oracle PA%20 F1 0.970 (random score 0.")
    assert str(point_adjusted_f1(labels, scores, threshold=9)) == "point-adjusted F1 0.000 (random score 0.000)"


def test_undefined_and_extreme_cases() -> None:
    nothing = point_adjusted_f1([0, 0], [1, 2])
    assert np.isnan([nothing.f1, nothing.random_f1, nothing.threshold]).all()
    assert point_adjusted_f1([1, 1], [1, 2]).f1 == 1
    constant = point_adjusted_f1([0, 1, 0, 0], [3, 3, 3, 3])
    assert (constant.f1, constant.random_f1) == pytest.approx((0.4, 0.4))
    assert constant.threshold < 3


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ({"k": 120}, r"`k` \(=120\) must be a percentage from 0 to 100"),
        ({"threshold": np.nan}, r"`threshold` \(=nan\) must be a number"),
        ({"n_random": 0}, r"`n_random` \(=0\) must be 1 or more"),
    ],
)
def test_bad_parameters_are_refused(parameter: dict[str, float], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        pa_percent_k([0, 1], [0, 1], **parameter)
