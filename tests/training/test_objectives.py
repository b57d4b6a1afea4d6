from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Bernoulli, Normal
from torch.distributions import kl_divergence as torch_kl_divergence

from tests.training.networks import WINDOW, network, normal_log_density, windows
from tsae.fitting.build import masked_model
from tsae.nn.autoencoder import Latent, Reconstruction, build_autoencoder
from tsae.nn.masked import MaskedAutoEncoder, fit_block_predictor
from tsae.nn.options import NetworkSpec
from tsae.training.batches import Batch
from tsae.training.objectives import entry_loss, kl_divergence, masked_loss, reconstruction_loss
from tsae.training.options import TrainingSpec

BATCH = windows().take(torch.arange(0, 60, 7))


def reconstruction(mean: Tensor, log_var: Tensor | None = None) -> Reconstruction:
    code = torch.zeros(len(mean), 1)
    return Reconstruction(mean, log_var, Latent(code, code))


def random_pair(seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    mean, target = torch.randn(2, 5, 4, 3, generator=generator)
    return mean, target


def test_distances():
    mean, target = torch.tensor([[0.0, 2.0, -3.0]]), torch.tensor([[0.5, 0.0, 0.0]])
    assert entry_loss(reconstruction(mean), target, "l2").tolist() == [[0.25, 4.0, 9.0]]
    assert entry_loss(reconstruction(mean), target, "l1").tolist() == [[0.5, 2.0, 3.0]]
    assert entry_loss(reconstruction(mean), target, "huber").tolist() == [[0.125, 1.5, 2.5]]


def test_bernoulli_loss_is_the_negative_log_likelihood_of_logits():
    logits, target = random_pair()
    target = (target > 0).float()
    expected = -Bernoulli(logits=logits).log_prob(target)
    torch.testing.assert_close(entry_loss(reconstruction(logits), target, "bernoulli"), expected)


def test_gaussian_loss_is_the_negative_log_likelihood():
    mean, target = random_pair()
    log_var = torch.linspace(-7, 7, mean.numel()).view_as(mean)
    loss = entry_loss(reconstruction(mean, log_var), target, "gaussian")
    torch.testing.assert_close(loss, -Normal(mean, (log_var / 2).exp()).log_prob(target))
    first = mean.flatten()[0].item(), target.flatten()[0].item()
    assert loss.flatten()[0].item() == pytest.approx(-normal_log_density(*first, math.exp(-7)), rel=1e-5)
    fixed = entry_loss(reconstruction(mean), target, "gaussian", variance=0.3)
    torch.testing.assert_close(fixed, -Normal(mean, 0.3**0.5 * torch.ones_like(mean)).log_prob(target))
    unit = entry_loss(reconstruction(mean), target, "gaussian")
    torch.testing.assert_close(unit, -Normal(mean, torch.ones_like(mean)).log_prob(target))


def test_gaussian_loss_stays_finite_whatever_the_variance():
    mean, target = torch.tensor([0.0, 0.0]), torch.tensor([1.0, 1e3])
    for log_var in (-1e4, 1e4):
        assert entry_loss(reconstruction(mean, torch.full((2,), log_var)), target, "gaussian").isfinite().all()


def test_kl_divergence_equals_the_closed_form_and_a_monte_carlo_estimate():
    mean, log_var = torch.tensor([[0.0, 0.0], [0.5, -1.0]]), torch.tensor([[0.0, 0.0], [-1.0, 0.7]])
    posterior, prior = Normal(mean, (log_var / 2).exp()), Normal(0.0, 1.0)
    kl = kl_divergence(Latent(mean, mean, log_var))
    torch.testing.assert_close(kl, torch_kl_divergence(posterior, prior).sum(1))
    assert kl[0] == 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        codes = posterior.sample((100_000,))
    estimate = (posterior.log_prob(codes) - prior.log_prob(codes)).sum(2).mean(0)
    torch.testing.assert_close(kl, estimate, atol=0.02, rtol=0.02)


def test_a_deterministic_code_has_no_divergence():
    code = torch.ones(4, 3)
    assert kl_divergence(Latent(code, code)).tolist() == [0, 0, 0, 0]


def loss_of(batch: Batch, *, kl_weight: float = 1.0, of: Any = None, **options: Any) -> Tensor:
    net = network().eval() if of is None else of
    return reconstruction_loss(net, TrainingSpec(**options))(batch, kl_weight)


def test_loss_is_the_mean_over_observed_entries():
    net = network().eval()
    errors = (net(BATCH.inputs).mean - BATCH.inputs).square()
    torch.testing.assert_close(loss_of(BATCH), errors.mean())
    observed = torch.rand(BATCH.inputs.shape, generator=torch.Generator().manual_seed(0)) < 0.5
    torch.testing.assert_close(loss_of(Batch(BATCH.inputs, observed)), errors[observed].mean())
    assert loss_of(Batch(BATCH.inputs, torch.zeros_like(observed))) == 0


def test_missing_entries_carry_no_gradient():
    observed = torch.ones_like(BATCH.inputs, dtype=torch.bool)
    observed[:, :, 1] = False
    net = network()
    loss_of(Batch(BATCH.inputs, observed), of=net).backward()
    last = list(net.decoder.parameters())[-1].grad.view(WINDOW)
    assert (last[:, 1] == 0).all()
    assert (last[:, 0] != 0).any()


def test_variational_loss_is_the_negative_evidence_lower_bound_per_entry():
    net = network(bottleneck="gaussian", learned_variance=True).eval()
    rebuilt = net(BATCH.inputs)
    n_entries = math.prod(WINDOW)
    likelihood = Normal(rebuilt.mean, (rebuilt.log_var / 2).exp()).log_prob(BATCH.inputs).sum((1, 2))
    bound = likelihood - kl_divergence(rebuilt.latent)
    torch.testing.assert_close(loss_of(BATCH, of=net, loss="gaussian"), -bound.mean() / n_entries)
    torch.testing.assert_close(loss_of(BATCH, of=net, loss="gaussian", kl_weight=0.0), -likelihood.mean() / n_entries)


def test_sparsity_adds_the_mean_absolute_code():
    net = network().eval()
    added = loss_of(BATCH, of=net, sparsity=0.7) - loss_of(BATCH, of=net)
    torch.testing.assert_close(added, 0.7 * net.encode(BATCH.inputs).abs().mean())


def test_contraction_adds_the_squared_jacobian_of_the_code_on_average():
    net = network().eval()
    jacobian = torch.func.vmap(torch.func.jacrev(lambda x: net.latent(x[None]).mean[0]))(BATCH.inputs)
    expected = jacobian.flatten(1).square().sum(1).mean()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        draws = [(loss_of(BATCH, of=net, contraction=1.0) - loss_of(BATCH, of=net)).item() for _ in range(200)]
    assert sum(draws) / len(draws) == pytest.approx(expected.item(), rel=0.15)
    with torch.no_grad():
        torch.testing.assert_close(loss_of(BATCH, of=net, contraction=1.0), loss_of(BATCH, of=net))


def masked_network() -> MaskedAutoEncoder:
    linear = fit_block_predictor(
        [windows().take(torch.arange(len(windows()))).inputs], windows().values.shape[1], block=2
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        inner = build_autoencoder(NetworkSpec(latent_dim=3, hidden=(16,)), (WINDOW[0], WINDOW[1] + 1))
    return MaskedAutoEncoder(linear, inner)


def test_masked_loss_counts_one_hidden_block_a_window_in_turn():
    net = masked_network().eval()
    residuals = torch.from_numpy(masked_model(net).residuals(BATCH.inputs.numpy()))
    errors = (residuals.square() / net.linear.variance).view(len(BATCH.inputs), 4, 2, 2)
    expected = torch.stack([errors[number, number % 4] for number in range(len(errors))])
    torch.testing.assert_close(masked_loss(net)(BATCH, 1.0), expected.mean())
    observed = torch.ones_like(BATCH.inputs, dtype=torch.bool)
    observed[:, :, 1] = False
    torch.testing.assert_close(masked_loss(net)(Batch(BATCH.inputs, observed), 1.0), expected[..., 0].mean())
