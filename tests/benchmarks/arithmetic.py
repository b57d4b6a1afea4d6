"""What scoring must multiply: the arithmetic of a model's networks, without anything around them."""

from __future__ import annotations

from torch import nn

from tsae.networks.torch_network import TorchNetwork
from tsae.nn.dense import DenseDecoder, DenseEncoder
from tsae.scoring.ensemble import Ensemble, Member
from tsae.scoring.window_models import MaskedModel

__all__ = ["operations"]


def operations(model: Ensemble) -> float:
    """Multiplications and additions of dense networks a row, two for each weight that is used."""
    return sum(_of_window(member) / member.stride for member in model.members)


def _of_window(member: Member) -> float:
    if isinstance(member.model, MaskedModel):
        return _of_masked_window(member, member.model)
    network = member.model.network
    assert isinstance(network, TorchNetwork)
    path = network.module.linear_path
    return sum(_weights(network.module)) + (0 if path is None else 4 * path.components.numel())


def _of_masked_window(member: Member, model: MaskedModel) -> float:
    """The linear part; the first layer once and again for each block; the middle and a block of the end for each."""
    total = 2.0 * model.linear.operator.size
    if model.network is None:
        return total
    assert isinstance(model.network, TorchNetwork)
    module = model.network.module
    assert isinstance(module.encoder, DenseEncoder)
    assert isinstance(module.decoder, DenseDecoder)
    first, *middle, last = _weights(module)
    return total + 2 * first + member.window_size // model.linear.block * sum(middle) + last


def _weights(module: nn.Module) -> list[int]:
    return [2 * layer.weight.numel() for layer in module.modules() if isinstance(layer, nn.Linear)]
