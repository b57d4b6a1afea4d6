"""Kinds of autoencoder by name."""

from __future__ import annotations

import pytest

from tests.detection.pictures import pictures
from tests.detection.plants import readings
from tsae import AnomalyDetector, ImageAnomalyDetector
from tsae.detection.parameters.recipes import RECIPES, recipe
from tsae.errors import ParameterError
from tsae.scoring.window_models import ReconstructionModel


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_a_kind_of_its_own(name):
    assert all(RECIPES[name] != RECIPES[other] for other in RECIPES if other != name)
    series = AnomalyDetector(**recipe(name, max_steps=5, random_state=0)).fit(readings(150, "aa"))
    members = series.model_.ensemble.members
    assert all(member.options.architecture == RECIPES[name]["architecture"] for member in members)
    assert series.predict(readings(30, "aa")).shape == (30,)
    images = ImageAnomalyDetector(**recipe(name, "images", max_steps=5, random_state=0)).fit(pictures("odd", 10))
    assert images.predict(pictures("odd", 3)).shape == (3,)


def test_a_kind_by_name_is_alone_behind_the_score():
    detector = AnomalyDetector(**recipe("undercomplete", max_steps=5, random_state=0)).fit(readings(150, "aa"))
    assert [type(member.model) for member in detector.model_.ensemble.members] == [ReconstructionModel] * 2
    assert all(member.model.network.module.linear_path is None for member in detector.model_.ensemble.members)


def test_overrides_win_and_recipes_stay():
    expected = {
        "architecture": "dense",
        "network": {"linear_path": False, "corruption": "gaussian", "corruption_level": 0.3},
        "training": {"loss": "l1"},
    }
    assert recipe("denoising", "images", corruption_level=0.3, loss="l1") == expected
    assert recipe("denoising", "images", network={"corruption_level": 0.3}, training__loss="l1") == expected
    assert RECIPES["denoising"]["corruption_level"] == 0.2
    recipe("deep")["training"]["pretraining"] = None
    assert RECIPES["deep"]["pretraining"] == "rbm"
    assert recipe("deep", preset="balanced")["preset"] == "balanced"


def test_an_unknown_recipe_is_refused():
    with pytest.raises(
        ParameterError, match="kind 'quantum' of autoencoder is unknown; choose one of undercomplete, convolutional"
    ):
        recipe("quantum")
    with pytest.raises(ParameterError, match=r"`data` \(='sounds'\) is unknown; choose one of series, images"):
        recipe("deep", "sounds")
