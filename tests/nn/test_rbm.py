from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Generator

from tests.nn.reference import (
    energy,
    exact_gradient,
    exact_log_likelihood,
    expected_cd1_gradient,
    free_energy,
    states,
)
from tsae.errors import ParameterError
from tsae.nn.options import RBMOptions
from tsae.nn.rbm import RBM, contrastive_divergence, train_rbm


def small_rbm(visible="bernoulli", hidden="bernoulli", scale=0.8) -> RBM:
    """Four visible and three hidden units with weights large enough to matter."""
    generator = Generator().manual_seed(3)
    rbm = RBM(4, 3, visible=visible, hidden=hidden)
    with torch.no_grad():
        for parameter in rbm.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))
    return rbm


def data(visible: str, n: int = 12) -> torch.Tensor:
    """Rows in which the first two units agree and the others do not."""
    generator = Generator().manual_seed(5)
    first, second = torch.bernoulli(torch.full((2, n, 1), 0.5), generator=generator)
    rows = torch.cat([first, first, second, 1 - second], 1)
    return rows if visible == "bernoulli" else 2 * rows - 1 + 0.3 * torch.randn(n, 4, generator=generator)


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
def test_free_energy_is_the_sum_over_hidden_states(visible) -> None:
    rbm, rows = small_rbm(visible), data(visible)
    expected = torch.tensor([free_energy(rbm, row) for row in rows])
    torch.testing.assert_close(rbm.free_energy(rows).detach(), expected)


def test_free_energy_of_gaussian_hidden_units_is_the_integral() -> None:
    rbm, rows = small_rbm(hidden="gaussian", scale=0.5), states(4)
    grid = torch.linspace(-8, 8, 4001, dtype=torch.double)
    for row in rows[::5]:
        integral = float(rbm.visible_bias.detach() @ row)
        for weights, bias in zip(rbm.weight.detach(), rbm.hidden_bias.tolist(), strict=True):
            terms = torch.exp(-0.5 * (grid - bias) ** 2 + grid * float(weights @ row))
            integral += float(torch.log(torch.trapezoid(terms, grid) / (2 * torch.pi) ** 0.5))
        assert rbm.free_energy(row[None]).item() == pytest.approx(-integral, abs=1e-4)


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
def test_conditional_means_follow_from_the_energy(visible) -> None:
    rbm = small_rbm(visible)
    row = data(visible)[0]
    weights = torch.tensor([-energy(rbm, row, h) for h in states(3)]).softmax(0)
    torch.testing.assert_close(rbm.hidden_mean(row[None])[0].detach(), weights @ states(3))
    hidden = states(3)[5]
    if visible == "bernoulli":
        weights = torch.tensor([-energy(rbm, v, hidden) for v in states(4)]).softmax(0)
        expected = weights @ states(4)
    else:
        expected = (rbm.visible_bias + hidden @ rbm.weight).detach()
    torch.testing.assert_close(rbm.visible_mean(hidden[None])[0].detach(), expected)


def test_gibbs_chains_reach_the_distribution_of_the_rbm() -> None:
    rbm = small_rbm()
    chains = rbm.gibbs(torch.zeros(40_000, 4), 50, Generator().manual_seed(0))
    numbers = (chains @ torch.tensor([8.0, 4.0, 2.0, 1.0])).long()
    expected = (-rbm.free_energy(states(4))).softmax(0).detach()
    torch.testing.assert_close(torch.bincount(numbers, minlength=16) / 40_000, expected, atol=0.01, rtol=0)


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
def test_long_persistent_chains_give_the_exact_gradient(visible) -> None:
    rbm, rows = small_rbm(visible, scale=0.5), data(visible)
    options = RBMOptions(persistent=True, n_gibbs=40)
    loss, _ = contrastive_divergence(rbm, rows, torch.zeros(60_000, 4), options, Generator().manual_seed(0))
    loss.backward()
    torch.testing.assert_close(-rbm.weight.grad, exact_gradient(rbm, rows), atol=0.03, rtol=0)


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
def test_cd_statistics_are_those_of_the_enumerated_rbm(visible) -> None:
    rbm, rows = small_rbm(visible), data(visible)
    many = rows.repeat(4000, 1)
    loss, _ = contrastive_divergence(rbm, rows, many, RBMOptions(), Generator().manual_seed(0))
    loss.backward()
    torch.testing.assert_close(-rbm.weight.grad, expected_cd1_gradient(rbm, rows), atol=0.01, rtol=0)


@pytest.mark.parametrize(("visible", "rate"), [("bernoulli", 0.1), ("gaussian", 0.02)])
@pytest.mark.parametrize("persistent", [False, True])
def test_exact_log_likelihood_rises_in_training(visible, rate, persistent) -> None:
    rbm, rows = RBM(4, 3, visible=visible, generator=Generator().manual_seed(0)), data(visible, 30)
    options = RBMOptions(n_steps=200, persistent=persistent, learning_rate=rate, momentum=0.5, weight_decay=0.0)
    generator = Generator().manual_seed(1)
    likelihoods = [exact_log_likelihood(rbm, rows)]
    for _ in range(3):
        train_rbm(rbm, rows, options, generator=generator)
        likelihoods.append(exact_log_likelihood(rbm, rows))
    # Stochastic steps jitter around the top once they have reached it.
    assert all(later > earlier - 0.02 for earlier, later in pairwise(likelihoods))
    assert likelihoods[-1] > likelihoods[0] + 0.4


def test_weight_decay_pulls_weights_but_not_biases() -> None:
    rows = data("bernoulli", 100)
    norms = []
    for decay in (0.0, 0.1):
        rbm = RBM(4, 3, generator=Generator().manual_seed(0))
        options = RBMOptions(n_steps=200, weight_decay=decay)
        train_rbm(rbm, rows, options, generator=Generator().manual_seed(1))
        norms.append(rbm.weight.norm().item())
    assert norms[1] < 0.5 * norms[0]


def test_training_follows_its_generator_and_leaves_the_global_one_alone() -> None:
    state = torch.get_rng_state()
    weights = []
    for _ in range(2):
        generator = Generator().manual_seed(0)
        rbm = RBM(4, 3, visible="gaussian", generator=generator)
        train_rbm(rbm, data("gaussian"), RBMOptions(n_steps=20), generator=generator)
        weights.append(rbm.weight)
    assert torch.equal(*weights)
    assert torch.equal(torch.get_rng_state(), state)


def test_two_gaussian_layers_are_refused() -> None:
    with pytest.raises(ParameterError, match=r"`hidden` \(='gaussian'\) clashes"):
        RBM(4, 3, visible="gaussian", hidden="gaussian")


@pytest.mark.parametrize(
    "settings",
    [
        {"n_steps": 0},
        {"batch_size": 0},
        {"n_gibbs": 0},
        {"learning_rate": 0.0},
        {"momentum": 1.0},
        {"weight_decay": -1.0},
    ],
)
def test_options_out_of_range(settings) -> None:
    ((name, value),) = settings.items()
    with pytest.raises(ParameterError, match=rf"`{name}` \(={value}\) must"):
        RBMOptions(**settings)
