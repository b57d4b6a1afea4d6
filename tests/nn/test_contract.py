"""One contract over every composition: architecture × bottleneck × corruption × shape."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from tsae.nn.architectures import ARCHITECTURES
from tsae.nn.autoencoder import build_autoencoder
from tsae.nn.linear import principal_path
from tsae.nn.options import NetworkSpec

BOTTLENECKS = ("deterministic", "gaussian")
CORRUPTIONS = (None, "gaussian", "mask_points", "mask_channels", "mask_blocks", "salt_pepper")
WINDOWS = [(length, channels) for length in (4, 5, 7, 16, 33, 100) for channels in (1, 3)]
IMAGES = [(channels, *sides) for sides in ((8, 8), (7, 9), (28, 28)) for channels in (1, 3)]
COMPOSITIONS = [
    (architecture, bottleneck, corruption, shape)
    for architecture, bottleneck, corruption, shape in itertools.product(
        ARCHITECTURES, BOTTLENECKS, CORRUPTIONS, WINDOWS + IMAGES
    )
    # Hiding a whole channel needs another one beside it; the refusal is tested in test_build.
    if corruption != "mask_channels" or shape[-1 if len(shape) == 2 else 0] > 1
]


def options(architecture, **settings) -> NetworkSpec:
    hidden = (12, 8) if architecture == "dense" else None
    return NetworkSpec(architecture=architecture, latent_dim=3, hidden=hidden, width=8, n_heads=2, **settings)


def seeded(settings, shape, **more):
    with torch.random.fork_rng():
        torch.manual_seed(more.pop("seed", 0))
        return build_autoencoder(settings, shape, **more)


def batch(shape, n=3):
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(1))


def untouched(model: nn.Module) -> list[str]:
    """Names of the parameters that no gradient has reached."""
    return [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]


def loss_of(output, target):
    loss = (output.mean - target).square().mean()
    return loss if output.log_var is None else loss + output.log_var.square().mean() + output.log_var.mean()


@pytest.mark.parametrize(("architecture", "bottleneck", "corruption", "shape"), COMPOSITIONS)
def test_composition(architecture, bottleneck, corruption, shape) -> None:
    settings = options(architecture, bottleneck=bottleneck, corruption=corruption, dropout=0.1)
    model, inputs = seeded(settings, shape), batch(shape)
    before = inputs.clone()
    torch.manual_seed(0)
    output = model(inputs)
    assert output.mean.shape == inputs.shape
    assert output.log_var is None
    assert output.latent.code.shape == output.latent.mean.shape == (3, 3)
    assert (output.latent.log_var is not None) == (bottleneck == "gaussian")
    loss_of(output, inputs).backward()
    assert untouched(model) == []
    assert torch.equal(inputs, before)

    model.eval()
    with torch.no_grad():
        rebuilt = model(inputs)
        assert torch.equal(model(inputs).mean, rebuilt.mean)
        assert torch.equal(rebuilt.latent.code, rebuilt.latent.mean)
        # Nothing but the code reaches the decoder.
        assert torch.equal(model.encode(inputs), rebuilt.latent.mean)
        torch.testing.assert_close(model.decode(rebuilt.latent.mean), rebuilt.mean)
        twin = seeded(settings, shape, seed=1).eval()
        assert not torch.equal(next(twin.parameters()), next(model.parameters()))
        twin.load_state_dict(model.state_dict())
        assert torch.equal(twin(inputs).mean, rebuilt.mean)
    assert torch.equal(inputs, before)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("learned_variance", [False, True])
@pytest.mark.parametrize("shape", WINDOWS + IMAGES)
def test_with_a_linear_path(architecture, learned_variance, shape) -> None:
    path = principal_path(batch(shape, n=20), max_components=2)
    settings = options(architecture, learned_variance=learned_variance)
    model, inputs = seeded(settings, shape, linear_path=path), batch(shape)
    output = model(inputs)
    torch.testing.assert_close(output.mean, path(inputs))
    assert (output.log_var is not None) == learned_variance
    if learned_variance:
        assert output.log_var.shape == inputs.shape
        assert not output.log_var.any()
    loss_of(output, inputs).backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    model.zero_grad()
    loss_of(model(inputs), inputs).backward()
    assert untouched(model) == []

    model.eval()
    with torch.no_grad():
        assert model.encode(inputs).shape == (3, path.n_components + 3)
        torch.testing.assert_close(model.decode(model.encode(inputs)), model(inputs).mean)
        other_path = principal_path(batch(shape, n=30) + 1, max_components=2)
        twin = seeded(settings, shape, seed=1, linear_path=other_path).eval()
        twin.load_state_dict(model.state_dict())
        assert torch.equal(twin(inputs).mean, model(inputs).mean)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("shape", [(7, 3), (2, 7, 9)])
def test_the_bottleneck_is_real(architecture, shape) -> None:
    """The output moves in no more directions than the code has, so no decoder can copy its input."""
    model = seeded(options(architecture), shape).double().eval()
    inputs = batch(shape, n=1).double()
    jacobian = torch.autograd.functional.jacobian(lambda x: model(x).mean, inputs)
    directions = jacobian.reshape(inputs.numel(), inputs.numel())
    assert torch.linalg.matrix_rank(directions, rtol=1e-10) == 3


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("shape", [(16, 3), (1, 8, 8)])
def test_training_lowers_the_loss(architecture, shape) -> None:
    basis = batch(shape, n=2).flatten(1)
    weights = torch.randn(32, 2, generator=torch.Generator().manual_seed(2))
    inputs = (weights @ basis).reshape(32, *shape)
    model = seeded(options(architecture), shape)
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    losses = []
    for _ in range(60):
        losses.append(loss_of(model(inputs), inputs))
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_output_stays_between_zero_and_one(architecture) -> None:
    model = seeded(options(architecture, output="sigmoid", learned_variance=True), (1, 8, 8)).eval()
    output = model(100 * batch((1, 8, 8)))
    assert 0 < output.mean.min() < output.mean.max() < 1
    assert output.log_var.min() < 0
    torch.testing.assert_close(model.decode(model.encode(100 * batch((1, 8, 8)))), output.mean)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_batches_of_one_give_the_same_numbers(architecture) -> None:
    model, inputs = seeded(options(architecture), (16, 3)).eval(), batch((16, 3), n=9)
    with torch.no_grad():
        alone = torch.cat([model(row[None]).mean for row in inputs])
        torch.testing.assert_close(alone, model(inputs).mean)
