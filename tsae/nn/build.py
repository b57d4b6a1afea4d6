"""From a network's description and the shape of an input to an autoencoder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from tsae.errors import ParameterError
from tsae.nn.architectures import ARCHITECTURES
from tsae.nn.autoencoder import AutoEncoder
from tsae.nn.bottleneck import Deterministic, Gaussian
from tsae.nn.corruption import GaussianNoise, Masking, SaltAndPepper
from tsae.nn.linear import LinearPath
from tsae.nn.options import Activation, NetworkSpec

__all__ = ["build_autoencoder"]

_ACTIVATIONS: dict[Activation, Callable[[], nn.Module]] = {
    "gelu": nn.GELU,
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
}


def build_autoencoder(
    spec: NetworkSpec,
    input_shape: tuple[int, ...],
    *,
    linear_path: LinearPath | None = None,
    zero_output: bool = False,
) -> AutoEncoder:
    """Join the parts that `spec` names.

    Parameters
    ----------
    spec
        What the network is made of.
    input_shape
        `(time, channels)` for series windows, `(channels, height, width)` for images.
    linear_path
        A fitted principal-component path whose reconstruction is added; the decoder's last layer then starts
        at zero, so that training starts from the linear reconstruction.
    zero_output
        Start the decoder's last layer at zero without a linear path too.

    Returns
    -------
    AutoEncoder
        With parameters drawn from torch's global generator: seed or fork it outside.

    Raises
    ------
    ParameterError
        If the shape fits no network, or `spec` clashes with it or with the linear path.

    Examples
    --------
    >>> import torch
    >>> model = build_autoencoder(NetworkSpec(architecture="conv", latent_dim=3), (33, 2))
    >>> model(torch.zeros(5, 33, 2)).mean.shape, model.encode(torch.zeros(5, 33, 2)).shape
    (torch.Size([5, 33, 2]), torch.Size([5, 3]))
    """
    _check(spec, input_shape, linear_path)
    encoder, decoder = _pair(spec, input_shape, zero_output=zero_output or linear_path is not None)
    bottleneck = Gaussian if spec.bottleneck == "gaussian" else Deterministic
    return AutoEncoder(
        encoder,
        bottleneck(encoder.out_features, spec.latent_dim),
        decoder,
        linear_path=linear_path,
        corruption=_corruption(spec),
        learned_variance=spec.learned_variance,
        output_activation=nn.Sigmoid() if spec.output == "sigmoid" else None,
    )


def _pair(spec: NetworkSpec, shape: tuple[int, ...], *, zero_output: bool) -> tuple[Any, nn.Module]:
    encoder, decoder = ARCHITECTURES[spec.architecture].pair(**spec.layer_options(shape))
    layers: dict[str, Any] = {"activation": _ACTIVATIONS[spec.activation], "dropout": spec.dropout}
    last = {"learned_variance": spec.learned_variance, "zero_output": zero_output}
    return encoder(shape, **layers), decoder(spec.latent_dim, shape, **layers, **last)


def _corruption(spec: NetworkSpec) -> nn.Module | None:
    level = spec.corruption_level
    match spec.corruption:
        case None:
            return None
        case "gaussian":
            return GaussianNoise(level)
        case "salt_pepper":
            return SaltAndPepper(level)
        case "mask_points":
            return Masking("points", level)
        case "mask_channels":
            return Masking("channels", level)
        case "mask_blocks":
            return Masking("blocks", level)


def _check(spec: NetworkSpec, shape: tuple[int, ...], linear_path: LinearPath | None) -> None:
    if len(shape) not in (2, 3) or min(shape) < 1:
        rule = "must be (time, channels) or (channels, height, width), each at least 1"
        raise ParameterError(f"`input_shape` (={shape}) {rule}; reshape the inputs")
    channels, sides = (shape[1], shape[:1]) if len(shape) == 2 else (shape[0], shape[1:])
    if spec.corruption == "mask_channels" and channels == 1:
        rule = f"needs two channels or more, but the input shape is {shape}"
        raise ParameterError(f"`corruption` (='mask_channels') {rule}; use 'mask_blocks'")
    if spec.corruption == "mask_blocks" and min(sides) == 1:
        rule = f"needs two time steps or pixels a side, but the input shape is {shape}"
        raise ParameterError(f"`corruption` (='mask_blocks') {rule}; use 'mask_points'")
    if linear_path is None:
        return
    if linear_path.input_shape != tuple(shape):
        rule = f"must equal the linear path's (={linear_path.input_shape})"
        raise ParameterError(f"`input_shape` (={shape}) {rule}; fit the path to inputs of this shape")
    if spec.output == "sigmoid":
        rule = "clashes with a linear path, which is added to the output"
        raise ParameterError(f"`output` (='sigmoid') {rule}; use 'identity', or no linear path")
