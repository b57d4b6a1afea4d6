"""Objectives of training: a likelihood of the observed entries and penalties on the code."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from tsae.nn.autoencoder import AutoEncoder, Latent, Reconstruction
from tsae.nn.masked import MaskedAutoEncoder
from tsae.training.batches import Batch
from tsae.training.options import TrainingSpec

__all__ = ["Loss", "entry_loss", "kl_divergence", "masked_loss", "reconstruction_loss"]

Loss = Callable[[Batch, float], Tensor]
"""Batch and present weight of the KL term → scalar to minimise."""

_LOG_2PI = math.log(2 * math.pi)
_LOSSES: dict[str, Callable[..., Tensor]] = {
    "l2": functional.mse_loss,
    "l1": functional.l1_loss,
    "huber": functional.huber_loss,
    "bernoulli": functional.binary_cross_entropy_with_logits,
}


def entry_loss(reconstruction: Reconstruction, target: Tensor, loss: str, *, variance: float = 1.0) -> Tensor:
    """Loss of every entry, shaped like `target`; a negative log-likelihood for "bernoulli" and "gaussian".

    "gaussian" uses the decoder's log-variance when it has one and the fixed `variance` otherwise.
    """
    mean = reconstruction.mean
    if loss in _LOSSES:
        return _LOSSES[loss](mean, target, reduction="none")
    if reconstruction.log_var is None:
        log_var = torch.full_like(mean, math.log(variance))
    else:
        log_var = reconstruction.log_var.clamp(-8, 8)
    return 0.5 * (log_var + (mean - target).square() * torch.exp(-log_var) + _LOG_2PI)


def kl_divergence(latent: Latent) -> Tensor:
    """KL(N(mean, exp(log_var)) ‖ N(0, 1)) of each code, `(batch,)`; zero for a deterministic bottleneck.

    Closed form of Kingma & Welling, "Auto-Encoding Variational Bayes", ICLR 2014, appendix B.
    """
    if latent.log_var is None:
        return latent.code.new_zeros(len(latent.code))
    return 0.5 * (latent.mean.square() + latent.log_var.exp() - 1 - latent.log_var).sum(1)


def reconstruction_loss(network: AutoEncoder, options: TrainingSpec) -> Loss:
    """The loss of an autoencoder: mean over observed entries, plus penalties on the code.

    The KL term is divided by the number of entries of one input, so that together they are the negative evidence
    lower bound per entry.
    """
    return partial(_reconstruction_loss, network, options)


def masked_loss(network: MaskedAutoEncoder, *, noise: float = 0.05) -> Loss:
    """The loss of a masked autoencoder: squared error on one hidden block per window, drawn at random.

    Errors count in units of the linear part's residual variance. In evaluation the blocks take turns, so that the
    held-out loss is the same every time; 1 means no better than the linear part.
    """
    return partial(_masked_loss, network, noise)


def _masked_loss(network: MaskedAutoEncoder, noise: float, batch: Batch, kl_weight: float) -> Tensor:  # noqa: ARG001
    windows, block = batch.inputs, network.linear.block
    n_blocks = windows.shape[1] // block
    chosen = torch.randint(n_blocks, windows.shape[:1]) if network.training else torch.arange(len(windows)) % n_blocks
    chosen = chosen.to(windows.device)
    residuals = network.block_residuals(windows, chosen, noise=noise if network.training else 0.0)
    errors = residuals.square() / network.linear.variance
    if batch.observed is None:
        return errors.mean()
    counted = batch.observed.view(len(windows), n_blocks, block, -1)[torch.arange(len(windows)), chosen]
    total: Tensor = (errors * counted).sum() / counted.sum().clamp_min(1)
    return total


def _reconstruction_loss(network: AutoEncoder, options: TrainingSpec, batch: Batch, kl_weight: float) -> Tensor:
    reconstruction = network(batch.inputs)
    losses = entry_loss(reconstruction, batch.inputs, options.loss, variance=options.variance)
    if batch.observed is None:
        total = losses.mean()
    else:
        total = (losses * batch.observed).sum() / batch.observed.sum().clamp_min(1)
    if reconstruction.latent.log_var is not None and kl_weight > 0:
        total = total + kl_weight * kl_divergence(reconstruction.latent).mean() / batch.inputs[0].numel()
    if options.sparsity > 0:
        total = total + options.sparsity * reconstruction.latent.code.abs().mean()
    if options.contraction > 0 and torch.is_grad_enabled():
        total = total + options.contraction * _squared_jacobian(network, batch.inputs)
    return total


def _squared_jacobian(network: AutoEncoder, inputs: Tensor) -> Tensor:
    """Unbiased estimate of ‖∂code/∂input‖² per input from one random projection of the code (Hutchinson)."""
    inputs = inputs.detach().requires_grad_()
    with sdpa_kernel(SDPBackend.MATH):  # fast attention has no second derivative
        code = network.latent(inputs).mean
    (gradient,) = torch.autograd.grad((code * torch.randn_like(code)).sum(), inputs, create_graph=True)
    return gradient.flatten(1).square().sum(1).mean()
