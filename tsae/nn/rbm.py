"""Restricted Boltzmann machines, trained by contrastive divergence.

Source: Hinton & Salakhutdinov, Reducing the dimensionality of data with neural networks, Science 2006.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from tsae.errors import ParameterError
from tsae.nn.rbm_options import RBMOptions

__all__ = ["RBM", "UnitKind", "contrastive_divergence", "train_rbm"]

UnitKind = Literal["bernoulli", "gaussian"]

_LARGEST_GRADIENT = 10.0


class RBM(nn.Module):
    """A restricted Boltzmann machine: visible units `(batch, n_visible)`, hidden `(batch, n_hidden)`.

    Bernoulli units are 0 or 1 (as data, probabilities will do); Gaussian ones have unit variance, so
    standardise the data. With visible bias a, hidden bias c and weights W, the energy is −a·v − c·h − hᵀWv; a
    Gaussian unit replaces its bias term by half the squared distance from the bias.

    Parameters
    ----------
    n_visible, n_hidden
        Units in each layer.
    visible, hidden
        Kind of units; at most one of the layers can be Gaussian.
    generator
        Draws the small initial weights.

    Raises
    ------
    ParameterError
        If both layers are Gaussian: the energy is then not bounded from below.
    """

    def __init__(
        self,
        n_visible: int,
        n_hidden: int,
        *,
        visible: UnitKind = "bernoulli",
        hidden: UnitKind = "bernoulli",
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        if visible == hidden == "gaussian":
            rule = "clashes with Gaussian visible units: the energy would have no minimum"
            raise ParameterError(f"`hidden` (='gaussian') {rule}; put a Bernoulli layer in between")
        self.visible: UnitKind = visible
        self.hidden: UnitKind = hidden
        self.weight = nn.Parameter(0.01 * torch.randn(n_hidden, n_visible, generator=generator))
        self.visible_bias = nn.Parameter(torch.zeros(n_visible))
        self.hidden_bias = nn.Parameter(torch.zeros(n_hidden))

    def hidden_mean(self, visible: Tensor) -> Tensor:
        """E[h | v] for visible units `(batch, n_visible)`: `(batch, n_hidden)`."""
        drive = functional.linear(visible, self.weight, self.hidden_bias)
        return drive.sigmoid() if self.hidden == "bernoulli" else drive

    def visible_mean(self, hidden: Tensor) -> Tensor:
        """E[v | h] for hidden units `(batch, n_hidden)`: `(batch, n_visible)`."""
        drive = functional.linear(hidden, self.weight.T, self.visible_bias)
        return drive.sigmoid() if self.visible == "bernoulli" else drive

    def free_energy(self, visible: Tensor) -> Tensor:
        """−log Σₕ exp(−energy) of `(batch, n_visible)`, up to a constant: `(batch,)`; lower is likelier."""
        drive = functional.linear(visible, self.weight, self.hidden_bias)
        if self.visible == "bernoulli":
            own = -visible @ self.visible_bias
        else:
            own = 0.5 * (visible - self.visible_bias).square().sum(1)
        if self.hidden == "bernoulli":
            return own - functional.softplus(drive).sum(1)
        return own - 0.5 * (drive.square() - self.hidden_bias.square()).sum(1)

    @torch.no_grad()
    def draw_hidden(self, visible: Tensor, generator: Generator | None = None) -> Tensor:
        """Draw h given v: `(batch, n_visible)` → `(batch, n_hidden)`."""
        return _draw(self.hidden_mean(visible), self.hidden, generator)

    @torch.no_grad()
    def gibbs(self, visible: Tensor, n_steps: int, generator: Generator | None = None) -> Tensor:
        """Run Markov chains from `(n_chains, n_visible)`: draw h given v and v given h, in turn."""
        for _ in range(n_steps):
            hidden = self.draw_hidden(visible, generator)
            visible = _draw(self.visible_mean(hidden), self.visible, generator)
        return visible


def contrastive_divergence(
    rbm: RBM, batch: Tensor, chains: Tensor, options: RBMOptions, generator: Generator
) -> tuple[Tensor, Tensor]:
    """Mean free energy of `batch` over that of the model's answer: a scalar whose gradient trains the RBM.

    `chains` `(n_chains, n_visible)` are where the Markov chains start; where they end is returned beside it. As in
    the source, chains that start at the data end in the mean of their last visible units, which is much less
    noisy than a draw; persistent ones are drawn throughout.
    """
    if options.persistent:
        chains = rbm.gibbs(chains, options.n_gibbs, generator)
    else:
        hidden = rbm.draw_hidden(rbm.gibbs(chains, options.n_gibbs - 1, generator), generator)
        chains = rbm.visible_mean(hidden).detach()
    return rbm.free_energy(batch).mean() - rbm.free_energy(chains).mean(), chains


def train_rbm(rbm: RBM, inputs: Tensor, options: RBMOptions, *, generator: Generator) -> None:
    """Fit an RBM in place to `inputs` `(n, n_visible)` by contrastive divergence.

    `generator` draws the batches and the chains, on the device of the inputs.
    """
    optimiser = _optimiser(rbm, options)
    chains: Tensor | None = None
    for _ in range(options.n_steps):
        rows = torch.randint(len(inputs), (options.batch_size,), generator=generator, device=inputs.device)
        batch = inputs[rows]
        start = chains if options.persistent and chains is not None else batch
        loss, chains = contrastive_divergence(rbm, batch, start, options, generator)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        # Gaussian units are not bounded: a chain that ran away would drive the weights after it.
        nn.utils.clip_grad_norm_(rbm.parameters(), _LARGEST_GRADIENT)
        optimiser.step()


def _optimiser(rbm: RBM, options: RBMOptions) -> torch.optim.SGD:
    rate = options.learning_rate
    if rate is None:
        rate = 0.01 if "gaussian" in (rbm.visible, rbm.hidden) else 0.1
    groups: list[dict[str, Any]] = [
        {"params": [rbm.weight], "weight_decay": options.weight_decay},
        {"params": [rbm.visible_bias, rbm.hidden_bias]},
    ]
    return torch.optim.SGD(groups, lr=rate, momentum=options.momentum)


def _draw(mean: Tensor, kind: UnitKind, generator: Generator | None) -> Tensor:
    if kind == "bernoulli":
        return torch.bernoulli(mean, generator=generator)
    return mean + torch.randn(mean.shape, generator=generator, device=mean.device)
