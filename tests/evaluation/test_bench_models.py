"""How models are named, and what stands behind the names."""

from __future__ import annotations

import contextlib
import string
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from tests.evaluation import detectors
from tests.evaluation.strategies import patient
from tsae import AnomalyDetector
from tsae.detection.parameters.recipes import RECIPES, recipe
from tsae.errors import DataError, ParameterError
from tsae.evaluation.contender import Contender, PcaWindows, Preparation, RandomScore, ZScore, parse_model

HERE = "tests.evaluation.detectors"

FloatArray = NDArray[np.float64]


@pytest.mark.parametrize(
    ("text", "label", "parameters"),
    [
        ("AnomalyDetector", "AnomalyDetector", {}),
        (" AnomalyDetector( ) ", "AnomalyDetector", {}),
        (
            "AnomalyDetector(preset='fast', lag=0)",
            "AnomalyDetector(preset='fast', lag=0)",
            {"preset": "fast", "lag": 0},
        ),
        ("fast", "fast", {"preset": "fast"}),
        ("balanced(lag=16)", "balanced(lag=16)", {"preset": "balanced", "lag": 16}),
        ("deep(window_size=[16,64])", "deep(window_size=[16, 64])", recipe("deep", window_size=[16, 64])),
        ("deep(rbm={'persistent': True})", "deep(rbm={'persistent': True})", recipe("deep", rbm={"persistent": True})),
        *((kind, kind, recipe(kind)) for kind in RECIPES),
    ],
)
def test_own_detectors(text: str, label: str, parameters: dict[str, Any]) -> None:
    spec = parse_model(text)
    assert spec.label == label
    assert spec.is_own
    detector = spec.make(seed=7)
    assert isinstance(detector, AnomalyDetector)
    assert detector.get_params() == AnomalyDetector(random_state=7, **parameters).get_params()


def test_baselines_and_imports() -> None:
    assert isinstance(parse_model("random").make(3), RandomScore)
    assert isinstance(parse_model("pca-windows").make(3), PcaWindows)
    assert parse_model("zscore(smoothing=1)").make(3).smoothing == 1
    forest = parse_model("sklearn.ensemble.IsolationForest(n_estimators=50)").make(3)
    assert (type(forest).__name__, forest.n_estimators, forest.random_state) == ("IsolationForest", 50, 3)
    assert parse_model(f"{HERE}.make_forest").make(4).random_state == 4


@pytest.mark.parametrize(
    ("text", "takes_seed"),
    [("fast", True), ("fast(random_state=1)", False), ("random", True), ("zscore", False), (f"{HERE}.Level", False)],
)
def test_seeds_go_where_they_are_taken(text: str, takes_seed: bool) -> None:
    assert parse_model(text).takes_seed is takes_seed
    assert parse_model("fast(random_state=1)").make(9).random_state == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fast(",
        "fast)",
        "fast(5)",
        "fast(**{'lag': 0})",
        "fast(*[1])",
        "fast(lag=16)(lag=3)",
        "fast(lag=0) + fast(lag=1)",
        "fast(lag=1, lag=2)",
        "fast(lag=__import__('os').getpid())",
        "fast(lag=max(1, 2))",
        "fast(lag=x)",
        "nonsense",
        "a-b",
        "numpy..array",
    ],
)
def test_everything_else_is_refused_unevaluated(text: str) -> None:
    with pytest.raises(ParameterError, match="`model`"):
        parse_model(text)


@pytest.mark.parametrize(
    "text",
    [
        "no_such_package.Detector",
        "sklearn.ensemble.NoForest",
        f"{HERE}.not_callable",
        f"{HERE}.Level(colour=3)",
        "zscore(colour=3)",
    ],
)
def test_what_cannot_be_made_is_refused(text: str) -> None:
    with pytest.raises(ParameterError, match="`model`"):
        parse_model(text).make(0)


_literals = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@patient
@given(st.dictionaries(st.text(string.ascii_lowercase, min_size=1).map("p_".__add__), _literals, max_size=4))
def test_literals_come_through_and_the_label_says_the_same(parameters: dict[str, Any]) -> None:
    text = f"fast({', '.join(f'{name}={value!r}' for name, value in parameters.items())})"
    spec = parse_model(text)
    assert spec.parameters == parameters
    assert parse_model(spec.label) == spec


@patient
@given(st.text(st.sampled_from("fast(lag=1,'\"[]{}*.:-\n\\ )"), max_size=30) | st.text())
def test_any_text_is_a_model_or_a_parameter_error(text: str) -> None:
    with contextlib.suppress(ParameterError):
        assert parse_model(text).label


def rows(seed: int, n_rows: int = 60) -> FloatArray:
    values = np.random.default_rng(seed).normal(5, 2, (n_rows, 3))
    values[::7, 1] = np.nan
    return values


def test_preparation_against_loops() -> None:
    train, test = rows(0), rows(1)
    train[:, 2], test[:2, 0] = np.nan, np.nan
    train[:, 0] = 4.1
    expected = np.zeros_like(test)
    for channel in range(3):
        seen = [value for value in train[:, channel] if value == value]
        mean = sum(seen) / len(seen) if seen else 0.0
        scale = (sum((value - mean) ** 2 for value in seen) / len(seen)) ** 0.5 if channel == 1 else 1.0
        last = mean
        for row, value in enumerate(test[:, channel]):
            last = last if value != value else value
            expected[row, channel] = (last - mean) / scale
    np.testing.assert_allclose(Preparation.fit(train).prepare(test), expected, atol=1e-12)


def test_outside_detectors_get_full_rows_and_own_ones_the_gaps() -> None:
    train = rows(0)
    spec = parse_model(f"{HERE}.Level")
    contender = Contender(spec, 0)
    contender.fit(train)
    seen = contender._detector.seen
    np.testing.assert_allclose(seen, Preparation.fit(train).prepare(train))
    own = Contender(parse_model("zscore"), 0)
    np.testing.assert_array_equal(own._prepared(train), train)


def test_scores_rise_with_abnormality_in_either_convention() -> None:
    train, test = rows(0), rows(1)
    test[10] = 50
    for name in (f"{HERE}.Level", f"{HERE}.PyodLevel", "zscore(smoothing=1)", f"{HERE}.make_forest"):
        contender = Contender(parse_model(name), 0)
        contender.fit(train)
        assert contender.score(test).argmax() == 10, name
    pyod = Contender(parse_model(f"{HERE}.PyodLevel"), 0)
    pyod.fit(train)
    assert pyod.threshold == pyod.score(train).max() < pyod.score(test)[10]
    forest = Contender(parse_model(f"{HERE}.make_forest"), 0)
    forest.fit(train)
    assert forest.threshold == 0.5, "IsolationForest flags what scores below its offset_ of -0.5"


def test_a_detector_cannot_change_the_rows_of_the_others() -> None:
    train = rows(0)
    before = train.copy()
    own = Contender(parse_model("zscore"), 0)
    own._prepared(train)[:] = 0
    np.testing.assert_array_equal(train, before)


def test_zscore_against_loops() -> None:
    train, test = rows(0), rows(1)
    mean, scale = np.nanmean(train, axis=0), np.nanstd(train, axis=0)
    raw = np.array([np.nanmean(((row - mean) / scale) ** 2) for row in test])
    assert np.allclose(-ZScore(smoothing=1).fit(train).score_samples(test), raw)
    padded = np.concatenate([np.full(2, raw[0]), raw, np.full(2, raw[-1])])
    smoothed = [padded[row : row + 5].mean() for row in range(len(raw))]
    assert np.allclose(-ZScore(smoothing=5).fit(train).score_samples(test), smoothed)
    assert ZScore().fit(train).score_samples(np.full((3, 3), np.nan)).tolist() == [0, 0, 0]


def test_pca_windows_against_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tsae.evaluation.contender._WINDOWS_AT_ONCE", 7)
    size = 4
    train, test = np.nan_to_num(rows(0), nan=5), np.nan_to_num(rows(1), nan=5)
    mean, scale = train.mean(axis=0), train.std(axis=0)
    scaled, rest = (train - mean) / scale, (test - mean) / scale
    pca = PCA(0.9).fit([scaled[start : start + size].ravel() for start in range(len(train) - size + 1)])
    errors: list[list[float]] = [[] for _ in test]
    for start in range(len(test) - size + 1):
        window = rest[start : start + size]
        rebuilt = pca.inverse_transform(pca.transform(window.reshape(1, -1))).reshape(window.shape)
        for step in range(size):
            errors[start + step].append(float(((window - rebuilt)[step] ** 2).mean()))
    raw = np.array([np.mean(each) for each in errors])
    padded = np.concatenate([np.full(2, raw[0]), raw, np.full(1, raw[-1])])
    expected = [padded[row : row + size].mean() for row in range(len(raw))]
    detector = PcaWindows(window_size=size, variance=0.9).fit(train)
    np.testing.assert_allclose(-detector.score_samples(test), expected, rtol=1e-6)
    with pytest.raises(DataError, match=r"`window_size` .*exceeds"):
        detector.score_samples(test[:3])


def test_random_score_is_seeded() -> None:
    one = RandomScore(random_state=1).fit(rows(0)).score_samples(rows(1))
    np.testing.assert_array_equal(one, RandomScore(random_state=1).fit(rows(0)).score_samples(rows(1)))
    assert (one != RandomScore(random_state=2).fit(rows(0)).score_samples(rows(1))).all()


def test_the_detectors_of_these_tests_are_found_where_they_are_named() -> None:
    assert detectors.__name__ == HERE
