from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tsae.fitting.build import masked_model
from tsae.networks.stored_network import StoredNetwork
from tsae.networks.torch_network import TorchNetwork
from tsae.nn.autoencoder import build_autoencoder
from tsae.nn.dense import linear_by_group
from tsae.nn.masked import MaskedAutoEncoder, fit_block_predictor
from tsae.nn.options import NetworkSpec

N_STEPS, N_CHANNELS, BLOCK = 12, 2, 3
N_BLOCKS = N_STEPS // BLOCK


def random_windows(n: int, *, seed: int = 0) -> Tensor:
    """Correlated windows `(n, N_STEPS, N_CHANNELS)`."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(N_STEPS * N_CHANNELS, N_STEPS * N_CHANNELS, generator=torch.Generator().manual_seed(9))
    return (torch.randn(n, N_STEPS * N_CHANNELS, generator=generator) @ mix).view(n, N_STEPS, N_CHANNELS) + 3


def masked(architecture: str) -> MaskedAutoEncoder:
    linear = fit_block_predictor([random_windows(400)], N_CHANNELS, block=BLOCK)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        options = NetworkSpec(architecture=architecture, latent_dim=4)
        return MaskedAutoEncoder(linear, build_autoencoder(options, (N_STEPS, N_CHANNELS + 1)))


def obvious_residual(net: MaskedAutoEncoder, window: Tensor, number: int, noise: Tensor | None = None) -> Tensor:
    """One hidden block of one window `(N_STEPS, N_CHANNELS)`: everything worked out, then the block picked."""
    steps = slice(number * BLOCK, (number + 1) * BLOCK)
    left = net.linear(window[None])[0]
    centred = window - net.linear.centre.view(N_STEPS, N_CHANNELS)
    seen = torch.zeros(N_STEPS, N_CHANNELS + 1)
    seen[:, :-1] = centred if noise is None else centred + noise
    seen[steps, :-1] = (centred - left)[steps]
    seen[steps, -1] = 1
    return (left - net.network(seen[None]).mean[0][:, :-1])[steps]


def test_the_linear_part_is_the_conditional_mean():
    windows = random_windows(400)
    flat = windows.flatten(1).double()
    net = fit_block_predictor([windows], N_CHANNELS, block=BLOCK, ridge=1e-9)
    own = torch.arange(BLOCK * N_CHANNELS) + BLOCK * N_CHANNELS
    rest = torch.tensor([i for i in range(flat.shape[1]) if i not in own])
    centred = flat - flat.mean(0)
    slopes = torch.linalg.lstsq(centred[:, rest], centred[:, own]).solution
    expected = (centred[:, own] - centred[:, rest] @ slopes).view(-1, BLOCK, N_CHANNELS)
    torch.testing.assert_close(net(windows)[:, BLOCK : 2 * BLOCK].double(), expected, atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize("architecture", ["dense", "conv"])
@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_one_hidden_block_a_window_equals_the_obvious_way(architecture, noise):
    net = masked(architecture)
    windows = random_windows(9, seed=1)
    chosen = torch.tensor([0, 3, 1, 1, 3, 0, 0, 3, 3])  # block 2 never
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        found = net.block_residuals(windows, chosen, noise=noise)
        torch.manual_seed(5)
        added = noise * torch.randn_like(windows)
    expected = torch.stack([obvious_residual(net, *each) for each in zip(windows, chosen.tolist(), added, strict=True)])
    torch.testing.assert_close(found, expected)
    gradients = [torch.autograd.grad(way.square().sum(), list(net.parameters())) for way in (found, expected)]
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("n_last", [None, BLOCK, 2 * BLOCK])
@pytest.mark.parametrize("architecture", ["dense", "conv"])
def test_residuals_hide_each_block_in_turn(architecture, n_last):
    net = masked(architecture).requires_grad_(False)
    windows = random_windows(5, seed=2)
    first = 0 if n_last is None else N_STEPS - n_last
    expected = torch.stack(
        [torch.cat([obvious_residual(net, window, number) for number in range(N_BLOCKS)]) for window in windows]
    )
    found = torch.from_numpy(masked_model(net).residuals(windows.numpy(), n_last=n_last))
    torch.testing.assert_close(found, expected[:, first:])
    single = masked_model(net).one_by_one(n_last)
    errors = np.stack([single(window) for window in windows.numpy()])
    torch.testing.assert_close(torch.from_numpy(errors), expected[:, first:].square(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n_windows", [1, 5])
@pytest.mark.parametrize("n_steps", [BLOCK, 2 * BLOCK, N_STEPS])
@pytest.mark.parametrize("architecture", ["dense", "conv", "transformer"])
def test_a_stored_network_hides_blocks_as_torch_does(architecture, n_steps, n_windows):
    shape = (N_STEPS, N_CHANNELS + 1)
    fitted = TorchNetwork(masked(architecture).network, shape, BLOCK)
    options = NetworkSpec(architecture=architecture, latent_dim=4)
    stored = StoredNetwork(options, shape, fitted.state(), fitted.graphs(), BLOCK)
    centred = random_windows(n_windows, seed=3).numpy() - 3
    left = random_windows(n_windows, seed=4).numpy()[:, N_STEPS - n_steps :].copy()
    expected = fitted.each_block_hidden(centred, left)
    np.testing.assert_allclose(stored.each_block_hidden(centred, left), expected, rtol=1e-4, atol=1e-4)
    for network in (stored, fitted):
        single = network.one_by_one(n_steps)
        found = [single(*window).copy() for window in zip(centred, left, strict=True)]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_layers_by_group_equal_one_layer_an_input():
    generator = torch.Generator().manual_seed(0)
    inputs, weight = torch.randn(7, 3, generator=generator), torch.randn(4, 2, 3, generator=generator)
    bias = torch.randn(4, 2, generator=generator)
    group = torch.tensor([2, 0, 2, 3, 3, 3, 0])
    expected = [weight[number] @ row for number, row in zip(group, inputs, strict=True)]
    torch.testing.assert_close(linear_by_group(inputs, group, weight), torch.stack(expected))
    torch.testing.assert_close(linear_by_group(inputs, group, weight, bias), torch.stack(expected) + bias[group])
