"""What a fitted model is: whole, immutable, known in one place, and loaded without the libraries that train."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.detection.plants import Composition, fitted, readings, today
from tsae import AnomalyDetector, ImageAnomalyDetector, StreamScorer, load
from tsae.errors import DataError, ParameterError
from tsae.model.fitted import FittedModel

SMALL = Composition("aacs", (4, 12), "dense", True, "deterministic")
VIEWS = {
    "lag_": "lag",
    "period_": "period",
    "thresholds_": "thresholds",
    "calibration_": "calibration",
    "channels_": "channels",
    "units_": "units",
    "data_hash_": "data_hash",
}


def test_what_the_estimator_shows_is_what_the_model_knows() -> None:
    detector = fitted(SMALL)
    for shown, known in VIEWS.items():
        assert getattr(detector, shown) == getattr(detector.model_, known), shown
        with pytest.raises(AttributeError):
            setattr(detector, shown, None)
    assert not set(VIEWS) & set(vars(detector))
    assert detector.threshold_ == -detector.offset_ == detector.model_.thresholds.settled.value


def test_a_model_is_packed_and_unpacked_whole(tmp_path: Path) -> None:
    detector, path = fitted(SMALL), tmp_path / "m.tsae"
    detector.save(path)
    loaded, again = FittedModel.load(path), load(path).model_
    assert loaded.checksum != again.checksum == ""
    for model in (loaded, again):
        tensors, expected = {}, {}
        assert model.pack(tensors) == detector.model_.pack(expected)
        assert tensors.keys() == expected.keys()
        for name, array in expected.items():
            np.testing.assert_array_equal(tensors[name], array, err_msg=name)


def test_a_stream_runs_on_a_model_as_on_its_detector(tmp_path: Path) -> None:
    detector, path, rows = fitted(SMALL), tmp_path / "m.tsae", today(SMALL, 40)
    detector.save(path)
    scorers = (StreamScorer(detector), StreamScorer(detector.model_), StreamScorer(FittedModel.load(path)))
    first, *others = ([row.score for row in scorer.update_many(rows).immediate] for scorer in scorers)
    for other in others:
        np.testing.assert_allclose(other, first, rtol=1e-4)


def test_a_model_of_tables_is_loaded_without_what_trains(tmp_path: Path) -> None:
    path = tmp_path / "m.tsae"
    fitted(SMALL).save(path)
    code = (
        "import sys; from tsae.model.fitted import FittedModel; from tsae import StreamScorer; "
        f"StreamScorer(FittedModel.load({str(path)!r})); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "sklearn", "pytorch_lightning"} & set(done.stdout.split())


def test_other_detectors_have_no_model_of_series() -> None:
    with pytest.raises(ParameterError, match="ImageAnomalyDetector"):
        StreamScorer(ImageAnomalyDetector(max_steps=2).fit(np.random.default_rng(0).random((20, 6, 6))))


def test_a_failed_fit_leaves_the_estimator_as_it_was() -> None:
    table = pd.DataFrame(readings(150, "aa"), columns=["a", "b"])
    detector = AnomalyDetector(window_size=8, max_steps=2, random_state=0).fit(table)
    before = dict(vars(detector))
    with pytest.raises(DataError, match="annotations"):
        detector.fit(readings(150, "aaa"), annotations=np.full(150, 7))
    assert vars(detector) == before
    fresh = AnomalyDetector(window_size=8, max_steps=2)
    with pytest.raises(DataError, match="annotations"):
        fresh.fit(table, annotations=np.full(150, 7))
    assert not [name for name in vars(fresh) if name.endswith("_")]
