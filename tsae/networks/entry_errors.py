"""How unusual every entry of an input is, given an autoencoder and a criterion."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import cast

import torch
from torch import Tensor

from tsae.networks.criterion import Criterion
from tsae.nn.autoencoder import AutoEncoder, Gaussian, Reconstruction
from tsae.nn.corruption import Masking, MaskPattern, covering_masks
from tsae.training.objectives import entry_loss, kl_divergence

__all__ = ["entry_errors", "rebuilt_values"]


def entry_errors(criterion: Criterion, network: AutoEncoder, inputs: Tensor) -> Tensor:
    """How unusual every entry of `inputs` `(batch, *input_shape)` is; higher = more anomalous, same shape.

    Never negative, except for a likelihood. A KL divergence is shared out equally among the entries of an input.
    """
    if criterion.kind == "error":
        return (rebuilt_values(criterion, network(inputs).mean) - inputs).square_()
    if criterion.kind == "masked":
        return _hidden_errors(criterion, network, inputs)
    return _negative_likelihood(criterion, network, inputs)


def rebuilt_values(criterion: Criterion, mean: Tensor) -> Tensor:
    """The reconstruction in the units of the input: a Bernoulli likelihood works on logits."""
    return mean.sigmoid() if criterion.loss == "bernoulli" else mean


def _hidden_errors(criterion: Criterion, network: AutoEncoder, inputs: Tensor) -> Tensor:
    corruption = cast(Masking, network.corruption)
    shape = tuple(map(int, inputs.shape[1:]))  # in a trace they are tensors
    masks = _masks(corruption.pattern, shape, corruption.level, criterion.n_samples, criterion.seed)
    total = torch.zeros_like(inputs)
    for mask in masks:
        rebuilt = rebuilt_values(criterion, network(inputs.masked_fill(mask, 0.0)).mean)
        total += (rebuilt - inputs).square_() * mask
    return total / masks.sum(0)


def _negative_likelihood(criterion: Criterion, network: AutoEncoder, inputs: Tensor) -> Tensor:
    target = inputs.clamp(0, 1) if criterion.loss == "bernoulli" else inputs
    total = torch.zeros_like(inputs)
    n_draws = 0
    for reconstruction in _reconstructions(criterion, network, inputs):
        total += entry_loss(reconstruction, target, criterion.loss, variance=criterion.variance)
        n_draws += 1
    total /= n_draws
    if criterion.kind == "elbo":
        divergence = kl_divergence(reconstruction.latent) / inputs[0].numel()
        total += criterion.kl_weight * divergence.reshape(-1, *[1] * (inputs.ndim - 1))
    return total


def _reconstructions(criterion: Criterion, network: AutoEncoder, inputs: Tensor) -> Iterator[Reconstruction]:
    if not isinstance(network.bottleneck, Gaussian):
        return iter([network(inputs)])
    return network.posterior(inputs, _noise(criterion.n_samples, network.bottleneck.mean.out_features, criterion.seed))


@lru_cache(maxsize=64)
def _noise(n_samples: int, latent_dim: int, seed: int) -> Tensor:
    """The same draws for every batch, `(n_samples, latent_dim)`; not to be written into."""
    with torch.inference_mode(False):
        generator = torch.Generator().manual_seed(seed)
        return torch.cat([torch.randn((1, latent_dim), generator=generator) for _ in range(n_samples)])


@lru_cache(maxsize=64)
def _masks(pattern: MaskPattern, shape: tuple[int, ...], level: float, at_least: int, seed: int) -> Tensor:
    """The same masks for every batch; not to be written into."""
    with torch.inference_mode(False):
        generator = torch.Generator().manual_seed(seed)
        return covering_masks(pattern, shape, level, at_least=at_least, generator=generator)
