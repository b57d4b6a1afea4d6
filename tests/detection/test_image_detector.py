"""What every image detector promises, however it is put together."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

import tsae
from tests.detection.pictures import SIZES, fitted, parameters, pictures
from tsae import ImageAnomalyDetector
from tsae.detection.parameters.groups import in_groups
from tsae.errors import DataError, ParameterError

every_size = pytest.mark.parametrize("size", SIZES)
CLOSE = {"rtol": 1e-4, "atol": 1e-4}
VARIATIONAL = ["variational", "variational bernoulli", "variational transformer", "variational linear path"]


@every_size
@pytest.mark.parametrize("kind", ["undercomplete", "convolutional", "transformer"])
def test_images_of_every_size(kind, size):
    """The contract of every kind is in `test_kinds`; here is what only images have."""
    detector, images = fitted(kind, size), pictures(size, 11, seed=1)
    shape = (11, *detector.image_shape_)
    codes = detector.transform(images)
    assert detector.get_feature_names_out().shape == (detector.latent_dim_,)
    np.testing.assert_allclose(detector.inverse_transform(codes), detector.reconstruct(images), **CLOSE)
    assert (
        detector.reconstruct(images).shape == detector.errors(images).shape == detector.denoise(images).shape == shape
    )
    assert detector.interpolate(images[0], images[1], 3).shape == (3, *shape[1:])


@pytest.mark.parametrize("kind", ["undercomplete", "variational bernoulli"])
def test_saved_and_loaded_it_is_the_same(kind, tmp_path):
    detector, images = fitted(kind, "coloured"), pictures("coloured", 11, seed=1)
    detector.save(tmp_path / "m.tsae")
    loaded = tsae.load(tmp_path / "m.tsae")
    for method in ("encode", "denoise"):
        np.testing.assert_array_equal(getattr(loaded, method)(images), getattr(detector, method)(images), method)
    if kind in VARIATIONAL:
        np.testing.assert_array_equal(loaded.sample(3, random_state=0), detector.sample(3, random_state=0))
    assert loaded.compression() == detector.compression()
    assert loaded.learned_threshold_ == detector.learned_threshold_
    assert loaded.fit_report_ == detector.fit_report_
    loaded.set_threshold("quantile", false_alarm_rate=0.3)
    assert loaded.threshold_ == copy.copy(detector).set_threshold("quantile", false_alarm_rate=0.3).threshold_


@pytest.mark.parametrize("kind", ["undercomplete", "convolutional", "variational", "deep bernoulli"])
def test_noise_is_set_apart(kind):
    images = pictures("odd", 60)
    detector = ImageAnomalyDetector(**in_groups(parameters(kind), {"max_steps": 40, "kl_weight": 0.01})).fit(images)
    noise = np.random.default_rng(0).permuted(images.reshape(60, -1), axis=1).reshape(images.shape)
    assert np.median(detector.score_samples(noise)) < np.median(detector.score_samples(images))


@pytest.mark.parametrize("kind", VARIATIONAL)
@every_size
def test_new_images_follow_their_seed(kind, size):
    detector = fitted(kind, size)
    drawn = detector.sample(3, random_state=1)
    assert drawn.shape == (3, *detector.image_shape_)
    assert np.isfinite(drawn).all()
    np.testing.assert_array_equal(drawn, detector.sample(3, random_state=1))
    assert not np.array_equal(drawn, detector.sample(3, random_state=2))
    assert not np.array_equal(drawn, detector.sample(3, noise=False, random_state=1))


def test_new_images_look_like_rebuilt_ones():
    images = pictures("digits", 178)
    detector = ImageAnomalyDetector(network={"bottleneck": "gaussian"}, max_steps=400, random_state=0).fit(images)
    drawn, rebuilt = detector.sample(178, noise=False, random_state=1)[:, 0], detector.reconstruct(images)[:, 0]
    assert np.mean(detector.predict(drawn) == 1) > 0.9
    for statistic in (np.mean, np.std):
        new, old = statistic(drawn, axis=0).ravel(), statistic(rebuilt, axis=0).ravel()
        assert np.corrcoef(new, old)[0, 1] > 0.9
        assert new.mean() == pytest.approx(old.mean(), rel=0.2)
    both = np.concatenate([drawn, rebuilt]).reshape(-1, 64)
    is_new = np.arange(len(both)) < len(drawn)
    area = cross_val_score(LogisticRegression(max_iter=2000), both / 16, is_new, scoring="roc_auc", cv=3).mean()
    assert area < 0.7


def test_only_variational_kinds_draw_new_images():
    with pytest.raises(ParameterError, match=r"`bottleneck` \(='deterministic'\) .*bottleneck='gaussian'"):
        fitted("undercomplete", "odd").sample(3)


def test_the_posterior_is_drawn_from_as_often_as_asked():
    def scores(n_samples: int) -> np.ndarray:
        detector = ImageAnomalyDetector(**in_groups(parameters("variational"), {"n_samples": n_samples}))
        return detector.fit(pictures("odd")).score_samples(pictures("odd", 11, seed=1))

    assert not np.allclose(scores(1), scores(2))


def test_interpolation_goes_from_one_image_to_the_other():
    detector, images = fitted("undercomplete", "coloured"), pictures("coloured", 2)
    between = detector.interpolate(images[0], images[1], 5)
    np.testing.assert_allclose(between[[0, -1]], detector.reconstruct(images), **CLOSE)
    codes = detector.transform(images)
    np.testing.assert_array_equal(detector.encode(images), codes)
    np.testing.assert_array_equal(detector.decode(codes), detector.inverse_transform(codes))
    np.testing.assert_allclose(between[2], detector.inverse_transform(codes.mean(axis=0, keepdims=True))[0], **CLOSE)


def test_denoising_brings_noisy_images_nearer_to_the_clean_ones():
    clean = pictures("odd", 200)
    detector = ImageAnomalyDetector(**parameters("denoising") | {"max_steps": 200}).fit(clean[:150])
    noisy = clean[150:] + np.random.default_rng(0).normal(0, 0.5, clean[150:].shape)
    before = np.square(noisy - clean[150:]).mean()
    for noise in (None, 0.5):
        after = np.square(detector.denoise(noisy, noise=noise)[:, 0] - clean[150:]).mean()
        assert after < before / 2
    np.testing.assert_allclose(detector.denoise(noisy, noise=0.0)[:, 0], noisy, **CLOSE)


def test_compression_is_measured_on_held_out_images():
    detector = ImageAnomalyDetector(network={"linear_path": True}, latent_dim=8, max_steps=20, random_state=0)
    ratio, rmse, unexplained = detector.fit(pictures("digits", 150)).compression()
    assert ratio == 64 / 8
    errors = detector.reconstruct(pictures("digits", 150))[:, 0] - pictures("digits", 150)
    assert rmse == pytest.approx(np.sqrt(np.square(errors).mean()), rel=0.3)
    assert 0.05 < unexplained < 0.6


def test_heatmaps_are_in_usual_errors_and_show_where():
    detector, images = fitted("linear path", "odd"), pictures("odd", 11, seed=1)
    images[3, 5, 2] += 6
    heat = detector.errors(images)
    assert np.unravel_index(heat[3].argmax(), heat[3].shape) == (0, 5, 2)
    assert np.median(heat) < 1 < heat.max()


def test_the_threshold_can_be_stated_and_learned_anew():
    detector, images = copy.copy(fitted("undercomplete", "odd")), pictures("odd", 11, seed=1)
    scores = -detector.score_samples(images)
    assert detector.set_threshold(float(np.median(scores))).predict(images).sum() == 1
    assert detector.learned_threshold_.method == "fixed"
    assert detector.set_threshold("quantile", false_alarm_rate=0.5).threshold_ < np.max(detector.held_out_scores_)
    assert -detector.offset_ == detector.threshold_


def test_a_folder_is_an_array(tmp_path):
    images = pictures("coloured")
    for number, image in enumerate(images):
        Image.fromarray(image.transpose(1, 2, 0)).save(tmp_path / f"{number:03}.png")
    detector = ImageAnomalyDetector(**parameters("undercomplete")).fit(tmp_path)
    twin = fitted("undercomplete", "coloured")
    np.testing.assert_array_equal(detector.score_samples(str(tmp_path)), twin.score_samples(images))


def test_it_can_be_searched_and_piped():
    images = pictures("digits", 60)
    labels = np.ones(60)
    labels[::6] = -1
    images[::6] = np.random.default_rng(0).permuted(images[::6].reshape(10, -1), axis=1).reshape(-1, 8, 8)
    detector = ImageAnomalyDetector(max_steps=10, random_state=0)
    search = GridSearchCV(detector, {"latent_dim": [2, 4]}, scoring="roc_auc", cv=2).fit(images, labels)
    assert search.best_params_["latent_dim"] in (2, 4)
    assert search.best_score_ > 0.5
    assert make_pipeline(clone(detector)).fit(images).predict(images).shape == (60,)


@pytest.mark.parametrize("n", [2, 3])
def test_a_handful_of_images_is_enough_to_run(n):
    detector = ImageAnomalyDetector(**parameters("undercomplete")).fit(pictures("odd", n))
    assert np.isfinite(detector.score_samples(pictures("odd", 5))).all()


def test_images_without_contrast_are_fitted():
    detector = ImageAnomalyDetector(**parameters("undercomplete")).fit(np.full((10, 8, 8), 3.0))
    assert np.isfinite(detector.score_samples(np.full((2, 8, 8), 4.0))).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"corruption": "mask_channels"}, r"`corruption` \(='mask_channels'\)"),
        ({"kl_weight": -1}, r"`kl_weight` \(=-1\)"),
        ({"kl_weight": "much"}, r"`kl_weight` \(='much'\)"),
        ({"latent_dim": 0}, r"`latent_dim` \(=0\)"),
        ({"latent_dim": "wide"}, r"`latent_dim` \(='wide'\)"),
        ({"n_samples": 0}, r"`n_samples` \(=0\)"),
        ({"n_blocks": 1.5}, r"`n_blocks` \(=1.5\)"),
        ({"max_steps": 0}, r"`max_steps` \(=0\)"),
        ({"held_out": 1.0}, r"`held_out` \(=1.0\)"),
        ({"threshold": "best"}, r"`threshold` \(='best'\)"),
        ({"false_alarm_rate": 0.0}, r"`false_alarm_rate` \(=0.0\)"),
        ({"hidden": (8, 0)}, r"`hidden` \(="),
        ({"linear_path": True, "loss": "bernoulli"}, r"`loss` .*clashes with `linear_path`"),
        ({"linear_path": True, "latent_dim": 1}, r"`latent_dim` \(=1\) .*`linear_path`"),
        ({"linear_path": "yes"}, r"`linear_path` \(='yes'\)"),
    ],
)
def test_unknown_and_clashing_parameters_are_refused_by_name(settings, message):
    with pytest.raises(ParameterError, match=message):
        ImageAnomalyDetector(**in_groups(settings)).fit(pictures("odd", 5))


def test_other_images_than_in_training_are_refused():
    detector = fitted("undercomplete", "odd")
    with pytest.raises(DataError, match=r"1 x 9 x 7 .*in training they were 1 x 7 x 9"):
        detector.score_samples(pictures("odd", 3).swapaxes(1, 2))
    with pytest.raises(DataError, match=r"codes have 1 columns"):
        detector.inverse_transform([[0.0]])
    with pytest.raises(ParameterError, match=r"`noise` \(=-1\)"):
        detector.denoise(pictures("odd", 3), noise=-1)
    with pytest.raises(ParameterError, match=r"`steps` \(=1\)"):
        detector.interpolate(*pictures("odd", 2), 1)
    with pytest.raises(DataError, match="1 image is too few"):
        ImageAnomalyDetector().fit(pictures("odd", 1))
    with pytest.raises(NotFittedError):
        ImageAnomalyDetector().score_samples(pictures("odd", 3))
