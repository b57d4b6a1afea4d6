"""A stack of restricted Boltzmann machines, and the deep autoencoder that it unrolls into.

Source: Hinton & Salakhutdinov, Reducing the dimensionality of data with neural networks, Science 2006.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from tsae.errors import ParameterError
from tsae.nn.autoencoder import AutoEncoder
from tsae.nn.bottleneck import Deterministic, Gaussian
from tsae.nn.dense import DenseDecoder, DenseEncoder
from tsae.nn.rbm import RBM, UnitKind, train_rbm
from tsae.nn.rbm_options import RBMOptions

__all__ = ["stack", "unroll_into"]


def stack(
    inputs: Tensor,
    widths: Sequence[int],
    *,
    visible: UnitKind = "gaussian",
    options: RBMOptions | None = None,
    generator: Generator,
) -> list[RBM]:
    """Train one RBM after another, each on the hidden units of the one before.

    Parameters
    ----------
    inputs
        `(n, n_features)`: standardised for Gaussian visible units, in [0, 1] for Bernoulli ones.
    widths
        Hidden units of each RBM, from the input on; the last is the code, with Gaussian units.
    visible
        Kind of the first RBM's visible units; all later ones are Bernoulli.
    options
        Training of each; `None` takes the defaults of `RBMOptions`.
    generator
        For initial weights, batches and chains.

    Returns
    -------
    list of RBM
        One for each width.

    Raises
    ------
    ParameterError
        If Gaussian inputs meet a single layer, whose units are Gaussian too.
    """
    options = RBMOptions() if options is None else options
    rbms: list[RBM] = []
    for depth, width in enumerate(widths, 1):
        hidden: UnitKind = "gaussian" if depth == len(widths) else "bernoulli"
        rbm = RBM(inputs.shape[1], width, visible=visible, hidden=hidden, generator=generator)
        _match_mean(rbm, inputs)
        train_rbm(rbm, inputs, options, generator=generator)
        with torch.no_grad():
            inputs = rbm.hidden_mean(inputs)
        rbms.append(rbm)
        visible = "bernoulli"
    return rbms


@torch.no_grad()
def unroll_into(model: AutoEncoder, rbms: Sequence[RBM]) -> None:
    """Copy a stack into a dense autoencoder: weights into encoder and code, transposed ones into the decoder.

    Parameters
    ----------
    model
        A dense autoencoder without linear path, with sigmoid activations, whose decoder mirrors its encoder.
        A decoder for Gaussian inputs ends linearly; for Bernoulli ones it gives logits or has a sigmoid
        output.
    rbms
        One for each hidden layer of the encoder, and one for the code.

    Raises
    ------
    ParameterError
        If the model is built otherwise, or its widths are not those of the RBMs.
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


@torch.no_grad()
def _match_mean(rbm: RBM, inputs: Tensor) -> None:
    """Let the visible biases alone explain the mean of the inputs, so that the weights need not."""
    mean = inputs.mean(0)
    rbm.visible_bias.copy_(mean.clamp(0.01, 0.99).logit() if rbm.visible == "bernoulli" else mean)
