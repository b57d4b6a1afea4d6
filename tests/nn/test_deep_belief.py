from __future__ import annotations

import pytest
import torch
from torch import Generator

from tsae.errors import ParameterError
from tsae.nn.autoencoder import build_autoencoder
from tsae.nn.linear import principal_path
from tsae.nn.options import NetworkSpec, RBMOptions
from tsae.nn.rbm import stack, unroll_into

WIDTHS = (20, 12, 4)
QUICK = RBMOptions(n_steps=100)


def windows(n: int = 400, seed: int = 0) -> torch.Tensor:
    """Sine waves of two channels with random phases and amplitudes, standardised: `(n, 10, 2)`."""
    generator = Generator().manual_seed(seed)
    phase, size = 6.28 * torch.rand(n, 1, 2, generator=generator), 1 + torch.rand(n, 1, 1, generator=generator)
    inputs = size * torch.sin(torch.arange(10.0)[None, :, None] / 2 + phase)
    return (inputs - inputs.mean(0)) / inputs.std(0)


def deep_model(**settings):
    settings = {"hidden": WIDTHS[:-1], "latent_dim": WIDTHS[-1], "activation": "sigmoid", **settings}
    torch.manual_seed(0)
    return build_autoencoder(NetworkSpec(**settings), (10, 2))


def trained(inputs=None, visible="gaussian", options=QUICK):
    inputs = windows() if inputs is None else inputs
    return stack(inputs.flatten(1), WIDTHS, visible=visible, options=options, generator=Generator().manual_seed(1))


@pytest.fixture(scope="module")
def quick_stack():
    return trained()


def fine_tuned(model, inputs, n_steps: int = 100) -> float:
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    for _ in range(n_steps):
        loss = (model(inputs).mean - inputs).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return loss.item()


def test_layers_of_a_stack_follow_each_other(quick_stack) -> None:
    assert [tuple(rbm.weight.shape) for rbm in quick_stack] == [(20, 20), (12, 20), (4, 12)]
    assert [(rbm.visible, rbm.hidden) for rbm in quick_stack] == [
        ("gaussian", "bernoulli"),
        ("bernoulli", "bernoulli"),
        ("bernoulli", "gaussian"),
    ]
    assert all(torch.equal(a.weight, b.weight) for a, b in zip(quick_stack, trained(), strict=True))


@pytest.mark.parametrize("settings", [{}, {"learned_variance": True}, {"bottleneck": "gaussian"}, {"dropout": 0.2}])
def test_an_unrolled_model_does_what_the_stack_does(settings, quick_stack) -> None:
    inputs, model = windows(), deep_model(**settings).eval()
    unroll_into(model, quick_stack)
    up = inputs.flatten(1)
    for rbm in quick_stack:
        up = rbm.hidden_mean(up)
    down = up
    for rbm in reversed(quick_stack):
        down = rbm.visible_mean(down)
    output = model(inputs)
    torch.testing.assert_close(output.latent.mean, up)
    torch.testing.assert_close(output.mean, down.reshape(inputs.shape))


def test_images_in_zero_to_one() -> None:
    inputs = (windows() > 0).float()
    model = deep_model(output="sigmoid")
    before = (model(inputs).mean - inputs).square().mean()
    unroll_into(model, trained(inputs, visible="bernoulli", options=RBMOptions(n_steps=300)))
    assert (model(inputs).mean - inputs).square().mean() < 0.6 * before


def test_pre_training_gives_a_better_start() -> None:
    inputs = windows()
    plain, deep = deep_model(), deep_model()
    unroll_into(deep, trained(inputs, options=RBMOptions(n_steps=500)))
    assert fine_tuned(deep, inputs) < 0.7 * fine_tuned(plain, inputs)


def test_a_stack_leaves_its_inputs_alone() -> None:
    inputs = windows()
    before = inputs.clone()
    trained(inputs, options=RBMOptions(n_steps=1))
    assert torch.equal(inputs, before)


def test_one_layer_on_gaussian_inputs_is_refused() -> None:
    with pytest.raises(ParameterError, match="put a Bernoulli layer in between"):
        stack(windows().flatten(1), [3], options=QUICK, generator=Generator())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"activation": "gelu"}, r"activation of `model` \(=GELU\)"),
        ({"hidden": (20, 11)}, "use the same widths"),
        ({"decoder_hidden": (13, 20)}, "use the same widths"),
        ({"hidden": (20,)}, "use the same widths"),
        ({"architecture": "conv", "hidden": None}, r"\(encoder ConvEncoder\)"),
    ],
)
def test_models_that_cannot_hold_a_stack(settings, message, quick_stack) -> None:
    with pytest.raises(ParameterError, match=message):
        unroll_into(deep_model(**settings), quick_stack)


def test_a_linear_path_is_refused(quick_stack) -> None:
    options = NetworkSpec(hidden=WIDTHS[:-1], latent_dim=WIDTHS[-1], activation="sigmoid")
    model = build_autoencoder(options, (10, 2), linear_path=principal_path(windows()))
    with pytest.raises(ParameterError, match="`linear_path` clashes"):
        unroll_into(model, quick_stack)
