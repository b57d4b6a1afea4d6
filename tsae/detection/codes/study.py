"""From a trained autoencoder and the inputs it was fitted on to what is known of its codes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray

from tsae.detection.codes.bottleneck import Inputs, Run, far_off, sample_windows, study_bottleneck
from tsae.detection.codes.cloud import CodeCloud, CodeFacts, Compression, fit_cloud
from tsae.fitting.training_rows import Span
from tsae.networks.torch_network import TorchNetwork
from tsae.nn.autoencoder import AutoEncoder
from tsae.scoring.ensemble import Ensemble, Member
from tsae.scoring.rebuilding import row_reconstruction
from tsae.series.channels import forward_filled

if TYPE_CHECKING:
    from tsae.detection.images.model import ImageNetwork

__all__ = ["study_images", "study_windows"]

Array = NDArray[np.float32]
_MOST = 2000  # images of each kind; enough for a mixture and for mean errors
_AT_ONCE = 256
_LEAST = 1e-12  # mean squared error, so that it can be divided by
_ROWS = 5_000  # held-out rows that are rebuilt


class Rebuilt(NamedTuple):
    """How well inputs are rebuilt, by entry that is kept apart."""

    left: NDArray[np.float64]
    """Mean squared errors."""
    variance: NDArray[np.float64]
    """Variances about the mean input."""


def study_images(
    network: ImageNetwork, training: NDArray[Any], held_out: NDArray[Any], *, random_state: int
) -> CodeFacts:
    """Measure on images `(n, channels, height, width)` in their own values."""
    scaled = (network.scale.scaled(images[:_MOST]) for images in (training, held_out))
    inputs, others = (Inputs(values, np.ones(values.shape, dtype=bool)) for values in scaled)

    def rebuild(values: Array) -> Array:
        return np.asarray(network.rebuilt(torch.from_numpy(values)).numpy())

    measured = _measure(others, rebuild, kept=(1, 2, 3))
    cloud = _cloud(network.autoencoder, inputs, others, random_state)
    size, code = int(np.prod(network.shape)), network.code_length
    compression = _compression(measured, size, code, width=network.scale.width)
    left = measured.left.astype(np.float32)
    bottleneck = study_bottleneck(
        inputs.values, others.values, rebuild, latent_dim=code, n_apart=len(training), random_state=random_state
    )
    return CodeFacts(compression, left, left, cloud, bottleneck)


def study_windows(model: Ensemble, spans: Sequence[Span], *, random_state: int) -> CodeFacts:
    """Measure on windows of the longest member that rebuilds them: on held-out rows if they hold one."""
    member = model.longest
    network = cast(TorchNetwork, member.model.network).module
    earlier = [Run(span.values, 0, len(span.values) - span.n_held_out) for span in spans]
    later = [Run(span.values, len(span.values) - span.n_held_out, len(span.values)) for span in spans]
    inputs, others = (sample_windows(model.scaler, runs, member.window_size) for runs in (earlier, later))
    if not len(others.values):
        others = inputs
    measured = _measure(others, member.model.reconstruct, kept=(2,))
    size, code = others.values[0].size, network.n_linear + member.options.latent_dim
    bottleneck = study_bottleneck(
        inputs.values,
        others.values,
        member.model.reconstruct,
        latent_dim=code,
        n_apart=sum(run.stop // member.window_size for run in earlier),
        missing=float(1 - inputs.observed.mean()),
        touched=float(far_off(inputs.values).mean()),
        random_state=random_state,
    )
    return CodeFacts(
        _compression(measured, size, code),
        measured.left.astype(np.float32),
        _left_by_row(model, member, spans),
        _cloud(network, inputs, others, random_state),
        bottleneck,
    )


def _measure(inputs: Inputs, rebuild: Callable[[Array], Array], *, kept: tuple[int, ...]) -> Rebuilt:
    """Mean squares over the examples and over the axes that are not kept."""
    values, observed = inputs
    centre = values.sum(axis=0, where=observed) / np.maximum(observed.sum(axis=0), 1)
    left, variance = np.zeros(centre.shape), np.zeros(centre.shape)
    for first in range(0, len(values), _AT_ONCE):
        part, seen = values[first : first + _AT_ONCE], observed[first : first + _AT_ONCE]
        for total, differences in ((left, rebuild(part) - part), (variance, part - centre)):
            total += np.square(differences, dtype=np.float64).sum(axis=0, where=seen)
    axes = tuple(axis for axis in range(values.ndim - 1) if axis + 1 not in kept)
    count = np.maximum(observed.sum(axis=(0, *(axis + 1 for axis in axes))), 1)
    return Rebuilt(*(np.maximum(total.sum(axis=axes) / count, _LEAST) for total in (left, variance)))


def _left_by_row(model: Ensemble, member: Member, spans: Sequence[Span]) -> NDArray[np.float32]:
    """Mean squared error, by channel, of the mean reconstruction of held-out rows, `(n_network_channels,)`."""
    network = model.scaler.network_channels
    total, count = np.zeros(len(network)), np.zeros(len(network))
    for span in spans:
        if not span.n_held_out:
            continue
        first = max(0, len(span.values) - min(span.n_held_out, _ROWS))
        filled, observed = forward_filled(model.scaler.scaled(span.values[first:])[:, network])
        squares = np.square(row_reconstruction(member, filled) - filled) * observed
        total, count = total + squares.sum(axis=0), count + observed.sum(axis=0)
    return np.maximum(total / np.maximum(count, 1), _LEAST).astype(np.float32)


def _compression(measured: Rebuilt, size: int, code: int, *, width: float = 1.0) -> Compression:
    left, variance = float(measured.left.mean()), float(measured.variance.mean())
    return Compression(ratio=size / code, rmse=left**0.5 * width, unexplained=left / variance)


@torch.inference_mode()
def _cloud(network: AutoEncoder, inputs: Inputs, others: Inputs, random_state: int) -> CodeCloud | None:
    """The mixture of codes that are drawn from the posteriors, one for each input; `None` if there are none."""
    generator = torch.Generator().manual_seed(random_state)
    parts = []
    for values in (inputs.values, others.values):
        codes = []
        for batch in torch.split(torch.from_numpy(values), _AT_ONCE):
            code, log_var = network.encode(batch), network.latent(batch).log_var
            if log_var is None:
                return None
            noise = torch.randn(log_var.shape, generator=generator)
            code[:, network.n_linear :] += (0.5 * log_var).exp() * noise
            codes.append(code)
        parts.append(torch.cat(codes).numpy())
    return fit_cloud(*parts, random_state=random_state)
