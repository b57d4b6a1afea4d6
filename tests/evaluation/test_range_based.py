"""Range-based precision and recall."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evaluation import reference
from tests.evaluation.recipes import CASES, THRESHOLD
from tests.evaluation.strategies import labelled_flags, patient
from tsae.errors import ParameterError
from tsae.evaluation import point_precision_recall, range_precision_recall

# (alpha, bias, cardinality): (ts_precision with alpha 0 and flat bias, ts_recall) of prts 1.0.0.3.
PUBLISHED = {
    "apart": {
        (0.0, "flat", "reciprocal"): (0.10897435897435898, 0.03359788359788359),
        (0.2, "front", "reciprocal"): (0.10897435897435898, 0.1587999518745156),
        (0.5, "middle", "one"): (0.10897435897435898, 0.5317876344086022),
        (0.0, "back", "one"): (0.10897435897435898, 0.36003290440096364),
    },
    "close": {
        (0.0, "flat", "reciprocal"): (0.22843137254901957, 0.19833333333333333),
        (0.2, "front", "reciprocal"): (0.22843137254901957, 0.37469242952169785),
        (0.5, "middle", "one"): (0.22843137254901957, 0.7785497835497835),
        (0.0, "back", "one"): (0.22843137254901957, 0.5152440784148101),
    },
    "borders": {
        (0.0, "flat", "reciprocal"): (0.19209039548022597, 0.10555555555555556),
        (0.2, "front", "reciprocal"): (0.19209039548022597, 0.28015540015540014),
        (0.5, "middle", "one"): (0.19209039548022597, 0.7127976190476191),
        (0.0, "back", "one"): (0.19209039548022597, 0.43488733488733483),
    },
    "blind": {
        (0.0, "flat", "reciprocal"): (0.13962264150943396, 0.025555555555555554),
        (0.2, "front", "reciprocal"): (0.13962264150943396, 0.21760291438979965),
        (0.5, "middle", "one"): (0.13962264150943396, 0.6865591397849462),
        (0.0, "back", "one"): (0.13962264150943396, 0.43661202185792347),
    },
}
ALPHAS = st.sampled_from([0.0, 0.3, 1.0])
BIASES = st.sampled_from(["flat", "front", "middle", "back"])
CARDINALITIES = st.sampled_from(["reciprocal", "one"])
Flags = tuple[np.ndarray, np.ndarray]


@pytest.mark.parametrize("name", CASES)
def test_published_values(name: str) -> None:
    labels, scores = CASES[name]
    for (alpha, bias, cardinality), expected in PUBLISHED[name].items():
        pair = range_precision_recall(labels, scores > THRESHOLD, alpha=alpha, bias=bias, cardinality=cardinality)
        assert (pair.precision, pair.recall) == pytest.approx(expected, abs=1e-12)


@patient
@given(labelled_flags(), ALPHAS, BIASES, CARDINALITIES)
def test_slow_twin_agrees(data: Flags, alpha: float, bias: str, cardinality: str) -> None:
    labels, flags = data
    pair = range_precision_recall(labels, flags, alpha=alpha, bias=bias, cardinality=cardinality)
    expected = (
        reference.range_reward(flags, labels, 0.0, "flat", cardinality),
        reference.range_reward(labels, flags, alpha, bias, cardinality),
    )
    assert (pair.precision, pair.recall) == pytest.approx(expected, nan_ok=True)


@patient
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=20))
def test_ranges_of_one_row_are_points(rows: list[tuple[bool, bool]]) -> None:
    apart = [pair for row in rows for pair in (row, (False, False))]
    labels, flags = zip(*apart, strict=True)
    pair, plain = range_precision_recall(labels, flags), point_precision_recall(labels, flags)
    assert (pair.precision, pair.recall) == pytest.approx((plain.precision, plain.recall), nan_ok=True)


def test_pieces_share_the_reward() -> None:
    labels, flags = [1, 1, 1, 1, 1], [1, 0, 1, 0, 1]
    assert range_precision_recall(labels, flags).recall == pytest.approx(0.6 / 3)
    assert range_precision_recall(labels, flags, cardinality="one").recall == pytest.approx(0.6)


def test_front_bias_rewards_early_rows() -> None:
    early, late = [1, 1, 0, 0], [0, 0, 1, 1]
    assert range_precision_recall([1] * 4, early, bias="front").recall == pytest.approx(0.7)
    assert range_precision_recall([1] * 4, late, bias="front").recall == pytest.approx(0.3)


def test_undefined_cases() -> None:
    silent = range_precision_recall([0, 1, 0], [0, 0, 0])
    assert (silent.precision, silent.recall, silent.f1) == pytest.approx((np.nan, 0, 0), nan_ok=True)
    healthy = range_precision_recall([0, 0, 0], [0, 1, 0])
    assert (healthy.precision, healthy.recall, healthy.f1) == pytest.approx((0, np.nan, np.nan), nan_ok=True)
    everything = range_precision_recall([1, 1, 1], [1, 1, 1])
    assert (everything.precision, everything.recall, everything.f1) == (1, 1, 1)


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ({"alpha": 1.5}, r"`alpha` \(=1.5\) must be in \[0, 1\]"),
        ({"bias": "early"}, r"`bias` \(='early'\) is unknown; pass one of flat, front, middle, back"),
        ({"cardinality": "two"}, r"`cardinality` \(='two'\) is unknown; pass one of reciprocal, one"),
    ],
)
def test_bad_parameters_are_refused(parameter: dict[str, object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        range_precision_recall([0, 1], [0, 1], **parameter)
