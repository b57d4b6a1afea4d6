"""The linear path: principal components of flattened inputs, fitted in closed form and then kept fixed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["LinearPath", "principal_path"]


class LinearPath(nn.Module):
    """Rebuild an input from its leading principal components.

    Parameters
    ----------
    components
        Orthonormal rows `(n_components, n_features)`, `n_features = prod(input_shape)`.
    centre
        Mean of the flattened inputs, `(n_features,)`.
    input_shape
        Shape of one input, without the batch.
    """

    components: Tensor
    centre: Tensor

    def __init__(self, components: Tensor, centre: Tensor, *, input_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("components", components)
        self.register_buffer("centre", centre)
        self.input_shape = input_shape

    @property
    def n_components(self) -> int:
        """How many principal components are kept."""
        return self.components.shape[0]

    def encode(self, inputs: Tensor) -> Tensor:
        """Inputs `(batch, *input_shape)` → coordinates `(batch, n_components)`."""
        return (inputs.flatten(1) - self.centre) @ self.components.T

    def decode(self, coordinates: Tensor) -> Tensor:
        """Coordinates `(batch, n_components)` → reconstructions `(batch, *input_shape)`."""
        return torch.addmm(self.centre, coordinates, self.components).unflatten(1, self.input_shape)

    def forward(self, inputs: Tensor) -> Tensor:
        """Inputs `(batch, *input_shape)` → their linear reconstruction, same shape."""
        return self.decode(self.encode(inputs))


def principal_path(
    inputs: Tensor, *, explained_variance: float = 0.95, max_components: int | None = None
) -> LinearPath:
    """Fit a linear path to `inputs` `(n, *input_shape)`.

    Keeps the fewest components that explain `explained_variance` of the variance, at least one, at most
    `max_components` and never all of them (a full basis would rebuild anything). With fewer inputs than features
    the small Gram matrix is decomposed instead of the covariance.
    """
    flat = inputs.flatten(1).double()
    centre = flat.mean(0)
    flat = flat - centre
    n_inputs, n_features = flat.shape
    if n_inputs < n_features:
        variances, vectors = torch.linalg.eigh(flat @ flat.T)
        directions = flat.T @ vectors
        directions = directions / directions.norm(dim=0).clamp_min(1e-12)
    else:
        variances, directions = torch.linalg.eigh(flat.T @ flat)
    variances = variances.flip(0).clamp_min(0)
    directions = directions.flip(1)
    total = variances.sum().clamp_min(1e-30)
    share = torch.cumsum(variances, 0) / total
    n_components = int((share < explained_variance).sum()) + 1
    most = max(1, n_features - 1) if max_components is None else max_components
    n_components = max(1, min(n_components, most, n_features, int((variances > 1e-9 * total).sum())))
    components = directions[:, :n_components].T.contiguous()
    return LinearPath(components.float(), centre.float(), input_shape=tuple(inputs.shape[1:]))
