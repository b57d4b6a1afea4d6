"""Start a dense autoencoder from a stack of restricted Boltzmann machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from tsae.nn.autoencoder import AutoEncoder
from tsae.nn.deep_belief import stack, unroll_into
from tsae.nn.options import NetworkSpec
from tsae.nn.rbm import UnitKind
from tsae.nn.rbm_options import RBMOptions

__all__ = ["deep_spec", "pretrain"]


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

    Parameters
    ----------
    visible
        "gaussian" for standardised inputs, "bernoulli" for those in [0, 1].
    rbm
        What is stated of the training of the stack, by the names of `RBMOptions`.
    """
    widths = [*spec.hidden_widths(tuple(inputs.shape[1:]))[0], spec.latent_dim]
    generator = torch.Generator().manual_seed(random_state)
    training = RBMOptions(**rbm)
    unroll_into(autoencoder, stack(inputs.flatten(1), widths, visible=visible, options=training, generator=generator))
