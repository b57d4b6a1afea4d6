from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tsae
from tests.detection.plants import readings
from tsae import AnomalyDetector
from tsae.errors import ModelFileError, OutputError
from tsae.store import read_model, write_model

TRAINING = pd.DataFrame(
    readings(240, "aacs"),
    columns=["flow", "pressure", "speed", "valve"],
    index=pd.date_range("2026-03-01", periods=240, freq="min"),
)


def quick(**parameters: Any) -> AnomalyDetector:
    return AnomalyDetector(**{"window_size": (4, 12), "max_steps": 5, "random_state": 0, **parameters})


@pytest.fixture(scope="module")
def detector() -> AnomalyDetector:
    return quick().fit(TRAINING, units={"flow": "m³/h"})


@pytest.fixture
def model(detector: AnomalyDetector, tmp_path: Path) -> Path:
    detector.save(tmp_path / "m.tsae")
    return tmp_path / "m.tsae"


def test_names_units_clock_and_origin_are_kept(model):
    loaded = tsae.load(model)
    assert list(loaded.feature_names_in_) == loaded.channels_ == ["flow", "pressure", "speed", "valve"]
    assert loaded.units_ == {"flow": "m³/h"}
    assert loaded.period_ == 60.0
    manifest = read_model(model)[1]
    assert manifest["packages"].keys() >= {"tsae", "torch", "numpy"}
    assert len(manifest["fitted"]["data_hash_"]) == 64


def test_saving_twice_gives_the_same_file_and_takes_text_as_path(detector, model, tmp_path):
    detector.save(str(tmp_path / "again.tsae"))
    assert (tmp_path / "again.tsae").read_bytes() == model.read_bytes()
    tsae.load(str(model)).save(tmp_path / "third.tsae")
    assert (tmp_path / "third.tsae").read_bytes() == model.read_bytes()


def test_a_loaded_detector_can_be_fitted_again(detector, model):
    loaded = tsae.load(model)
    np.testing.assert_array_equal(loaded.fit(TRAINING).score_samples(TRAINING), detector.score_samples(TRAINING))


@pytest.mark.parametrize(
    "parameters",
    [
        {"window_size": np.array([4, 8]), "max_steps": np.int64(3), "lag": np.int32(2), "threshold": np.float32(2)},
        {"latent_dim": np.int16(4), "held_out": np.float32(0.25)},
        {"network": {"width": np.int64(16), "linear_path": np.True_}},
        {"network__hidden": (np.int64(16), 8), "network__linear_path": np.True_},
        {"random_state": np.random.RandomState(0)},
        {"random_state": np.int64(7)},
        {"random_state": None},
    ],
)
def test_parameters_of_every_kind_are_kept_as_plain_values(parameters, tmp_path):
    fitted = quick().set_params(**parameters).fit(TRAINING)
    fitted.save(tmp_path / "m.tsae")
    loaded = tsae.load(tmp_path / "m.tsae")
    np.testing.assert_allclose(loaded.score_samples(TRAINING), fitted.score_samples(TRAINING), rtol=1e-3, atol=5e-3)
    for name, value in parameters.items():
        kept = loaded.get_params()[name]
        if isinstance(value, np.random.RandomState):
            assert kept is None
        else:
            np.testing.assert_array_equal(kept, value)
            assert not isinstance(kept, np.generic | np.ndarray)


def test_an_array_has_no_names_to_keep(tmp_path):
    fitted = quick().fit(TRAINING.to_numpy())
    fitted.save(tmp_path / "m.tsae")
    loaded = tsae.load(tmp_path / "m.tsae")
    assert not hasattr(loaded, "feature_names_in_")
    assert loaded.channels_ == ["x0", "x1", "x2", "x3"]
    assert isinstance(loaded.errors(TRAINING.to_numpy()), np.ndarray)


def test_a_path_that_cannot_be_written_is_refused(detector, tmp_path):
    with pytest.raises(OutputError, match=r"cannot write '.*absent/m': No such file or directory; choose another path"):
        detector.save(tmp_path / "absent" / "m")
    with pytest.raises(OutputError, match="is a folder; name a file in it"):
        detector.save(tmp_path)


def test_damage_is_refused_wherever_it_is(model):
    whole = model.read_bytes()
    for position in np.linspace(0, len(whole) - 1, 60).astype(int):
        model.write_bytes(whole[:position])
        with pytest.raises(ModelFileError):
            tsae.load(model)
        flipped = bytearray(whole)
        flipped[position] ^= 1
        model.write_bytes(flipped)
        with pytest.raises(ModelFileError):
            tsae.load(model)
    model.write_bytes(whole)
    tsae.load(model)


def test_a_pickle_is_refused(detector, tmp_path):
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(detector))
    with pytest.raises(ModelFileError, match="is not a tsae model"):
        tsae.load(tmp_path / "m.pkl")


def test_a_file_that_lacks_a_part_is_refused_by_what_is_missing(model):
    tensors, manifest = read_model(model)
    del manifest["sha256"], manifest["format_version"]
    for name in manifest:
        if name not in ("packages", "lessons"):  # files of the first formats have no lessons
            write_model(model, tensors, {key: value for key, value in manifest.items() if key != name})
            with pytest.raises(ModelFileError, match=rf"lacks a part \(.*{name}.*\); fit again"):
                tsae.load(model)
    for name in tensors:
        if not name.startswith("switches."):
            write_model(model, {key: array for key, array in tensors.items() if key != name}, manifest)
            with pytest.raises(ModelFileError, match="lacks a part"):
                tsae.load(model)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "Toaster"},
        {"parameters": {"colour": "red"}},
        {"parameters": []},
        {"members": [{}]},
        {"members": 3},
        {"fitted": []},
        {"thresholds": []},
    ],
)
def test_a_manifest_of_another_make_is_refused(model, change):
    tensors, manifest = read_model(model)
    write_model(model, tensors, {**manifest, **change})
    with pytest.raises(ModelFileError, match="lacks a part"):
        tsae.load(model)


def test_a_made_up_manifest_cannot_replace_methods(model):
    tensors, manifest = read_model(model)
    manifest["fitted"]["predict"] = "gotcha"
    write_model(model, tensors, manifest)
    assert callable(tsae.load(model).predict)


def test_an_interrupted_fit_leaves_the_old_file(model):
    class Interrupt(pd.DataFrame):
        """The user presses ctrl-C while the table is read."""

        def __array__(self, *args: Any, **kwargs: Any) -> Any:
            raise KeyboardInterrupt

    before = model.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        quick().fit(Interrupt(TRAINING)).save(model)
    assert model.read_bytes() == before
    assert os.listdir(model.parent) == ["m.tsae"]  # noqa: PTH208
