"""The volumes under the surface."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evaluation import reference
from tests.evaluation.recipes import CASES
from tests.evaluation.strategies import Labelled, labelled_scores, patient
from tsae.errors import ParameterError
from tsae.evaluation import auc_pr, auc_roc, vus, vus_pr, vus_roc

# (window, thresholds): (VUS-ROC, VUS-PR) by generate_curve(labels, scores, window, "opt", thresholds) of
# TSB-AD 1.5, which calls RangeAUC_volume_opt of the authors.
PUBLISHED = {
    "apart": {
        (100, 250): (0.8566890614895806, 0.5931354903676125),
        (20, 250): (0.7496041818633208, 0.4637449332325248),
        (7, 16): (0.6966584049083232, 0.2725529319634227),
    },
    "close": {
        (100, 250): (0.9140082183990503, 0.7936820067922056),
        (20, 250): (0.8148477651927136, 0.6376316191576199),
        (7, 16): (0.7606074166363859, 0.5246845631706528),
    },
    "borders": {
        (100, 250): (0.8736821148020458, 0.598850351482944),
        (20, 250): (0.7258606565940364, 0.3996854710225637),
        (7, 16): (0.6659956023277771, 0.2435974611757385),
    },
    "blind": {
        (100, 250): (0.7249709497843998, 0.24396305684767006),
        (20, 250): (0.616211678968091, 0.16984552382048954),
        (7, 16): (0.5836826570229526, 0.15815646814826023),
    },
}
WINDOWS = st.integers(0, 12)
THRESHOLDS = st.none() | st.integers(2, 50)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("window", "thresholds"), [(100, 250), (20, 250), (7, 16)])
def test_reference_implementation(name: str, window: int, thresholds: int) -> None:
    labels, scores = CASES[name]
    roc, pr = PUBLISHED[name][window, thresholds]
    volume = vus(labels, scores, window, thresholds=thresholds)
    assert (volume.roc, volume.pr) == pytest.approx((roc, pr), abs=1e-12)


def test_defaults_are_those_of_the_published_tables() -> None:
    labels, scores = CASES["apart"]
    roc, pr = PUBLISHED["apart"][100, 250]
    assert vus_roc(labels, scores) == pytest.approx(roc, abs=1e-12)
    assert vus_pr(labels, scores) == pytest.approx(pr, abs=1e-12)


@patient
@given(labelled_scores(), WINDOWS, st.none() | st.sampled_from([2, 3, 9, 33]))
def test_slow_twin_agrees(data: Labelled, window: int, thresholds: int | None) -> None:
    volume = vus(*data, window, thresholds=thresholds)
    assert (volume.roc, volume.pr) == pytest.approx(reference.vus(*data, window, thresholds), abs=1e-12)


@patient
@given(labelled_scores(), WINDOWS)
def test_exact_is_the_limit_of_many_thresholds(data: Labelled, window: int) -> None:
    exact, dense = vus(*data, window, thresholds=None), vus(*data, window, thresholds=10 * len(data[0]))
    assert (exact.roc, exact.pr) == pytest.approx((dense.roc, dense.pr), abs=1e-12)


@patient
@given(labelled_scores(), WINDOWS, THRESHOLDS)
def test_only_the_order_of_scores_counts(data: Labelled, window: int, thresholds: int | None) -> None:
    labels, scores = data
    assert vus(labels, np.exp(scores), window, thresholds=thresholds) == vus(
        labels, scores, window, thresholds=thresholds
    )


@patient
@given(labelled_scores(), WINDOWS, THRESHOLDS)
def test_time_has_no_direction(data: Labelled, window: int, thresholds: int | None) -> None:
    labels, scores = data
    forward = vus(labels, scores, window, thresholds=thresholds)
    backward = vus(labels[::-1], scores[::-1], window, thresholds=thresholds)
    assert (forward.roc, forward.pr) == pytest.approx((backward.roc, backward.pr), abs=1e-12)


@patient
@given(labelled_scores(), WINDOWS, THRESHOLDS)
def test_volumes_are_shares(data: Labelled, window: int, thresholds: int | None) -> None:
    volume = vus(*data, window, thresholds=thresholds)
    assert 0 <= volume.roc <= 1 + 1e-12
    assert 0 <= volume.pr <= 1 + 1e-12


@patient
@given(labelled_scores(), WINDOWS, THRESHOLDS)
def test_a_perfect_score_fills_the_volume(data: Labelled, window: int, thresholds: int | None) -> None:
    labels, _ = data
    volume = vus(labels, labels, window, thresholds=thresholds)
    assert (volume.roc, volume.pr) == pytest.approx((1, 1))


@patient
@given(st.integers(0, 30), st.integers(1, 9), st.lists(st.integers(0, 9), min_size=40, max_size=40))
def test_without_tolerance_one_event_gives_the_plain_areas(start: int, length: int, scores: list[int]) -> None:
    labels = np.zeros(40, dtype=bool)
    labels[start : start + length] = True
    volume = vus(labels, scores, 0, thresholds=None)
    assert (volume.roc, volume.pr) == pytest.approx((auc_roc(labels, scores), auc_pr(labels, scores)))


def test_a_detection_beside_the_event_counts_the_more_the_wider_the_window() -> None:
    labels = np.zeros(60, dtype=bool)
    labels[30:40] = True
    scores = np.roll(labels, 5).astype(float)
    volumes = [vus_pr(labels, scores, window) for window in (0, 8, 16, 32)]
    assert volumes == sorted(volumes)
    assert volumes[0] < volumes[-1] - 0.2


@pytest.mark.parametrize("thresholds", [250, None])
def test_labels_of_one_kind(thresholds: int | None) -> None:
    nothing = vus([0, 0, 0], [1, 2, 3], thresholds=thresholds)
    everything = vus([1, 1, 1], [1, 2, 3], thresholds=thresholds)
    assert np.isnan([nothing.roc, nothing.pr, everything.roc]).all()
    assert everything.pr == 1


@pytest.mark.parametrize("thresholds", [250, None])
def test_constant_score(thresholds: int | None) -> None:
    labels = np.zeros(200, dtype=bool)
    labels[50:70] = True
    plain = vus(labels, np.ones(200), 0, thresholds=thresholds)
    assert (plain.roc, plain.pr) == pytest.approx((0.5, 0.1))
    tolerant = vus(labels, np.ones(200), 20, thresholds=thresholds)
    assert 0.5 < tolerant.roc < 0.6
    assert 0.1 < tolerant.pr < 0.2


def test_bad_parameters_are_refused() -> None:
    with pytest.raises(ParameterError, match=r"`window` \(=-1\) must be 0 or more"):
        vus([0, 1], [0, 1], -1)
    with pytest.raises(ParameterError, match=r"`thresholds` \(=1\) must be 2 or more"):
        vus([0, 1], [0, 1], thresholds=1)
