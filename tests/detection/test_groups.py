"""Parameters in groups: options as objects, dictionaries or nothing, reached by scikit-learn's names."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit

import tsae
from tests.detection.plants import readings
from tsae import AnomalyDetector, ImageAnomalyDetector, NetworkOptions, TrainingOptions
from tsae.detection.parameters.groups import in_groups
from tsae.detection.parameters.resolved import image_options, series_options
from tsae.errors import ParameterError

DETECTORS = (AnomalyDetector, ImageAnomalyDetector)
every_detector = pytest.mark.parametrize("kind", DETECTORS)


@every_detector
def test_there_are_at_most_18_parameters_and_each_is_documented(kind):
    names = inspect.signature(kind).parameters
    assert len(names) <= 18
    assert all(f"\n    {name} : " in kind.__doc__ for name in names)
    assert "{" not in kind.__doc__.partition("Attributes")[0].replace('{"', "")


@pytest.mark.parametrize("options", [NetworkOptions, TrainingOptions])
def test_each_option_is_documented(options):
    described = options.__doc__.partition("Raises")[0]
    listed = {name.strip() for line in described.splitlines() for name in line.partition(" : ")[0].split(",")}
    assert set(inspect.signature(options).parameters) <= listed


@every_detector
@pytest.mark.parametrize("network", [None, {"width": 16}, {}, NetworkOptions(width=16), NetworkOptions()])
def test_options_are_listed_and_set_and_what_was_given_stays(kind, network):
    detector = kind(network=network)
    assert detector.network is network
    width = 32 if network in (None, {}, NetworkOptions()) else 16
    assert detector.get_params()["network__width"] == width
    assert detector.get_params(deep=False).keys() == inspect.signature(kind).parameters.keys()
    assert kind().set_params(**detector.get_params()).get_params() == detector.get_params()
    assert detector.set_params(network__width=width).network is network
    assert detector.set_params(network__width=8, network__n_blocks=np.int64(3)).network == NetworkOptions(
        width=8, n_blocks=3
    )
    twin = clone(detector)
    assert twin.network == detector.network
    assert twin.set_params(network=None).network is None
    assert repr(detector) == f"{kind.__name__}(network=NetworkOptions(n_blocks=3, width=8))"


def test_a_dictionary_does_as_well_as_an_object():
    table = readings(150, "aa")
    spellings: list[dict[str, Any]] = [
        {"network": {"hidden": [9]}, "training": {"loss": "l1"}},
        {"network": NetworkOptions(hidden=(9,)), "training": TrainingOptions(loss="l1")},
    ]
    shared = {"window_size": 8, "max_steps": 5, "random_state": 0}
    scores = [AnomalyDetector(**shared, **each).fit(table).score_samples(table) for each in spellings]
    np.testing.assert_array_equal(*scores)
    assert not np.array_equal(scores[0], AnomalyDetector(**shared).fit(table).score_samples(table))


def test_what_fit_resolves_is_not_written_into_the_parameters():
    table = readings(150, "aa")
    detector = AnomalyDetector(window_size=8, max_steps=5, network={"bottleneck": "gaussian"}, random_state=0)
    before = detector.get_params()
    assert detector.fit(table).get_params() == before
    assert series_options(before, seed=0).network.activation == "gelu"
    assert series_options(before, seed=0).training.kl_weight == 0.05
    assert image_options(ImageAnomalyDetector(network=detector.network).get_params(), seed=0).training.kl_weight == 0.01


def test_grid_search_reaches_options_of_every_spelling():
    table = readings(200, "aa")
    grid = [{"network__width": [4, 8], "training__loss": ["l1"]}, {"network": [None, {"dropout": 0.1}]}]
    base = AnomalyDetector(architecture="conv", window_size=8, max_steps=3, random_state=0)
    search = GridSearchCV(
        base, grid, cv=TimeSeriesSplit(2), scoring=lambda detector, X, y=None: -detector.offset_, error_score="raise"
    ).fit(table)
    assert len(search.cv_results_["params"]) == 4


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("hidden", "did you mean network={'hidden': ...} (`network__hidden`)?"),
        ("losss", "did you mean training={'loss': ...} (`training__loss`)?"),
        ("window_sizes", "did you mean `window_size`?"),
        ("network__widht", "did you mean network={'width': ...} (`network__width`)?"),
        ("qqq", "choose one of architecture, false_alarm_rate"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_right_one(wrong, right):
    for use in (AnomalyDetector, AnomalyDetector().set_params):
        with pytest.raises(ParameterError) as caught:
            use(**{wrong: 1})
        assert str(caught.value).startswith(f"`{wrong}` is not a parameter of AnomalyDetector; {right}")


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"hiden": (8,)}, "`hiden` is not an option of `network`; did you mean `hidden`?"),
        ({"loss": "l1"}, "`loss` is not an option of `network`; did you mean training={'loss': ...}"),
        ({"latent_dim": 8}, "`latent_dim` is not an option of `network`; did you mean the parameter `latent_dim`?"),
        ({"qqq": 8}, "`qqq` is not an option of `network`; choose one of hidden, decoder_hidden"),
        ("wide", "`network` (='wide') must be NetworkOptions, a dictionary or None"),
        (TrainingOptions(), "`network` (=TrainingOptions()) must be NetworkOptions, a dictionary or None"),
    ],
)
@every_detector
def test_a_wrong_group_is_refused_in_fit(kind, network, message):
    detector = kind(network=network)
    assert detector.get_params(deep=False)["network"] is network
    data = readings(50, "a") if kind is AnomalyDetector else np.zeros((5, 8, 8))
    with pytest.raises(ParameterError) as caught:
        detector.fit(data)
    assert str(caught.value).startswith(message)


def test_flat_parameters_of_older_files_find_their_group():
    flat = {"preset": "fast", "hidden": [8, 4], "loss": "l1", "lag": 3, "rbm": None}
    expected = {"preset": "fast", "lag": 3, "network": {"hidden": [8, 4]}, "training": {"loss": "l1", "rbm": None}}
    assert in_groups(flat) == expected
    assert in_groups(in_groups(flat)) == expected
    with pytest.raises(ParameterError, match=r"`network` \(='wide'\) must be NetworkOptions"):
        in_groups({"network": "wide"})
    assert AnomalyDetector(**in_groups(flat)).get_params()["network__hidden"] == [8, 4]


def test_a_file_from_before_there_were_groups_is_read():
    loaded = tsae.load(Path(__file__).parents[1] / "model" / "first_format.tsae")
    assert loaded.network.keys() == vars(NetworkOptions()).keys()
    assert loaded.training.keys() == vars(TrainingOptions()).keys()
    assert series_options(loaded.get_params(deep=False), seed=0).linear_path


def test_a_saved_detector_keeps_its_groups(tmp_path):
    table = readings(150, "aa")
    shared = {"window_size": 8, "max_steps": 3, "random_state": 0}
    detector = AnomalyDetector(**shared, network=NetworkOptions(hidden=(9,)), training={"loss": "l1"}).fit(table)
    detector.save(tmp_path / "m.tsae")
    loaded = tsae.load(tmp_path / "m.tsae")
    assert loaded.training == {"loss": "l1"}
    assert NetworkOptions(**loaded.network) == detector.network
    np.testing.assert_allclose(loaded.fit(table).score_samples(table), detector.score_samples(table), rtol=1e-5)
