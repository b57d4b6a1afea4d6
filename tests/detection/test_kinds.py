"""The contract of every kind of autoencoder, for series and images alike: one line of `kinds.LINES` each."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import tsae.errors
from tests.detection.kinds import LINES, Line
from tests.detection.pictures import pictures
from tests.detection.plants import readings
from tsae import AnomalyDetector, ImageAnomalyDetector
from tsae.detection.parameters.groups import in_groups
from tsae.detection.parameters.recipes import RECIPES, recipe
from tsae.detection.parameters.resolved import image_options, series_options
from tsae.scoring.scorer import Scorer
from tsae.training.batches import Batch
from tsae.training.objectives import reconstruction_loss

DATA = ("series", "images")
CLOSE = {"rtol": 2e-3, "atol": 1e-3}
CASES = [(line, data) for line in LINES for data in DATA if line.only in (None, data)]
every_case = pytest.mark.parametrize(("line", "data"), CASES, ids=[f"{line}-{data}" for line, data in CASES])


def training(data: str) -> Any:
    """Rows of three sensors, or coloured pictures of 8 x 6 pixels."""
    return readings(150, "aaa") if data == "series" else pictures("coloured")


def later(data: str) -> Any:
    return readings(40, "aaa", seed=3) if data == "series" else pictures("coloured", 11, seed=1)


def unfitted(line: Line, data: str, **more: Any) -> Any:
    if data == "series":
        return AnomalyDetector(**in_groups({"window_size": 9}, line.parameters("series"), more))
    return ImageAnomalyDetector(**in_groups(line.parameters("images"), more))


@cache
def fitted(line: str, data: str) -> Any:
    """Not to be changed: tests share it."""
    (found,) = [each for each in LINES if each.name == line]
    return unfitted(found, data).fit(training(data))


def network_of(detector: Any) -> torch.nn.Module:
    if isinstance(detector, ImageAnomalyDetector):
        return detector.model_.network.autoencoder
    return detector.model_.ensemble.longest.model.network.module


def loss_of(detector: Any, network: Any) -> Any:
    """The objective that the detector's network is trained with, at the full weight of its KL term."""
    to_options = image_options if isinstance(detector, ImageAnomalyDetector) else series_options
    options = to_options(detector.get_params(deep=False), seed=0)
    loss = reconstruction_loss(network, options.training)
    return lambda inputs: loss(Batch(inputs, None), options.training.kl_weight)


def inputs_of(data: str) -> torch.Tensor:
    """Six inputs as a network sees them."""
    generator = torch.Generator().manual_seed(0)
    return torch.rand(6, *((9, 3) if data == "series" else (3, 8, 6)), generator=generator)


@every_case
def test_shapes_and_signs(line, data):
    detector, values = fitted(line.name, data), later(data)
    before, state = values.copy(), torch.get_rng_state()
    scores = -detector.score_samples(values)
    assert scores.shape == (len(values),)
    assert np.isfinite(scores).all()
    assert (scores >= 0).all()
    np.testing.assert_array_equal(detector.predict(values), np.where(scores > detector.threshold_, -1, 1))
    assert detector.errors(values).shape == detector.reconstruct(values).shape == values.shape
    assert (detector.errors(values) >= 0).all()
    codes = detector.transform(values)
    assert codes.shape == (len(values), detector.latent_dim_)
    assert detector.latent_dim_ < inputs_of(data)[0].numel()
    assert detector.inverse_transform(codes).shape[-1] == values.shape[-1]
    np.testing.assert_array_equal(values, before)
    assert torch.equal(torch.get_rng_state(), state)


@every_case
def test_scores_are_reproducible_and_do_not_depend_on_batches(line, data):
    detector, values = fitted(line.name, data), later(data)
    scores = detector.score_samples(values)
    np.testing.assert_array_equal(detector.score_samples(values), scores)
    if data == "images":
        order = np.random.default_rng(0).permutation(len(values))
        np.testing.assert_allclose(detector.score_samples(values[order]), scores[order], **CLOSE)
        np.testing.assert_allclose(detector.score_samples(values[4:5]), scores[4:5], **CLOSE)
        return
    scorer = Scorer(detector.model_.ensemble, lag=detector.lag_)
    lane = np.array([scorer.open()])
    steps = [scorer.push(lane, values[None, first : first + 7]) for first in range(0, len(values), 7)]
    settled = [step.settled[step.is_settled] for step in steps]
    in_blocks = np.concatenate([*settled, scorer.flush(0).settled])
    np.testing.assert_allclose(-in_blocks, scores, **CLOSE)


@every_case
def test_saved_and_loaded_it_scores_the_same(line, data, tmp_path):
    detector, values = fitted(line.name, data), later(data)
    detector.save(tmp_path / "m.tsae")
    loaded = tsae.load(tmp_path / "m.tsae")
    assert type(loaded) is type(detector)
    assert clone(loaded).get_params().keys() == detector.get_params().keys()
    for method in ("score_samples", "errors", "reconstruct", "transform"):
        np.testing.assert_allclose(getattr(loaded, method)(values), getattr(detector, method)(values), **CLOSE)
    assert vars(loaded).keys() == vars(detector).keys()
    assert loaded.receptive_field_ == detector.receptive_field_


@every_case
def test_a_clone_is_the_same_and_every_parameter_can_be_set(line, data):
    detector = fitted(line.name, data)
    twin = clone(detector)
    assert not hasattr(twin, "model_")
    assert type(detector)().set_params(**detector.get_params()).get_params() == twin.get_params()
    np.testing.assert_array_equal(
        twin.fit(training(data)).score_samples(later(data)), detector.score_samples(later(data))
    )


@every_case
def test_gradient_reaches_every_parameter(line, data):
    network = copy.deepcopy(network_of(fitted(line.name, data))).train().requires_grad_(True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        loss_of(fitted(line.name, data), network)(inputs_of(data)).backward()
    untouched = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert untouched == []


@every_case
def test_training_lowers_the_held_out_loss(line, data):
    many = training(data) if data == "series" else pictures("coloured", 150)
    detector = unfitted(line, data, max_steps=40, learning_rate=5e-3, kl_weight=0.01).fit(many)
    report = detector.fit_report_ if data == "images" else detector.fit_reports_[-1]
    first = report.history[0][1]
    # The waves are linear: where principal components rebuild them from the start, there may be nothing to add.
    assert report.held_out_loss <= first if line.overrides.get("linear_path") else report.held_out_loss < first


@pytest.mark.parametrize("data", DATA)
def test_kinds_can_be_searched(data):
    """A grid over every recipe, and over parameters of some."""
    base = {"series": AnomalyDetector(window_size=8), "images": ImageAnomalyDetector()}[data]
    base.set_params(max_steps=3, random_state=0, network__n_blocks=1)
    named = [{name: [value] for name, value in recipe(kind, data).items()} for kind in RECIPES]
    grid = [*named, {"training__sparsity": [0.0, 0.1], "training__rbm": [None], "network__width": np.array([16])}]

    def share_of_normal(detector: Any, X: Any, y: Any = None) -> float:
        return float(np.mean(detector.predict(X) == 1))

    search = GridSearchCV(base, grid, scoring=share_of_normal, cv=2, error_score="raise").fit(training(data))
    assert len(search.cv_results_["params"]) == len(RECIPES) + 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"architecture": "lstm"}, r"`architecture` \(='lstm'\)"),
        ({"bottleneck": "wide"}, r"`bottleneck` \(='wide'\)"),
        ({"loss": "l3"}, r"`loss` \(='l3'\)"),
        ({"corruption": "rain"}, r"`corruption` \(='rain'\)"),
        ({"pretraining": "gan"}, r"`pretraining` \(='gan'\)"),
        ({"score_by": "max"}, r"`score_by` \(='max'\)"),
        ({"pretraining": "rbm", "rbm": {"steps": 3}}, r"`rbm` \(={'steps': 3}\) names 'steps'"),
        ({"pretraining": "rbm", "rbm": {"n_gibbs": 0}}, r"`n_gibbs` \(=0\)"),
        ({"rbm": {"n_gibbs": 2}}, r"`rbm` .*needs `pretraining` \(=None\) to be 'rbm'"),
        (
            {"pretraining": "rbm", "architecture": "conv"},
            r"`pretraining` .*requires `architecture` to be 'dense' \(='conv'\)",
        ),
        ({"pretraining": "rbm", "linear_path": True}, r"`pretraining` .*clashes with `linear_path` \(=True\)"),
        ({"pretraining": "rbm", "decoder_hidden": (3,)}, r"`pretraining` .*clashes with `decoder_hidden` \(=\(3,\)\)"),
        ({"pretraining": "rbm", "activation": "gelu"}, r"`pretraining` .*clashes with `activation` \(='gelu'\)"),
        ({"architecture": "conv", "hidden": (8,)}, r"`hidden` .*clashes with `architecture` \(='conv'\)"),
        ({"architecture": "transformer", "width": 9}, r"`width` \(=9\) must be a multiple of `n_heads` \(=4\)"),
        ({"score_by": "elbo"}, r"`score_by` .*clashes with `bottleneck` \(='deterministic'\)"),
        ({"score_by": "masked"}, r"`score_by` .*clashes with `corruption` \(=None\), which hides nothing"),
        ({"score_by": "masked", "corruption": "gaussian"}, r"`score_by` .*clashes with `corruption` \(='gaussian'\)"),
        ({"variance": 0.5}, r"`variance` \(=0.5\) clashes with `loss` \(='l2'\)"),
        ({"corruption": "mask_points", "corruption_level": 1.5}, r"`corruption_level` \(=1.5\)"),
    ],
)
@pytest.mark.parametrize("data", DATA)
def test_unknown_and_clashing_parameters_are_refused_by_name(data, settings, message):
    plain = Line("plain", "undercomplete", settings)
    with pytest.raises(tsae.errors.ParameterError, match=message):
        unfitted(plain, data).fit(training(data))
