"""Small series that are made up: correlated waves, and faults to put into them."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tsae.errors import ParameterError

__all__ = ["FaultKind", "inject", "make_series"]

FaultKind = Literal["spike", "level", "stuck", "noise", "drift"]


def make_series(
    n_timesteps: int, n_channels: int, *, random_state: int | np.random.Generator, period: float = 50.0
) -> NDArray[np.float64]:
    """Make a normal series: a wave and its half as long overtone, mixed into every channel, plus noise.

    Parameters
    ----------
    n_timesteps, n_channels : int
        Shape of the series.
    random_state : int or numpy.random.Generator
        Source of the mixing weights and the noise.
    period : float
        Length of the wave in rows.

    Returns
    -------
    ndarray of float64, shape (n_timesteps, n_channels)
        Of about unit size; a tenth of it is noise.

    Examples
    --------
    >>> make_series(200, 3, random_state=0).shape
    (200, 3)
    """
    if n_timesteps < 1 or n_channels < 1 or period <= 0:
        raise ParameterError(
            f"`n_timesteps` (={n_timesteps}), `n_channels` (={n_channels}) and `period` (={period}) must be positive"
        )
    rng = np.random.default_rng(random_state)
    angle = 2 * np.pi * np.arange(n_timesteps)[:, None] / period
    waves = np.hstack([np.sin(angle), np.cos(angle), np.sin(2 * angle)])
    weights = rng.standard_normal((waves.shape[1], n_channels))
    weights /= np.linalg.norm(weights, axis=0)
    return waves @ weights + 0.1 * rng.standard_normal((n_timesteps, n_channels))


def inject(
    values: NDArray[np.floating], start: int, stop: int, channel: int, kind: FaultKind, size: float = 3.0
) -> NDArray[np.floating]:
    """Put a fault into rows `start` to `stop` (exclusive) of one channel, in a copy.

    Parameters
    ----------
    values : ndarray, shape (n_timesteps, n_channels)
        Stays as it is.
    kind : str
        "spike" adds `size` with a sign that changes from row to row, "level" adds `size`, "drift" adds a ramp
        from 0 to `size`, "noise" adds a sine too fast for its sampling of height `size`, and "stuck" holds
        the first value (`size` does not count).
    size : float
        In standard deviations of the channel.

    Examples
    --------
    >>> import numpy as np
    >>> inject(np.array([[1.0], [2.0], [3.0]]), 1, 3, channel=0, kind="stuck").ravel().tolist()
    [1.0, 2.0, 2.0]
    """
    if not 0 <= start < stop <= len(values):
        raise ParameterError(f"`start` (={start}) and `stop` (={stop}) must be rows of the {len(values)} there are")
    ramp = np.linspace(0, 1, stop - start)
    rows = np.arange(stop - start)
    shapes = {
        "spike": (-1.0) ** rows,
        "level": np.ones_like(ramp),
        "drift": ramp,
        "noise": np.sin(rows**2),
    }
    faulty = values.copy()
    if kind == "stuck":
        faulty[start:stop, channel] = values[start, channel]
    elif kind in shapes:
        faulty[start:stop, channel] += size * np.nanstd(values[:, channel]) * shapes[kind]
    else:
        raise ParameterError(f"`kind` (={kind!r}) must be one of 'stuck', {', '.join(map(repr, shapes))}")
    return faulty
