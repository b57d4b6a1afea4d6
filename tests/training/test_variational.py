"""The variational objective against models whose evidence and whose best subspace are known exactly."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Generator, Tensor
from torch.distributions import MultivariateNormal

from tests.nn.reference import largest_principal_angle, principal_directions
from tsae.nn.autoencoder import AutoEncoder, build_autoencoder
from tsae.nn.options import NetworkSpec
from tsae.training.batches import Batch
from tsae.training.objectives import reconstruction_loss
from tsae.training.options import TrainingSpec

SHAPE = (6, 2)
N_FEATURES = math.prod(SHAPE)
LATENT = 3
NOISE = 0.3  # variance of the linear-Gaussian model


def loadings() -> Tensor:
    """W of the model x = W z + noise, `(N_FEATURES, LATENT)`; its columns are not orthogonal."""
    directions = torch.linalg.qr(torch.randn(N_FEATURES, LATENT, generator=Generator().manual_seed(0)))[0]
    mixing = torch.tensor([[1.6, 0.3, 0.0], [0.0, 1.2, 0.3], [0.0, 0.0, 1.0]])
    return directions @ mixing


def draws(n: int) -> Tensor:
    """Inputs `(n, *SHAPE)` of that model."""
    generator = Generator().manual_seed(1)
    codes, noise = torch.randn(n, LATENT, generator=generator), torch.randn(n, N_FEATURES, generator=generator)
    return (codes @ loadings().T + NOISE**0.5 * noise).reshape(n, *SHAPE)


def evidence(inputs: Tensor) -> float:
    """Mean exact log-likelihood: x is Gaussian with covariance W Wᵀ + noise."""
    covariance = loadings() @ loadings().T + NOISE * torch.eye(N_FEATURES)
    model = MultivariateNormal(torch.zeros(N_FEATURES), covariance)
    return model.log_prob(inputs.flatten(1)).mean().item()


def linear_network() -> AutoEncoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        options = NetworkSpec(hidden=(), latent_dim=LATENT, bottleneck="gaussian")
        return build_autoencoder(options, SHAPE)


def lower_bound(network: AutoEncoder, inputs: Tensor, *, n_draws: int = 200) -> float:
    """Mean evidence lower bound of inputs, from the training loss: its mean over draws, for all entries."""
    loss = reconstruction_loss(network, TrainingSpec(loss="gaussian", variance=NOISE))
    network.train()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        losses = [loss(Batch(inputs, None), 1.0).item() for _ in range(n_draws)]
    return -N_FEATURES * sum(losses) / n_draws


@torch.no_grad()
def set_to_the_best_posterior(network: AutoEncoder) -> None:
    """The decoder of the linear-Gaussian model and the best diagonal posterior: mean M⁻¹Wᵀx, variances noise / M_ii
    with M = WᵀW + noise."""
    weights = loadings()
    precision = weights.T @ weights + NOISE * torch.eye(LATENT)
    inverse = torch.linalg.inv(precision)
    bottleneck, last = network.bottleneck, network.decoder.layers[-2]
    bottleneck.mean.weight.copy_(inverse @ weights.T)
    bottleneck.log_var.weight.zero_()
    bottleneck.log_var.bias.copy_((NOISE / precision.diagonal()).log())
    last.weight.copy_(weights)
    bottleneck.mean.bias.zero_()
    last.bias.zero_()


def test_the_bound_stays_below_the_evidence_and_a_better_posterior_is_nearer():
    inputs, network = draws(400), linear_network()
    exact = evidence(inputs)
    far = lower_bound(network, inputs)
    set_to_the_best_posterior(network)
    near = lower_bound(network, inputs)
    # The diagonal Gaussian that is nearest to the posterior N(m, S) is N(m, 1 / diag(S⁻¹)); what it costs is known.
    precision = loadings().T @ loadings() / NOISE + torch.eye(LATENT)
    gap = 0.5 * (precision.diagonal().log().sum() - torch.logdet(precision)).item()
    assert far < near < exact
    assert near == pytest.approx(exact - gap, abs=0.02)


def trained(network: AutoEncoder, inputs: Tensor, n_steps: int = 500) -> AutoEncoder:
    loss = reconstruction_loss(network, TrainingSpec(loss="gaussian", variance=NOISE))
    optimiser = torch.optim.Adam(network.parameters(), 0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, n_steps)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for _ in range(n_steps):
            optimiser.zero_grad()
            loss(Batch(inputs, None), 1.0).backward()
            optimiser.step()
            schedule.step()
    return network


def test_a_linear_variational_autoencoder_finds_the_subspace_of_probabilistic_pca():
    """Lucas et al., Don't blame the ELBO!, NeurIPS 2019; Tipping & Bishop, JRSS B 1999."""
    inputs = draws(500)
    inputs = inputs - inputs.mean(0)
    network = trained(linear_network(), inputs)
    learned = network.decoder.layers[-2].weight.detach().numpy()
    assert largest_principal_angle(learned.T, principal_directions(inputs.numpy(), LATENT)) < 0.03
    # The best loadings U (Λ − noise)^½ R shrink every principal direction by the noise; a plain autoencoder would not.
    variances = np.linalg.svd(inputs.flatten(1).numpy(), compute_uv=False)[:LATENT] ** 2 / len(inputs)
    np.testing.assert_allclose(
        np.sort(np.linalg.svd(learned, compute_uv=False) ** 2), np.sort(variances - NOISE), rtol=0.1
    )
    assert lower_bound(network, inputs) == pytest.approx(evidence(inputs), abs=0.2)
