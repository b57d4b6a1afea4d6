from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.nn.reference import largest_principal_angle, principal_directions
from tsae.errors import ParameterError
from tsae.nn.autoencoder import build_autoencoder
from tsae.nn.linear import LinearPath, principal_path
from tsae.nn.options import NetworkSpec


def low_rank_inputs(n: int, shape: tuple[int, ...], rank: int = 4, noise: float = 0.05) -> torch.Tensor:
    generator = torch.Generator().manual_seed(n)
    basis = torch.randn(rank, *shape, generator=generator)
    weights = torch.randn(n, rank, generator=generator) * torch.tensor([4.0, 3.0, 2.0, 1.0])[:rank]
    inputs = torch.tensordot(weights, basis, 1) + noise * torch.randn(n, *shape, generator=generator)
    return inputs + 5.0


@pytest.mark.parametrize("n", [20, 200])  # fewer and more inputs than the 36 or 48 features
@pytest.mark.parametrize("shape", [(12, 3), (3, 4, 4)])
def test_path_spans_the_principal_subspace(n, shape) -> None:
    inputs = low_rank_inputs(n, shape)
    path = principal_path(inputs, max_components=3)
    expected = principal_directions(inputs.numpy(), 3)
    assert path.components.shape == expected.shape
    assert largest_principal_angle(path.components.double().numpy(), expected) < 1e-5
    torch.testing.assert_close(path.components @ path.components.T, torch.eye(3), atol=1e-5, rtol=0)
    flat = inputs.flatten(1).double().numpy()
    centred = flat - flat.mean(0)
    rebuilt = flat.mean(0) + centred @ expected.T @ expected
    np.testing.assert_allclose(path(inputs).flatten(1).numpy(), rebuilt, atol=1e-4)
    assert path(inputs).shape == inputs.shape


@pytest.mark.parametrize("n", [20, 200])
@pytest.mark.parametrize("share", [0.5, 0.8, 0.95, 0.99])
def test_fewest_components_that_explain_enough(n, share) -> None:
    inputs = low_rank_inputs(n, (12, 3))
    variances = np.linalg.svd((inputs - inputs.mean(0)).flatten(1).numpy(), compute_uv=False) ** 2
    explained = np.cumsum(variances) / variances.sum()
    n_components = principal_path(inputs, explained_variance=share).n_components
    assert explained[n_components - 1] >= share
    assert n_components == 1 or explained[n_components - 2] < share


def test_never_a_full_basis_and_never_empty_directions() -> None:
    assert principal_path(torch.randn(100, 4, 2), explained_variance=1.0).n_components == 7
    assert principal_path(low_rank_inputs(100, (4, 2), rank=2, noise=0), explained_variance=1.0).n_components == 2
    assert principal_path(torch.randn(5, 20, 1), explained_variance=1.0).n_components == 4
    constant = principal_path(torch.full((10, 4, 2), 3.0))
    assert constant.n_components == 1
    torch.testing.assert_close(constant(torch.full((1, 4, 2), 3.0)), torch.full((1, 4, 2), 3.0))


def test_path_does_not_touch_its_inputs() -> None:
    inputs = torch.randn(30, 4, 2)
    before = inputs.clone()
    principal_path(inputs)(inputs)
    assert torch.equal(inputs, before)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"explained_variance": 0.0}, r"`explained_variance` \(=0.0\) must lie in \(0, 1\]"),
        ({"explained_variance": 1.5}, r"`explained_variance` \(=1.5\)"),
        ({"max_components": 0}, r"`max_components` \(=0\) must be at least 1"),
    ],
)
def test_settings_out_of_range(settings, message) -> None:
    with pytest.raises(ParameterError, match=message):
        principal_path(torch.randn(30, 4, 2), **settings)


def test_a_path_is_rebuilt_from_its_tensors() -> None:
    inputs = torch.randn(30, 4, 2)
    path = principal_path(inputs)
    twin = LinearPath(torch.zeros_like(path.components), torch.zeros(8), input_shape=(4, 2))
    twin.load_state_dict(path.state_dict())
    assert torch.equal(twin(inputs), path(inputs))


def test_a_linear_autoencoder_finds_the_principal_subspace() -> None:
    """Baldi & Hornik, Neural networks and principal component analysis, 1989."""
    inputs = low_rank_inputs(200, (6, 2), noise=0.2).double()
    inputs = (inputs - inputs.mean(0)) / inputs.std()
    torch.manual_seed(0)
    model = build_autoencoder(NetworkSpec(hidden=(), latent_dim=3), (6, 2)).double()
    optimiser = torch.optim.Adam(model.parameters(), 0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 600)
    for _ in range(600):
        loss = (model(inputs).mean - inputs).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    weights = [layer.weight for layer in model.decoder.layers if isinstance(layer, torch.nn.Linear)]
    learned = weights[-1].detach().T.numpy()
    assert largest_principal_angle(learned, principal_directions(inputs.numpy(), 3)) < 1e-2
    assert largest_principal_angle(learned, principal_directions(inputs.numpy(), 4)[1:]) > 0.5
