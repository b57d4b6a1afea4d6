"""What a member makes of rows: the values it would have expected; loads no torch unless the member does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsae.errors import ParameterError
from tsae.scoring.ensemble import Ensemble, Member
from tsae.scoring.row_errors import segment_errors
from tsae.scoring.window_models import ReconstructionModel
from tsae.series.channels import forward_filled
from tsae.series.grid import GridSeries

__all__ = [
    "by_segment",
    "cleaned_values",
    "code_length",
    "expected_values",
    "in_units",
    "row_codes",
    "row_reconstruction",
    "towards",
    "windows_of",
    "with_noise",
]

FloatArray = NDArray[np.float64]
_WINDOWS_AT_ONCE = 2048


def expected_values(ensemble: Ensemble, member: Member, values: NDArray[np.floating]) -> FloatArray:
    """What `member` makes of the rows of one segment `(n, n_channels)`, in the sensors' units.

    The mean over all windows that cover a row. Constant channels are expected at their constant, switches (which
    no network sees) nowhere: NaN.
    """
    filled, _ = forward_filled(ensemble.scaler.scaled(values)[:, ensemble.scaler.network_channels])
    return in_units(ensemble, row_reconstruction(member, filled))


def row_reconstruction(member: Member, filled: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean over all windows that cover a row; scaled rows of one segment `(n, n_network_channels)`."""
    seen = np.ones(filled.shape, dtype=bool)
    rebuilt, _ = segment_errors(filled, seen, window_errors=member.model.reconstruct, window_size=member.window_size)
    return rebuilt


def in_units(ensemble: Ensemble, scaled: NDArray[np.float32]) -> FloatArray:
    """Scaled network channels `(..., n_network_channels)` → all channels in their units."""
    scaler, network = ensemble.scaler, ensemble.scaler.network_channels
    values = np.full((*scaled.shape[:-1], len(scaler.role)), np.nan)
    values[..., scaler.constant_channels] = scaler.mean[scaler.constant_channels]
    values[..., network] = scaled * scaler.scale[network] + scaler.mean[network]
    return values


def towards(seen: NDArray[Any], rebuilt: NDArray[Any], left: NDArray[Any], noise: NDArray[Any]) -> NDArray[Any]:
    """Values between what was seen and what was rebuilt, the nearer to the latter the noisier they are.

    With a usual error `left` and noise of variance `noise`, both mean squares that broadcast over the values, the best
    weight for what was seen is left / (left + noise), as in a Wiener filter.
    """
    weight = left / np.maximum(left + noise, 1e-30)
    return np.asarray(rebuilt + weight * (seen - rebuilt))


def cleaned_values(
    ensemble: Ensemble,
    member: Member,
    values: NDArray[np.floating],
    *,
    noise: FloatArray | None,
    left: NDArray[np.float32],
) -> FloatArray:
    """Rows of one segment `(n, n_channels)`, in the sensors' units, drawn towards what `member` makes of them.

    Missing values become what is expected; channels that no network sees stay as they are.

    Parameters
    ----------
    noise
        Standard deviation of the noise `(n_channels,)`, in the sensors' units; `None` takes for it what the error of
        these rows exceeds `left`, the usual one `(n_network_channels,)`, in scaled units.
    """
    scaler, network = ensemble.scaler, ensemble.scaler.network_channels
    filled, observed = forward_filled(scaler.scaled(values)[:, network])
    rebuilt = row_reconstruction(member, filled)
    if noise is None:
        error = (np.square(rebuilt - filled) * observed).sum(axis=0) / np.maximum(observed.sum(axis=0), 1)
        variance = np.maximum(error - left, 0)
    else:
        variance = np.square(noise[network] / scaler.scale[network])
    cleaned = np.where(observed, towards(filled, rebuilt, left, variance), rebuilt)
    out = np.array(values, dtype=np.float64)
    out[:, network] = cleaned * scaler.scale[network] + scaler.mean[network]
    return out


def by_segment(answer: Callable[[NDArray[np.floating]], FloatArray], grid: GridSeries) -> FloatArray:
    """Return answers for the rows of each segment `(n, n_channels)` as those of all input rows."""
    return np.concatenate([answer(grid.values[start:stop]) for start, stop in grid.segments])[grid.rows]


def windows_of(ensemble: Ensemble, member: Member, codes: NDArray[np.float32]) -> FloatArray:
    """Codes `(n, latent_dim)` → windows `(n, window_size, n_channels)` in the sensors' units."""
    return in_units(ensemble, _reconstruction_model(member).network.decode(codes))


def with_noise(
    ensemble: Ensemble, windows: FloatArray, left: NDArray[np.float32], rng: np.random.Generator
) -> FloatArray:
    """Windows `(n, window_size, n_channels)` in the sensors' units plus noise of (scaled) mean square `left`."""
    network = ensemble.scaler.network_channels
    noisy = windows.copy()
    noisy[..., network] += rng.standard_normal((*windows.shape[:-1], len(network))) * (
        np.sqrt(left) * ensemble.scaler.scale[network]
    )
    return noisy


def row_codes(ensemble: Ensemble, member: Member, grid: GridSeries) -> FloatArray:
    """The latent code of the window that ends in each row, `(n_timesteps, latent_dim)`."""
    codes = []
    encode = _reconstruction_model(member).network.encode
    for start, stop in grid.segments:
        filled, _ = forward_filled(ensemble.scaler.scaled(grid.values[start:stop])[:, ensemble.scaler.network_channels])
        past = np.repeat(filled[:1], member.window_size - 1, axis=0)
        series = np.concatenate([past, filled])
        windows = np.lib.stride_tricks.sliding_window_view(series, member.window_size, axis=0, writeable=True)
        for first in range(0, len(windows), _WINDOWS_AT_ONCE):
            codes.append(encode(windows[first : first + _WINDOWS_AT_ONCE].transpose(0, 2, 1)).astype(np.float64))
    return np.concatenate(codes)[grid.rows]


def code_length(member: Member) -> int:
    """Length of a member's codes."""
    return _reconstruction_model(member).network.n_linear + member.options.latent_dim


def _reconstruction_model(member: Member) -> ReconstructionModel:
    if not isinstance(member.model, ReconstructionModel):
        raise ParameterError("a member that predicts hidden blocks has no codes; use one that rebuilds windows")
    return member.model
