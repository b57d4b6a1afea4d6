"""Restricted Boltzmann machines (RBMs): training, stacking, and the deep autoencoder that a stack unrolls into.

Source: Hinton & Salakhutdinov, Reducing the dimensionality of data with neural networks, Science 2006.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from tsae.errors import ParameterError
from tsae.nn.autoencoder import AutoEncoder, Deterministic, Gaussian
from tsae.nn.dense import DenseDecoder, DenseEncoder
from tsae.nn.options import NetworkSpec, RBMOptions

__all__ = [
    "RBM",
    "UnitKind",
    "contrastive_divergence",
    "deep_spec",
    "pretrain",
    "stack",
    "train_rbm",
    "unroll_into",
]

UnitKind = Literal["bernoulli", "gaussian"]

_LARGEST_GRADIENT = 10.0


class RBM(nn.Module):
    """A restricted Boltzmann machine: visible units `(batch, n_visible)`, hidden `(batch, n_hidden)`.

    Bernoulli units are 0 or 1 (as data, probabilities will do); Gaussian ones have unit variance, so
    standardise the data. With visible bias a, hidden bias c and weights W, the energy is −a·v − c·h − hᵀWv; a
    Gaussian unit replaces its bias term by half the squared distance from the bias. `generator` draws the small initial
    weights.

    Raises `ParameterError` if both layers are Gaussian: the energy is then not bounded from below.
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


def stack(
    inputs: Tensor,
    widths: Sequence[int],
    *,
    visible: UnitKind = "gaussian",
    options: RBMOptions,
    generator: Generator,
) -> list[RBM]:
    """Train one RBM after another, each on the hidden units of the one before.

    Parameters
    ----------
    inputs
        `(n, n_features)`: standardised for Gaussian visible units, in [0, 1] for Bernoulli ones.
    widths
        Hidden units of each RBM, from the input on; the last is the code, with Gaussian units. If it is the only one,
        Gaussian inputs are refused.
    visible
        Kind of the first RBM's visible units; all later ones are Bernoulli.
    generator
        For initial weights, batches and chains.
    """
    rbms: list[RBM] = []
    for depth, width in enumerate(widths, 1):
        hidden: UnitKind = "gaussian" if depth == len(widths) else "bernoulli"
        rbm = RBM(inputs.shape[1], width, visible=visible, hidden=hidden, generator=generator)
        with torch.no_grad():  # the visible biases alone explain the mean of the inputs, so that the weights need not
            mean = inputs.mean(0)
            rbm.visible_bias.copy_(mean.clamp(0.01, 0.99).logit() if visible == "bernoulli" else mean)
        train_rbm(rbm, inputs, options, generator=generator)
        with torch.no_grad():
            inputs = rbm.hidden_mean(inputs)
        rbms.append(rbm)
        visible = "bernoulli"
    return rbms


@torch.no_grad()
def unroll_into(model: AutoEncoder, rbms: Sequence[RBM]) -> None:
    """Copy a stack into a dense autoencoder: weights into encoder and code, transposed ones into the decoder.

    The model has no linear path, sigmoid activations, a decoder that mirrors the encoder, and an RBM for each hidden
    layer of the encoder and for the code. A decoder for Gaussian inputs ends linearly; for Bernoulli ones it gives
    logits or has a sigmoid output. Raises `ParameterError` if it is built otherwise.
    """
    up, down = _linear_layers(model)
    wanted = [(rbm.weight.shape[1], rbm.weight.shape[0]) for rbm in rbms]
    built = [(layer.in_features, layer.out_features) for layer in up]
    # With a learned variance the last layer also holds the log-variance; only its first half rebuilds.
    mirrored = [(layer.out_features, layer.in_features) for layer in reversed(down)]
    if model.learned_variance:
        mirrored[0] = (mirrored[0][0] // 2, mirrored[0][1])
    if built != wanted or mirrored != wanted:
        rule = f"do not fit the stack's (={wanted})"
        raise ParameterError(f"layers of `model` (={built}, mirrored {mirrored}) {rule}; use the same widths")
    for rbm, encoding, decoding in zip(rbms, up, reversed(down), strict=True):
        encoding.weight.copy_(rbm.weight)
        encoding.bias.copy_(rbm.hidden_bias)
        decoding.weight[: len(rbm.visible_bias)].copy_(rbm.weight.T)
        decoding.bias[: len(rbm.visible_bias)].copy_(rbm.visible_bias)


def _linear_layers(model: AutoEncoder) -> tuple[list[nn.Linear], list[nn.Linear]]:
    """The linear layers up to the code and down from it, each in the order data passes them."""
    encoder, decoder, bottleneck = model.encoder, model.decoder, model.bottleneck
    if not isinstance(encoder, DenseEncoder) or not isinstance(decoder, DenseDecoder):
        rule = "cannot hold a stack of RBMs"
        raise ParameterError(f"`model` (encoder {type(encoder).__name__}) {rule}; use architecture='dense'")
    if model.linear_path is not None:
        raise ParameterError("`linear_path` clashes with a stack of RBMs; build the model without one")
    layers = [*encoder.layers, *decoder.layers]
    activations = {
        type(layer) for layer in layers if not isinstance(layer, nn.Linear | nn.Dropout | nn.Flatten | nn.Unflatten)
    }
    if not activations <= {nn.Sigmoid}:
        names = ", ".join(sorted(kind.__name__ for kind in activations))
        rule = "is not that of an RBM's units"
        raise ParameterError(f"activation of `model` (={names}) {rule}; use activation='sigmoid'")
    if not isinstance(bottleneck, Deterministic | Gaussian):
        rule = "has no layer for the code's mean"
        raise ParameterError(f"`bottleneck` (={type(bottleneck).__name__}) {rule}; use 'deterministic'")
    up = [layer for layer in encoder.layers if isinstance(layer, nn.Linear)]
    return [*up, bottleneck.mean], [layer for layer in decoder.layers if isinstance(layer, nn.Linear)]


def deep_spec(spec: NetworkSpec, input_shape: tuple[int, ...]) -> NetworkSpec:
    """State layer widths if there are none: three and the code make up the four layers of a deep belief network."""
    if spec.hidden is not None:
        return spec
    first, second = spec.hidden_widths(input_shape)[0]
    return replace(spec, hidden=(first, second, second // 2))


def pretrain(
    autoencoder: AutoEncoder,
    spec: NetworkSpec,
    inputs: Tensor,
    *,
    visible: UnitKind,
    rbm: Mapping[str, Any],
    random_state: int,
) -> None:
    """Train a stack on `inputs` `(n, *input_shape)` and copy it into the autoencoder.

    `visible` is "gaussian" for standardised inputs and "bernoulli" for those in [0, 1]. `rbm` holds the options of the
    training, by the names of `RBMOptions`, that differ from the defaults.
    """
    widths = [*spec.hidden_widths(tuple(inputs.shape[1:]))[0], spec.latent_dim]
    generator, options = torch.Generator().manual_seed(random_state), RBMOptions(**rbm)
    unroll_into(autoencoder, stack(inputs.flatten(1), widths, visible=visible, options=options, generator=generator))
