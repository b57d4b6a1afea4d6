"""Affiliation precision and recall."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from tests.evaluation import reference
from tests.evaluation.recipes import CASES, THRESHOLD
from tests.evaluation.strategies import labelled_flags, patient
from tsae.evaluation import affiliation_precision_recall

# pr_from_events of the authors, as carried by TSB-AD 1.5, with the range (0, n_timesteps).
PUBLISHED = {
    "apart": (0.5400768809873632, 0.9970632233082246),
    "close": (0.5923722129335822, 0.9873979182013987),
    "borders": (0.5889727418167264, 0.9912095781132884),
    "blind": (0.5303311688311688, 0.9979166666666666),
}
# The same where few rows are flagged and some events are missed: (threshold, precision, recall).
FEW_FLAGS = {
    "apart": (1.2, 1.0, 0.6299709541769628),
    "close": (1.2, 1.0, 0.5239611629881155),
    "borders": (1.07, 0.9177631578947368, 0.6023444976076555),
    "blind": (0.985, 0.568, 0.7730666666666667),
}
Flags = tuple[np.ndarray, np.ndarray]


@pytest.mark.parametrize("name", CASES)
def test_published_values(name: str) -> None:
    labels, scores = CASES[name]
    pair = affiliation_precision_recall(labels, scores > THRESHOLD)
    assert (pair.precision, pair.recall) == pytest.approx(PUBLISHED[name], abs=1e-12)
    threshold, *expected = FEW_FLAGS[name]
    pair = affiliation_precision_recall(labels, scores > threshold)
    assert [pair.precision, pair.recall] == pytest.approx(expected, abs=1e-12)


@patient
@given(labelled_flags())
def test_slow_twin_agrees(data: Flags) -> None:
    pair = affiliation_precision_recall(*data)
    assert (pair.precision, pair.recall) == pytest.approx(reference.affiliation(*data), nan_ok=True)


@patient
@given(labelled_flags())
def test_time_has_no_direction(data: Flags) -> None:
    labels, flags = data
    forward = affiliation_precision_recall(labels, flags)
    backward = affiliation_precision_recall(labels[::-1], flags[::-1])
    assert (forward.precision, forward.recall) == pytest.approx((backward.precision, backward.recall), nan_ok=True)


@patient
@given(labelled_flags())
def test_the_labels_themselves_are_perfect(data: Flags) -> None:
    pair = affiliation_precision_recall(data[0], data[0])
    assert (pair.precision, pair.recall, pair.f1) == pytest.approx((1, 1, 1))


def test_a_kink_at_a_quarter_row_is_integrated_exactly() -> None:
    labels = np.zeros(20, dtype=bool)
    labels[0] = labels[2:6] = True
    # Zones [0, 1.5] and [1.5, 20]. Up to 4.25 the border is nearer to the event than the flag at 7 is, so
    # that 5.5 rows lie nearer than the flag there, and 2 (7 - t) after it.
    nearer = 5.5 * 2.25 + ((7 - 4.25) ** 2 - (7 - 6) ** 2)
    pair = affiliation_precision_recall(labels, np.arange(20) == 7)
    assert pair.recall == pytest.approx((0 + 1 - nearer / (4 * 18.5)) / 2, abs=1e-12)


def test_a_near_miss_beats_a_far_one() -> None:
    labels = np.zeros(100, dtype=bool)
    labels[40:50] = True
    near, far = np.zeros(100, dtype=bool), np.zeros(100, dtype=bool)
    near[51:53], far[90:92] = True, True
    close, distant = affiliation_precision_recall(labels, near), affiliation_precision_recall(labels, far)
    assert close.precision > 0.8 > distant.precision
    assert close.recall > 0.8 > distant.recall


def test_undefined_cases() -> None:
    silent = affiliation_precision_recall([0, 1, 0], [0, 0, 0])
    assert (silent.precision, silent.recall, silent.f1) == pytest.approx((np.nan, 0, 0), nan_ok=True)
    healthy = affiliation_precision_recall([0, 0, 0], [0, 1, 0])
    assert np.isnan([healthy.precision, healthy.recall, healthy.f1]).all()
    everything = affiliation_precision_recall([1, 1, 1, 1], [0, 1, 0, 0])
    assert everything.precision == 1
    assert 0 < everything.recall < 1
