from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest
import torch

from tsae.errors import ParameterError
from tsae.nn.autoencoder import build_autoencoder
from tsae.nn.linear import principal_path
from tsae.nn.options import NetworkSpec


@pytest.mark.parametrize(
    "options", [NetworkSpec(), NetworkSpec(hidden=(8, 4), decoder_hidden=(), corruption="mask_blocks")]
)
def test_options_survive_json(options) -> None:
    assert NetworkSpec(**json.loads(json.dumps(asdict(options)))) == options


def test_widths_follow_the_shape() -> None:
    assert NetworkSpec().hidden_widths((16, 2)) == ((128, 64), (64, 128))
    assert NetworkSpec().hidden_widths((64, 10)) == ((160, 80), (80, 160))
    assert NetworkSpec().hidden_widths((3, 32, 32)) == ((256, 128), (128, 256))
    assert NetworkSpec(hidden=(9, 5)).hidden_widths((16, 2)) == ((9, 5), (5, 9))
    assert NetworkSpec(hidden=(9, 5), decoder_hidden=(7,)).hidden_widths((16, 2)) == ((9, 5), (7,))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"architecture": "lstm"}, r"`architecture` \(='lstm'\) is unknown; .*transformer"),
        ({"activation": "swish"}, r"`activation` \(='swish'\)"),
        ({"bottleneck": None}, r"`bottleneck` \(=None\)"),
        ({"corruption": "dropout"}, r"`corruption` \(='dropout'\) .*choose one of None, gaussian"),
        ({"output": "softmax"}, r"`output` \(='softmax'\)"),
        ({"latent_dim": 0}, r"`latent_dim` \(=0\) must be a whole number"),
        ({"latent_dim": True}, r"`latent_dim` \(=True\)"),
        ({"n_blocks": 1.5}, r"`n_blocks` \(=1.5\)"),
        ({"width": -1}, r"`width` \(=-1\)"),
        ({"n_heads": 0}, r"`n_heads` \(=0\)"),
        ({"kernel_size": 4}, r"`kernel_size` \(=4\) must be an odd number"),
        ({"kernel_size": 1}, r"`kernel_size` \(=1\)"),
        ({"dropout": 1.0}, r"`dropout` \(=1.0\) must lie in \[0, 1\)"),
        ({"hidden": (8, 0)}, r"`hidden` \(=\(8, 0\)\) must hold whole numbers"),
        ({"hidden": 8}, r"`hidden` \(=8\)"),
        ({"corruption": "mask_points", "corruption_level": 1.0}, r"`corruption_level` \(=1.0\) .* between 0 and 1 "),
        ({"corruption": "gaussian", "corruption_level": 0.0}, r"`corruption_level` \(=0.0\)"),
        ({"corruption": "gaussian", "corruption_level": float("nan")}, r"`corruption_level` \(=nan\)"),
        ({"architecture": "conv", "hidden": (8,)}, r"`hidden` \(=\(8,\)\) clashes with `architecture`"),
        ({"architecture": "transformer", "decoder_hidden": (8,)}, "`decoder_hidden` .* clashes"),
        ({"architecture": "transformer", "width": 10}, r"`width` \(=10\) must be a multiple of `n_heads` \(=4\)"),
    ],
)
def test_unknown_and_clashing_values_are_refused_by_name(settings, message) -> None:
    with pytest.raises(ParameterError, match=message):
        NetworkSpec(**settings)


@pytest.mark.parametrize(
    ("settings", "shape", "message"),
    [
        ({}, (16,), r"`input_shape` \(=\(16,\)\)"),
        ({}, (16, 0), r"`input_shape` \(=\(16, 0\)\)"),
        ({"architecture": "conv"}, (3, 2), "too short to be convolved"),
        ({"corruption": "mask_channels"}, (16, 1), r"`corruption` \(='mask_channels'\) needs two channels"),
        ({"corruption": "mask_channels"}, (1, 8, 8), r"`corruption` \(='mask_channels'\) needs two channels"),
        ({"corruption": "mask_blocks"}, (1, 5), r"`corruption` \(='mask_blocks'\) needs two time steps"),
    ],
)
def test_shapes_that_do_not_fit(settings, shape, message) -> None:
    with pytest.raises(ParameterError, match=message):
        build_autoencoder(NetworkSpec(**settings), shape)


@pytest.mark.parametrize("architecture", ["dense", "transformer"])
def test_single_rows_are_inputs_too(architecture) -> None:
    model = build_autoencoder(NetworkSpec(architecture=architecture), (1, 5))
    assert model(torch.zeros(2, 1, 5)).mean.shape == (2, 1, 5)


def test_linear_paths_that_do_not_fit() -> None:
    path = principal_path(torch.randn(30, 4, 2))
    with pytest.raises(ParameterError, match=r"`input_shape` \(=\(2, 4\)\) must equal"):
        build_autoencoder(NetworkSpec(), (2, 4), linear_path=path)
    with pytest.raises(ParameterError, match=r"`output` \(='sigmoid'\) clashes"):
        build_autoencoder(NetworkSpec(output="sigmoid"), (4, 2), linear_path=path)


def test_parameters_come_from_the_global_generator() -> None:
    options = NetworkSpec(architecture="transformer", bottleneck="gaussian")
    weights = []
    for seed in (0, 0, 1):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            weights.append(torch.nn.utils.parameters_to_vector(build_autoencoder(options, (9, 2)).parameters()))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_options_name_their_values_when_replaced() -> None:
    with pytest.raises(ParameterError, match="clashes"):
        replace(NetworkSpec(hidden=(8,)), architecture="conv")


@pytest.mark.parametrize("shape", [(64, 2), (5, 1), (1, 9, 30)])
@pytest.mark.parametrize("n_blocks", [1, 2, 4])
def test_receptive_fields_are_the_encoders_but_never_more_than_the_input(shape, n_blocks) -> None:
    options = NetworkSpec(architecture="conv", n_blocks=n_blocks, width=2)
    longest = max(shape[:1] if len(shape) == 2 else shape[1:])
    encoder = build_autoencoder(options, shape).encoder
    assert options.receptive_field(shape) == min(longest, encoder.receptive_field)
    assert NetworkSpec().receptive_field(shape) == longest
