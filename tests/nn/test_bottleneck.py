from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor

from tsae.errors import ParameterError
from tsae.nn.autoencoder import Deterministic, Gaussian, Latent, build_autoencoder
from tsae.nn.options import NetworkSpec


def noise(n_samples: int) -> Tensor:
    return torch.randn(n_samples, 3, generator=Generator().manual_seed(7))


def moments_agree(codes, mean, log_var) -> None:
    """Mean and variance of draws along the first axis, within five standard errors."""
    n, variance = len(codes), log_var.exp()
    assert ((codes.mean(0) - mean).abs() < 5 * (variance / n).sqrt()).all()
    assert ((codes.var(0) / variance - 1).abs() < 5 * (2 / n) ** 0.5).all()


def test_a_deterministic_code_is_its_own_mean() -> None:
    bottleneck = Deterministic(5, 3)
    latent = bottleneck(torch.randn(4, 5))
    assert latent.code is latent.mean
    assert latent.log_var is None


def test_codes_in_training_have_the_posterior_moments() -> None:
    torch.manual_seed(0)
    bottleneck = Gaussian(5, 3)
    features = 3 * torch.randn(1, 5)
    latent = bottleneck(features.expand(20_000, -1))
    moments_agree(latent.code, latent.mean[0], latent.log_var[0])
    bottleneck.eval()
    assert torch.equal(bottleneck(features).code, latent.mean[:1])


def test_samples_have_the_posterior_moments_and_follow_their_noise() -> None:
    bottleneck = Gaussian(5, 3)
    latent = bottleneck(torch.randn(4, 5))
    codes = bottleneck.sample(latent, noise(20_000))
    assert codes.shape == (20_000, 4, 3)
    moments_agree(codes, latent.mean, latent.log_var)
    assert torch.equal(codes, bottleneck.sample(latent, noise(20_000)))


def test_samples_of_one_input_do_not_depend_on_the_others() -> None:
    bottleneck = Gaussian(5, 3)
    features = torch.randn(4, 5)
    together, alone = (bottleneck.sample(bottleneck(inputs), noise(2)) for inputs in (features, features[2:3]))
    torch.testing.assert_close(together[:, 2:3], alone)


def test_gradients_pass_through_the_draw() -> None:
    """∂code/∂log_var = (code − mean) / 2."""
    bottleneck = Gaussian(5, 3)
    latent = bottleneck(torch.randn(4, 5))
    (gradient,) = torch.autograd.grad(latent.code.sum(), latent.log_var)
    torch.testing.assert_close(gradient, 0.5 * (latent.code - latent.mean))


def test_huge_features_stay_finite() -> None:
    latent = Gaussian(5, 3)(1e6 * torch.randn(4, 5))
    assert latent.code.isfinite().all()
    assert latent.log_var.exp().isfinite().all()


def test_sampling_needs_a_posterior() -> None:
    point = torch.zeros(4, 3)
    with pytest.raises(ParameterError, match=r"`latent` \(log_var=None\)"):
        Gaussian(5, 3).sample(Latent(point, point), noise(1))


@pytest.mark.parametrize("shape", [(16, 3), (2, 7, 9)])
def test_posterior_reconstructions(shape) -> None:
    model = build_autoencoder(NetworkSpec(bottleneck="gaussian", latent_dim=3), shape).eval()
    inputs = torch.randn(4, *shape)
    draws = list(model.posterior(inputs, noise(5)))
    again = list(model.posterior(inputs, noise(5)))
    assert [draw.mean.shape for draw in draws] == 5 * [inputs.shape]
    for first, second in zip(draws, again, strict=True):
        assert torch.equal(first.mean, second.mean)
        torch.testing.assert_close(model.decode(first.latent.code), first.mean)
    assert not torch.equal(draws[0].mean, draws[1].mean)
    assert torch.equal(draws[0].latent.mean, model.encode(inputs))


def test_a_deterministic_model_has_no_posterior() -> None:
    model = build_autoencoder(NetworkSpec(), (16, 3))
    with pytest.raises(ParameterError, match=r"`bottleneck` \(=Deterministic\) has no posterior"):
        model.posterior(torch.zeros(1, 16, 3), noise(2))
