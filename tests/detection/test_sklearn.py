"""A detector is a scikit-learn estimator: it passes its checks and works in its tools."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_outlier_detector
from sklearn.exceptions import NotFittedError
from sklearn.metrics import average_precision_score
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from tests.detection.plants import readings
from tsae import AnomalyDetector
from tsae.errors import DataError, TrainingError

EXPECTED = {
    "check_methods_sample_order_invariance": "a row is judged by the rows around it, so their order matters",
    "check_methods_subset_invariance": "a row is judged by the rows around it, so a part scores differently",
}


def quick(**parameters: object) -> AnomalyDetector:
    return AnomalyDetector(**{"window_size": 8, "max_steps": 5, "random_state": 0, **parameters})


def labelled(n_rows: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """A series and its labels, 1 for anomalous rows."""
    table, labels = readings(n_rows, "aa"), np.zeros(n_rows, dtype=int)
    for start in range(40, n_rows, 60):
        table[start : start + 5, 0] += 20
        labels[start : start + 5] = 1
    return table, labels


def test_scikit_learns_own_checks_pass_but_for_two():
    results = check_estimator(AnomalyDetector(max_steps=5), expected_failed_checks=EXPECTED, on_skip=None)
    assert {result["check_name"] for result in results if result["status"] == "xfail"} == EXPECTED.keys()
    assert len(results) > 40


def test_it_is_an_outlier_detector_that_takes_missing_values():
    detector = AnomalyDetector()
    assert is_outlier_detector(detector)
    assert detector.__sklearn_tags__().input_tags.allow_nan


def test_signs_and_offset():
    table, labels = labelled()
    detector = quick().fit(table[:40])
    scores = detector.score_samples(table)
    assert scores[labels == 1].mean() < scores[labels == 0].mean()
    assert detector.offset_ == -detector.threshold_
    np.testing.assert_array_equal(detector.decision_function(table), scores - detector.offset_)
    np.testing.assert_array_equal(detector.predict(table) == -1, -scores > detector.threshold_)
    np.testing.assert_array_equal(quick().fit_predict(table), quick().fit(table).predict(table))
    np.testing.assert_array_equal(quick().fit_transform(table), quick().fit(table).transform(table))


def test_parameters_round_trip():
    parameters = {"architecture": "conv", "window_size": [8, 24], "lag": 5, "threshold": 3.0, "max_steps": 5}
    detector = AnomalyDetector(**parameters)
    assert {name: detector.get_params()[name] for name in parameters} == parameters
    assert AnomalyDetector().set_params(**detector.get_params()).get_params() == detector.get_params()
    copy = clone(detector.fit(readings(200, "a")[:, :1]))
    assert copy.get_params() == detector.get_params()
    assert not hasattr(copy, "model_")


def test_it_works_in_a_pipeline():
    table, _ = labelled()
    pipeline = make_pipeline(StandardScaler(), quick()).fit(table)
    alone = quick().fit(StandardScaler().fit_transform(table))
    scaled = StandardScaler().fit_transform(table)
    np.testing.assert_array_equal(pipeline.predict(table), alone.predict(scaled))
    np.testing.assert_array_equal(pipeline.score_samples(table), alone.score_samples(scaled))
    assert pipeline[:-1].transform(table).shape == table.shape
    codes = make_pipeline(quick(), StandardScaler()).fit_transform(table)
    assert codes.shape == (len(table), pipeline[-1].latent_dim_)


def test_grid_search_over_numpy_numbers_with_time_ordered_folds(tmp_path):
    table, labels = labelled()

    def precision(detector: AnomalyDetector, X: np.ndarray, y: np.ndarray) -> float:
        return average_precision_score(y, -detector.score_samples(X))

    rates = np.geomspace(1e-3, 1e-2, 2)
    grid = {"window_size": np.array([4, 8]), "network__n_blocks": np.arange(1, 2), "training__learning_rate": rates}
    search = GridSearchCV(quick(), grid, cv=TimeSeriesSplit(n_splits=2), scoring=precision).fit(table, labels)
    assert search.best_score_ > 0.5
    assert search.best_estimator_.window_size_ == search.best_params_["window_size"]
    search.best_estimator_.save(tmp_path / "best.tsae")
    assert len(cross_val_score(quick(), table, labels, cv=TimeSeriesSplit(n_splits=2), scoring=precision)) == 2


def test_pandas_output_keeps_the_index_and_names_the_codes():
    frame = pd.DataFrame(
        labelled()[0], columns=["flow", "pressure"], index=pd.date_range("2026", periods=300, freq="h")
    )
    detector = quick(latent_dim=3).fit(frame).set_output(transform="pandas")
    codes = detector.transform(frame)
    pd.testing.assert_index_equal(codes.index, frame.index)
    assert list(codes.columns) == ["anomalydetector0", "anomalydetector1", "anomalydetector2"]
    assert list(detector.get_feature_names_out()) == list(codes.columns)
    assert list(detector.feature_names_in_) == ["flow", "pressure"]
    assert detector.n_features_in_ == 2


@pytest.mark.parametrize("method", ["score_samples", "predict", "errors", "detect", "transform", "inverse_transform"])
def test_an_unfitted_detector_says_so(method):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(AnomalyDetector(), method)(readings(20, "aa"))
    with pytest.raises(NotFittedError):
        AnomalyDetector().save("never.tsae")
    with pytest.raises(NotFittedError):
        AnomalyDetector().set_threshold(3.0)


def test_a_fit_that_failed_leaves_the_detector_unfitted():
    detector = quick(training={"learning_rate": 1e30})
    with pytest.raises(TrainingError):
        detector.fit(readings(200, "aa"))
    with pytest.raises(NotFittedError):
        detector.predict(readings(20, "aa"))
    with pytest.raises(DataError):
        quick().fit(readings(3, "aa"))


@pytest.mark.parametrize("kind", [list, tuple])
def test_fleets_are_sequences_of_series(kind):
    machines = kind([readings(150, "aa", seed=seed) for seed in range(2)])
    detector = quick().fit(machines)
    assert detector.predict(machines).shape == (300,)
    assert detector.fit_predict(machines).shape == (300,)
    frames = kind([pd.DataFrame(machine, columns=["a", "b"]) for machine in machines])
    assert [list(errors.columns) for errors in quick().fit(frames).errors(frames)] == [["a", "b"]] * 2


def test_float32_and_lists_are_taken():
    table = readings(200, "aa")
    as_float64 = quick().fit(table)
    np.testing.assert_allclose(
        quick().fit(table.astype(np.float32)).score_samples(table.astype(np.float32)),
        as_float64.score_samples(table),
        rtol=1e-2,
        atol=1e-2,
    )
    np.testing.assert_array_equal(
        quick().fit(table.tolist()).score_samples(table.tolist()), as_float64.score_samples(table)
    )
