"""What makes an entry of a window or a pixel of an image anomalous, given an autoencoder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, cast

import torch
from torch import Tensor

from tsae.nn.autoencoder import AutoEncoder, Reconstruction
from tsae.nn.bottleneck import Gaussian
from tsae.nn.corruption import Masking, MaskPattern, covering_masks
from tsae.training.objectives import entry_loss, kl_divergence

__all__ = ["JUDGE_KINDS", "Judge", "JudgeKind"]

JudgeKind = Literal["error", "probability", "elbo", "masked"]
JUDGE_KINDS: tuple[JudgeKind, ...] = ("error", "probability", "elbo", "masked")


@dataclass(frozen=True)
class Judge:
    """How far inputs are from what an autoencoder makes of them; plain values that a model file can hold."""

    kind: JudgeKind = "error"
    """"error": squared error. "probability": negative log-likelihood under `loss` (An & Cho, 2015). "elbo": the same
    plus the KL divergence between posterior and prior, which together bound the evidence of the input (Kingma &
    Welling, ICLR 2014). "masked": squared error of what is predicted for hidden entries from the others."""
    loss: str = "l2"
    variance: float = 1.0
    """Of a Gaussian likelihood, where the decoder does not return one."""
    kl_weight: float = 1.0
    n_samples: int = 1
    """Draws from the posterior that a variational likelihood is averaged over, or masks at least."""
    seed: int = 0
    """Of these draws; they are the same for every input, so that its score depends on nothing else."""

    def entry_errors(self, network: AutoEncoder, inputs: Tensor) -> Tensor:
        """How unusual every entry is, shaped like `inputs` `(batch, *input_shape)`; higher = more anomalous.

        Never negative, except for a likelihood. A KL divergence is shared out equally among the entries.
        """
        if self.kind == "error":
            return (self.values(network(inputs).mean) - inputs).square_()
        if self.kind == "masked":
            return self._hidden_errors(network, inputs)
        return self._negative_likelihood(network, inputs)

    def values(self, mean: Tensor) -> Tensor:
        """The reconstruction in the units of the input: a Bernoulli likelihood works on logits."""
        return mean.sigmoid() if self.loss == "bernoulli" else mean

    def _hidden_errors(self, network: AutoEncoder, inputs: Tensor) -> Tensor:
        corruption = cast(Masking, network.corruption)
        masks = _masks(corruption.pattern, tuple(inputs.shape[1:]), corruption.level, self.n_samples, self.seed)
        total = torch.zeros_like(inputs)
        for mask in masks:
            rebuilt = self.values(network(inputs.masked_fill(mask, 0.0)).mean)
            total += (rebuilt - inputs).square_() * mask
        return total / masks.sum(0)

    def _negative_likelihood(self, network: AutoEncoder, inputs: Tensor) -> Tensor:
        target = inputs.clamp(0, 1) if self.loss == "bernoulli" else inputs
        total = torch.zeros_like(inputs)
        n_draws = 0
        for reconstruction in self._reconstructions(network, inputs):
            total += entry_loss(reconstruction, target, self.loss, variance=self.variance)
            n_draws += 1
        total /= n_draws
        if self.kind == "elbo":
            divergence = kl_divergence(reconstruction.latent) / inputs[0].numel()
            total += self.kl_weight * divergence.reshape(-1, *[1] * (inputs.ndim - 1))
        return total

    def _reconstructions(self, network: AutoEncoder, inputs: Tensor) -> Iterator[Reconstruction]:
        if not isinstance(network.bottleneck, Gaussian):
            return iter([network(inputs)])
        return network.posterior(inputs, self.n_samples, generator=torch.Generator().manual_seed(self.seed))


@lru_cache(maxsize=16)
def _masks(pattern: MaskPattern, shape: tuple[int, ...], level: float, at_least: int, seed: int) -> Tensor:
    """The same masks for every batch; not to be written into."""
    generator = torch.Generator().manual_seed(seed)
    with torch.inference_mode(False):
        return covering_masks(pattern, shape, level, at_least=at_least, generator=generator)
