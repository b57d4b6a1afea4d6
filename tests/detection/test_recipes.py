"""Kinds of autoencoder by name."""

from __future__ import annotations

import pytest

from tests.detection.pictures import pictures
from tsae import ImageAnomalyDetector
from tsae.detection.recipes import RECIPES, recipe
from tsae.errors import ParameterError


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_a_kind_of_its_own(name):
    assert RECIPES[name].keys() <= ImageAnomalyDetector().get_params().keys()
    assert all(RECIPES[name] != RECIPES[other] for other in RECIPES if other != name)
    detector = ImageAnomalyDetector(**recipe(name, max_steps=5, random_state=0)).fit(pictures("odd", 10))
    assert detector.predict(pictures("odd", 3)).shape == (3,)


def test_overrides_win_and_recipes_stay():
    assert recipe("denoising", corruption_level=0.3, loss="l1") == {
        **RECIPES["denoising"],
        "corruption_level": 0.3,
        "loss": "l1",
    }
    assert RECIPES["denoising"]["corruption_level"] == 0.2
    recipe("deep")["pretraining"] = None
    assert RECIPES["deep"]["pretraining"] == "rbm"


def test_an_unknown_recipe_is_refused():
    with pytest.raises(ParameterError, match="recipe 'quantum' is unknown; choose one of undercomplete, deep"):
        recipe("quantum")
