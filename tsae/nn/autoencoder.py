"""The composition: encoder → bottleneck → decoder, with an optional linear path beside it, and its building."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from tsae.errors import ParameterError
from tsae.nn.architectures import ARCHITECTURES
from tsae.nn.corruption import GaussianNoise, Masking, SaltAndPepper
from tsae.nn.linear import LinearPath
from tsae.nn.options import Activation, CorruptionKind, NetworkSpec

__all__ = ["AutoEncoder", "Deterministic", "Gaussian", "Latent", "Reconstruction", "build_autoencoder"]

_ACTIVATIONS: Mapping[Activation, Callable[[], nn.Module]] = {
    "gelu": nn.GELU,
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
}
_CORRUPTIONS: Mapping[CorruptionKind, Callable[[float], nn.Module]] = {
    "gaussian": GaussianNoise,
    "salt_pepper": SaltAndPepper,
    "mask_points": partial(Masking, "points"),
    "mask_channels": partial(Masking, "channels"),
    "mask_blocks": partial(Masking, "blocks"),
}


class Latent(NamedTuple):
    """The output of a bottleneck. The decoder sees `code`, `(batch, latent_dim)`."""

    code: Tensor
    mean: Tensor
    log_var: Tensor | None = None
    """Logarithm of the posterior variance; `None` for a deterministic bottleneck."""


class Deterministic(nn.Module):
    """Features `(batch, in_features)` → one linear code `(batch, latent_dim)`."""

    def __init__(self, in_features: int, latent_dim: int) -> None:
        super().__init__()
        self.mean = nn.Linear(in_features, latent_dim)

    def forward(self, features: Tensor) -> Latent:
        code = self.mean(features)
        return Latent(code, code)


class Gaussian(nn.Module):
    """Features `(batch, in_features)` → a Gaussian posterior with diagonal covariance over codes.

    In training the code is drawn from the posterior by the reparameterisation trick, from torch's global
    generator; in evaluation it is the posterior mean.

    Source: Kingma & Welling, Auto-encoding variational Bayes, ICLR 2014.
    """

    def __init__(self, in_features: int, latent_dim: int) -> None:
        super().__init__()
        self.mean = nn.Linear(in_features, latent_dim)
        self.log_var = nn.Linear(in_features, latent_dim)

    def forward(self, features: Tensor) -> Latent:
        mean = self.mean(features)
        # Beyond these bounds exp overflows, or the noise is lost in float32.
        log_var = self.log_var(features).clamp(-20.0, 20.0)
        code = mean + (0.5 * log_var).exp() * torch.randn_like(mean) if self.training else mean
        return Latent(code, mean, log_var)

    def sample(self, latent: Latent, noise: Tensor) -> Tensor:
        """Codes `(n_samples, batch, latent_dim)` from the posteriors in `latent`.

        `noise`, standard normal `(n_samples, latent_dim)`, is the same for every input of the batch, so that the
        answer for one does not depend on the others.

        Raises `ParameterError` if `latent` comes from a deterministic bottleneck.
        """
        if latent.log_var is None:
            rule = "must hold a log-variance to be drawn from"
            raise ParameterError(f"`latent` (log_var=None) {rule}; pass what this bottleneck returned")
        return latent.mean + (0.5 * latent.log_var).exp() * noise.unsqueeze(1)


class Reconstruction(NamedTuple):
    """The output of an autoencoder, the same type in training and in evaluation."""

    mean: Tensor
    """The reconstruction, shaped like the input."""
    log_var: Tensor | None
    """Logarithm of the learned output variance, shaped like the input; `None` if it is fixed."""
    latent: Latent


class AutoEncoder(nn.Module):
    """Encoder, bottleneck and decoder joined by one int and one shape.

    The encoder maps `(batch, *input_shape)` to `(batch, encoder.out_features)`, the bottleneck that to a `Latent` with
    codes `(batch, latent_dim)`, and the decoder codes to `(batch, *input_shape)`, or, with `learned_variance`, to mean
    and log-variance `(batch, 2, *input_shape)`.

    Parameters
    ----------
    linear_path
        A fitted principal-component path whose reconstruction is added to the decoder's. Its coordinates come
        first in the code.
    corruption
        Applied to the input in training only; the target stays clean.
    output_activation
        Applied to the reconstruction last.
    """

    def __init__(
        self,
        encoder: nn.Module,
        bottleneck: nn.Module,
        decoder: nn.Module,
        *,
        linear_path: LinearPath | None = None,
        corruption: nn.Module | None = None,
        learned_variance: bool = False,
        output_activation: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.bottleneck = bottleneck
        self.decoder = decoder
        self.linear_path = linear_path
        self.corruption = corruption
        self.learned_variance = learned_variance
        self.output_activation = output_activation

    @property
    def n_linear(self) -> int:
        """Number of leading coordinates of a code that belong to the linear path."""
        return 0 if self.linear_path is None else self.linear_path.n_components

    def latent(self, inputs: Tensor) -> Latent:
        """The nonlinear bottleneck's answer for clean inputs `(batch, *input_shape)`."""
        return cast(Latent, self.bottleneck(self.encoder(inputs)))

    def encode(self, inputs: Tensor) -> Tensor:
        """Inputs `(batch, *input_shape)` → codes `(batch, n_linear + latent_dim)`, the mean if Gaussian."""
        code = self.latent(inputs).mean
        return code if self.linear_path is None else torch.cat([self.linear_path.encode(inputs), code], dim=1)

    def decode(self, code: Tensor) -> Tensor:
        """Codes `(batch, n_linear + latent_dim)` → reconstructions `(batch, *input_shape)`."""
        linear = None if self.linear_path is None else self.linear_path.decode(code[:, : self.n_linear])
        return self._rebuild(code[:, self.n_linear :], linear)[0]

    def forward(self, inputs: Tensor) -> Reconstruction:
        """Inputs `(batch, *input_shape)` → `Reconstruction` of the same shape, in train and eval alike."""
        seen = self.corruption(inputs) if self.training and self.corruption is not None else inputs
        latent = self.latent(seen)
        linear = None if self.linear_path is None else self.linear_path(seen)
        return Reconstruction(*self._rebuild(latent.code, linear), latent)

    def posterior(self, inputs: Tensor, noise: Tensor) -> Iterator[Reconstruction]:
        """Rebuild inputs `(batch, *input_shape)` from codes of their Gaussian posterior.

        `noise`, standard normal `(n_samples, latent_dim)`, makes the draws. The iterator gives one `Reconstruction`
        for each, so memory does not grow with their number.

        Raises `ParameterError` if the bottleneck is not Gaussian.
        """
        if not isinstance(self.bottleneck, Gaussian):
            kind = type(self.bottleneck).__name__
            rule = "has no posterior to draw from"
            raise ParameterError(f"`bottleneck` (={kind}) {rule}; build it with bottleneck='gaussian'")
        latent = self.latent(inputs)
        linear = None if self.linear_path is None else self.linear_path(inputs)
        codes = (self.bottleneck.sample(latent, draw)[0] for draw in torch.split(noise, 1))
        return (Reconstruction(*self._rebuild(code, linear), latent._replace(code=code)) for code in codes)

    def _rebuild(self, code: Tensor, linear: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Mean and log-variance from a nonlinear code and the linear path's share of the mean."""
        decoded = self.decoder(code)
        mean, log_var = (decoded[:, 0], decoded[:, 1]) if self.learned_variance else (decoded, None)
        if linear is not None:
            mean = mean + linear if torch.is_grad_enabled() else mean.add_(linear)
        if self.output_activation is not None:
            mean = self.output_activation(mean)
        return mean, log_var


def build_autoencoder(
    spec: NetworkSpec,
    input_shape: tuple[int, ...],
    *,
    linear_path: LinearPath | None = None,
    zero_output: bool = False,
    random_state: int | None = None,
) -> AutoEncoder:
    """Join the parts that `spec` names, in training mode.

    Parameters
    ----------
    input_shape
        `(time, channels)` for series windows, `(channels, height, width)` for images.
    linear_path
        A fitted principal-component path whose reconstruction is added; the decoder's last layer then starts
        at zero, so that training starts from the linear reconstruction.
    zero_output
        Start the decoder's last layer at zero without a linear path too.
    random_state
        Seed of the initial parameters. `None` draws them from torch's global generator, which is otherwise left as it
        was.

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
    layers = {"activation": _ACTIVATIONS[spec.activation], "dropout": spec.dropout}
    with torch.random.fork_rng(devices=[], enabled=random_state is not None):
        if random_state is not None:
            torch.manual_seed(random_state)
        make_encoder, make_decoder = ARCHITECTURES[spec.architecture].pair(**spec.layer_options(input_shape))
        encoder = make_encoder(input_shape, **layers)
        decoder = make_decoder(spec.latent_dim, input_shape, **layers, learned_variance=spec.learned_variance)
        kind = Gaussian if spec.bottleneck == "gaussian" else Deterministic
        bottleneck = kind(encoder.out_features, spec.latent_dim)
    if zero_output or linear_path is not None:
        *_, last = (part for part in decoder.modules() if [*part.parameters(recurse=False)])
        for parameter in last.parameters(recurse=False):
            nn.init.zeros_(parameter)
    return AutoEncoder(
        encoder,
        bottleneck,
        decoder,
        linear_path=linear_path,
        corruption=None if spec.corruption is None else _CORRUPTIONS[spec.corruption](spec.corruption_level),
        learned_variance=spec.learned_variance,
        output_activation=nn.Sigmoid() if spec.output == "sigmoid" else None,
    )


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
