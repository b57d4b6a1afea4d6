"""What is particular to the dense, the convolutional and the transformer pair."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from tsae.errors import ParameterError
from tsae.nn.conv import ConvDecoder, ConvEncoder
from tsae.nn.dense import DenseDecoder, DenseEncoder
from tsae.nn.transformer import Tokens, TransformerDecoder, TransformerEncoder, positional_encoding


def test_dense_is_linear_layers_and_activations_on_a_view() -> None:
    encoder = DenseEncoder((64, 8), hidden=(128, 64), activation=nn.GELU)
    decoder = DenseDecoder(16, (64, 8), hidden=(64, 128), activation=nn.GELU)
    assert [type(layer) for layer in encoder.layers] == [nn.Flatten, nn.Linear, nn.GELU, nn.Linear, nn.GELU]
    assert [type(layer) for layer in decoder.layers][-2:] == [nn.Linear, nn.Unflatten]
    inputs = torch.randn(3, 64, 8)
    assert encoder.layers[0](inputs).data_ptr() == inputs.data_ptr()
    assert encoder.out_features == 64


def test_dense_halves_may_differ() -> None:
    encoder = DenseEncoder((5, 2), hidden=(), activation=nn.ReLU)
    assert encoder.out_features == 10
    decoder = DenseDecoder(3, (5, 2), hidden=(7, 9, 11), activation=nn.ReLU, dropout=0.5)
    assert decoder(torch.zeros(4, 3)).shape == (4, 5, 2)
    assert sum(isinstance(layer, nn.Dropout) for layer in decoder.layers) == 3


def reach(gradient: torch.Tensor, dim: int) -> int:
    """How many positions along `dim` have a gradient, from the first to the last."""
    others = [d for d in range(gradient.ndim) if d != dim]
    touched = gradient.abs().sum(others).nonzero().flatten()
    return int(touched[-1] - touched[0]) + 1


@pytest.mark.parametrize("n_blocks", [1, 2, 3])
@pytest.mark.parametrize("kernel_size", [3, 5, 7])
@pytest.mark.parametrize("shape", [(150, 2), (2, 121, 122)])
def test_receptive_field_is_what_the_gradient_says(n_blocks, kernel_size, shape) -> None:
    encoder = ConvEncoder(shape, n_blocks=n_blocks, width=3, kernel_size=kernel_size, activation=nn.GELU)
    inputs = torch.randn(1, *shape, requires_grad=True)
    features = encoder.feature_map(inputs)
    middle = tuple(side // 2 for side in features.shape[2:])
    features[(0, slice(None), *middle)].sum().backward()
    dims = (1,) if len(shape) == 2 else (2, 3)
    assert [reach(inputs.grad, dim) for dim in dims] == [encoder.receptive_field] * len(dims)


@pytest.mark.parametrize("length", range(4, 40))
def test_transposed_convolutions_return_to_every_length(length) -> None:
    layers = {"n_blocks": 4, "width": 2, "kernel_size": 5, "activation": nn.GELU}
    assert ConvDecoder(2, (length, 3), **layers)(torch.zeros(2, 2)).shape == (2, length, 3)
    assert ConvDecoder(2, (1, length, 41 - length + 3), **layers)(torch.zeros(2, 2)).shape[2] == length


def test_stages_stop_when_the_window_is_short() -> None:
    n_stages = []
    for length in (4, 6, 7, 8, 12, 13, 100):
        encoder = ConvEncoder((length, 1), n_blocks=3, width=2, kernel_size=5, activation=nn.GELU)
        n_stages.append(sum(isinstance(layer, nn.Conv2d) for layer in encoder.layers))
    assert n_stages == [1, 1, 2, 2, 2, 3, 3]


def test_convolutions_refuse_what_is_too_short() -> None:
    layers = {"n_blocks": 1, "width": 2, "kernel_size": 3, "activation": nn.GELU}
    with pytest.raises(ParameterError, match=r"\(=\(3, 2\)\) is too short"):
        ConvEncoder((3, 2), **layers)
    with pytest.raises(ParameterError, match=r"\(=\(1, 8, 3\)\) is too short"):
        ConvDecoder(2, (1, 8, 3), **layers)


def test_positions_are_those_of_the_paper() -> None:
    table = positional_encoding(50, 7)
    for position, column in [(0, 0), (3, 4), (49, 5), (20, 6)]:
        angle = position / 10_000 ** (2 * (column // 2) / 7)
        expected = math.sin(angle) if column % 2 == 0 else math.cos(angle)
        assert table[position, column].item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("shape", [(4, 1), (33, 3), (70, 2), (1, 8, 8), (3, 7, 9), (2, 30, 13), (1, 100, 5)])
def test_tokens_lose_nothing(shape) -> None:
    inputs, tokens = torch.randn(2, *shape), Tokens(shape)
    cut = tokens.split(inputs)
    assert cut.shape == (2, tokens.n_tokens, tokens.n_values)
    assert torch.equal(tokens.join(cut), inputs)


def test_a_token_is_a_stretch_of_the_series() -> None:
    series = torch.arange(2 * 33 * 3.0).reshape(2, 33, 3)
    tokens = Tokens((33, 3))
    assert (tokens.patch, tokens.n_tokens) == (5, 7)
    assert torch.equal(tokens.split(series)[1, 4], series[1, 20:25].flatten())
    assert (Tokens((8, 1)).patch, Tokens((9, 1)).patch) == (1, 2)


def test_a_patch_is_a_square_of_the_image() -> None:
    image = torch.arange(2 * 28 * 28.0).reshape(1, 2, 28, 28)
    tokens = Tokens((2, 28, 28))
    assert (tokens.patch, tokens.grid) == (4, (7, 7))
    assert torch.equal(tokens.split(image)[0, 9], image[0, :, 4:8, 8:12].flatten())


def test_later_queries_do_not_touch_earlier_outputs() -> None:
    torch.manual_seed(0)
    decoder = TransformerDecoder(3, (8, 2), n_blocks=2, width=8, n_heads=2, activation=nn.GELU).eval()
    code = torch.randn(4, 3)
    with torch.no_grad():
        before = decoder(code)
        decoder.queries[5:] += torch.randn(3, 8)
        after = decoder(code)
    torch.testing.assert_close(after[:, :5], before[:, :5])
    assert not torch.isclose(after[:, 5:], before[:, 5:]).all(2).any()


def test_blocks_of_a_stack_start_different() -> None:
    encoder = TransformerEncoder((6, 2), n_blocks=2, width=8, n_heads=2, activation=nn.GELU)
    first, second = (block.linear1.weight for block in encoder.blocks)
    assert not torch.equal(first, second)


def test_the_encoder_sees_the_order_of_time() -> None:
    torch.manual_seed(0)
    encoder = TransformerEncoder((6, 2), n_blocks=1, width=8, n_heads=2, activation=nn.GELU).eval()
    inputs = torch.randn(1, 6, 2)
    forward, backward = encoder(inputs), encoder(inputs.flip(1)).reshape(1, 6, 8).flip(1).flatten(1)
    assert not torch.allclose(forward, backward, atol=1e-3)
