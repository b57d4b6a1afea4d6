"""The linear path: principal components of flattened inputs, fitted in closed form and then kept fixed."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from tsae.errors import ParameterError

__all__ = ["LinearPath", "moments", "principal_path"]

_ROWS_AT_ONCE = 512
_LARGE = 1000  # features
_VERY_LARGE = 4000  # features, from which memory counts more than digits in the small matrix, too


class LinearPath(nn.Module):
    """Rebuild an input of shape `input_shape`, without the batch, from its leading principal components."""

    components: Tensor
    """Orthonormal rows `(n_components, n_features)`, `n_features = prod(input_shape)`."""
    centre: Tensor
    """Mean of the flattened inputs, `(n_features,)`."""

    def __init__(self, components: Tensor, centre: Tensor, *, input_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("components", components)
        self.register_buffer("centre", centre)
        self.input_shape = input_shape

    @property
    def n_components(self) -> int:
        """Number of principal components that are kept."""
        return self.components.shape[0]

    def encode(self, inputs: Tensor) -> Tensor:
        """Inputs `(batch, *input_shape)` → coordinates `(batch, n_components)`."""
        offset = self.components @ self.centre
        return torch.addmm(offset, inputs.flatten(1), self.components.T, alpha=1, beta=-1)

    def decode(self, coordinates: Tensor) -> Tensor:
        """Coordinates `(batch, n_components)` → reconstructions `(batch, *input_shape)`."""
        flat = torch.addmm(self.centre, coordinates, self.components)
        return flat.reshape(-1, *self.input_shape)

    def forward(self, inputs: Tensor) -> Tensor:
        """Inputs `(batch, *input_shape)` → their linear reconstruction, same shape."""
        return self.decode(self.encode(inputs))


def principal_path(
    inputs: Tensor, *, explained_variance: float = 0.95, max_components: int | None = None
) -> LinearPath:
    """Fit a linear path to `inputs` `(n, *input_shape)`.

    Keeps the fewest components that explain `explained_variance` of the variance: at least one, at most
    `max_components`, never one without variance, and never all of them if there are two features or more (a
    full basis would rebuild anything). With fewer inputs than features the small Gram matrix is decomposed
    instead of the covariance.

    Raises `ParameterError` if `explained_variance` is outside (0, 1] or `max_components` below 1.

    Examples
    --------
    >>> line = torch.linspace(-1, 1, 50)[:, None, None] * torch.ones(50, 4, 3)
    >>> path = principal_path(line)
    >>> path.n_components, bool(torch.allclose(path(line), line, atol=1e-6))
    (1, True)
    """
    if not 0 < explained_variance <= 1:
        rule = "must lie in (0, 1]"
        raise ParameterError(f"`explained_variance` (={explained_variance!r}) {rule}; try 0.95")
    if max_components is not None and max_components < 1:
        rule = "must be at least 1"
        raise ParameterError(f"`max_components` (={max_components!r}) {rule}; pass None for no limit")
    flat = inputs.flatten(1)
    few = len(flat) < flat.shape[1]
    centre, matrix = _gram(flat) if few else _covariance(flat)
    variances, vectors = torch.linalg.eigh(matrix)
    del matrix
    variances, vectors = variances.flip(0).clamp_min(0), vectors.flip(1)
    total = variances.sum().clamp_min(1e-30)
    n_wanted = int((torch.cumsum(variances, 0) / total < explained_variance).sum()) + 1
    n_varying = int((variances > 1e-9 * total).sum())
    most = min(n_varying, max(1, len(centre) - 1), max_components or n_varying)
    leading = vectors[:, : max(1, min(n_wanted, most))]
    directions = _directions(flat, centre, leading) if few else leading
    return LinearPath(directions.T.contiguous().float(), centre.float(), input_shape=tuple(inputs.shape[1:]))


def moments(batches: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean `(n_features,)` and covariance `(n_features, n_features)` of rows `(n, n_features)` that come in batches.

    In float64, about the mean of the first batch, so that large offsets cost no digits.
    """
    pivot, total, squares, count = torch.empty(0), torch.empty(0), torch.empty(0), 0
    for rows in batches:
        if not count:
            pivot = rows.mean(0, dtype=torch.float64)
            total, squares = torch.zeros_like(pivot), torch.zeros(len(pivot), len(pivot), dtype=torch.float64)
        centred = rows - pivot
        total += centred.sum(0)
        squares.addmm_(centred.T, centred)
        count += len(rows)
    offset = total / count
    return pivot + offset, squares.div_(count).addr_(offset, offset, alpha=-1)


def _covariance(flat: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance of rows `(n, n_features)`."""
    centre, covariance = moments(torch.split(flat, _ROWS_AT_ONCE))
    # float32 halves time and memory, and is exact enough for the leading components
    return centre, covariance.float() if len(centre) > _LARGE else covariance


def _gram(flat: Tensor) -> tuple[Tensor, Tensor]:
    """Mean, and inner products `(n, n)` of centred rows `(n, n_features)`, added up over some features at a time."""
    centre, products = flat.mean(0, dtype=torch.float64), torch.zeros(len(flat), len(flat), dtype=torch.float64)
    for columns in _some(len(centre)):
        centred = flat[:, columns] - centre[columns]
        products.addmm_(centred, centred.T)
    return centre, products.float() if len(centre) > _VERY_LARGE else products


def _directions(flat: Tensor, centre: Tensor, vectors: Tensor) -> Tensor:
    """Directions of unit length `(n_features, k)` that belong to eigenvectors `(n, k)` of the inner products."""
    parts = [(flat[:, columns] - centre[columns]).T @ vectors.double() for columns in _some(len(centre))]
    return nn.functional.normalize(torch.cat(parts), dim=0, eps=1e-12)


def _some(n_features: int) -> list[slice]:
    return [slice(first, first + _ROWS_AT_ONCE) for first in range(0, n_features, _ROWS_AT_ONCE)]
