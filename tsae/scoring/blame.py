"""Which sensors are to blame for an event, when its error has spread to healthy ones.

A network that rebuilds a row from a faulty sensor rebuilds the healthy ones wrongly too, so that large errors do not
show who is at fault. Here whole channels are put aside instead: in windows taken to be Gaussian, a channel explains
`(Pz)ⱼᵀ (Pⱼⱼ)⁻¹ (Pz)ⱼ` of the distance `zᵀPz` from the mean, the part that goes away when it is replaced by what
the others let expect. For one faulty channel no other explains more (Cauchy and Schwarz). The one that explains most is
put aside, the others are judged without it, and so on: a healthy channel that only looked wrong beside a faulty one
then looks right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["BlameModel", "put_aside"]

FloatArray = NDArray[np.float64]
_MOST_SUSPECTS = 10
_LEAST_PART = 0.02  # of the largest part; what explains less is not worth another step
_MOST_WINDOWS = 12


@dataclass(frozen=True)
class BlameModel:
    """Mean and precision of the windows of the network channels, scaled."""

    centre: FloatArray
    """`(window_size, n_channels)`."""
    precision: NDArray[np.float32]
    """`(window_size · n_channels, window_size · n_channels)`, time first."""
    usual: FloatArray
    """What each channel explains of a held-out normal window, `(n_channels,)`; at least the length of a window."""

    def parts(self, rows: FloatArray, observed: NDArray[np.bool_]) -> FloatArray:
        """How much each channel is to blame for these rows, `(n_channels,)`, none negative.

        In multiples of what it explains of normal windows, of which one is taken off.

        Parameters
        ----------
        rows
            Scaled values of all rows in question, at least a window's, `(n, n_channels)` without NaN.
        observed
            Which of them were measured. A channel that was not, somewhere, is put aside beforehand.
        """
        size, n_channels = self.centre.shape
        starts = np.unique(np.linspace(0, len(rows) - size, _MOST_WINDOWS).round().astype(int))
        windows = np.stack([rows[start : start + size] - self.centre for start in starts])
        missing = np.flatnonzero(~observed.all(axis=0))
        if len(missing) == n_channels:
            return np.zeros(n_channels)
        return self._search(windows, missing.tolist())

    def expected(self, window: FloatArray, hidden: NDArray[np.bool_]) -> FloatArray:
        """A window `(window_size, n_channels)` with what is hidden in it replaced by what the rest lets expect."""
        precision, mask = self.precision.astype(np.float64), hidden.ravel()
        centred = np.where(mask, 0.0, (window - self.centre).ravel())
        centred[mask] = -np.linalg.solve(precision[np.ix_(mask, mask)], precision[mask] @ centred)
        return np.asarray(self.centre + centred.reshape(window.shape))

    def explained(self, windows: FloatArray) -> FloatArray:
        """What each channel explains of centred windows `(n, window_size, n_channels)`, `(n, n_channels)`."""
        channels = range(self.centre.shape[1])
        return np.stack(list(_explained(_by_channel(self.precision, len(self.centre)), windows, channels)), axis=1)

    def _search(self, windows: FloatArray, missing: list[int]) -> FloatArray:
        size, n_channels = self.centre.shape
        precision = _by_channel(self.precision, size)
        left = list(range(n_channels))
        for channel in missing:
            precision = put_aside(precision, left.index(channel))
            left.remove(channel)
        found: list[tuple[int, float]] = []
        parts = np.zeros(n_channels)
        while left:
            explained = np.stack(list(_explained(precision, windows, left)))
            excess = np.maximum(explained.mean(axis=1) / self.usual[left] - 1, 0)
            place = int(np.argmax(excess))
            most = max((part for _, part in found), default=float(excess[place]))
            if len(found) == _MOST_SUSPECTS or excess[place] <= _LEAST_PART * most:
                parts[left] = excess
                break
            found.append((left.pop(place), float(excess[place])))
            precision = put_aside(precision, place)
        least = 0.0
        for channel, part in reversed(found):  # two that only together look right are equally to blame
            parts[channel] = least = max(part, least)
        return parts


def put_aside(precision: FloatArray, place: int) -> FloatArray:
    """The precision of the other channels once one is ignored; `(n_channels, size, n_channels, size)`, one less."""
    n_channels, size = precision.shape[:2]
    rest = [other for other in range(n_channels) if other != place]
    n_rest = len(rest) * size
    kept = precision[rest][:, :, rest].reshape(n_rest, n_rest)
    between = precision[rest][:, :, place].reshape(n_rest, size)
    smaller = kept - between @ np.linalg.solve(precision[place, :, place], between.T)
    return np.asarray(smaller.reshape(len(rest), size, len(rest), size))


def _by_channel(precision: NDArray[np.float32], size: int) -> FloatArray:
    """From time first to channels first, `(n_channels, size, n_channels, size)`."""
    n_channels = len(precision) // size
    return precision.reshape(size, n_channels, size, n_channels).transpose(1, 0, 3, 2).astype(np.float64)


def _explained(precision: FloatArray, windows: FloatArray, channels: Sequence[int]) -> list[FloatArray]:
    """What each of these channels, whose precision it is, explains of every window."""
    n_windows, size, _ = windows.shape
    flat = windows[:, :, list(channels)].transpose(0, 2, 1).reshape(n_windows, -1)
    pulls = (flat @ precision.reshape(len(channels) * size, -1)).reshape(n_windows, len(channels), size)
    return [
        np.einsum("ni,in->n", pulls[:, place], np.linalg.solve(precision[place, :, place], pulls[:, place].T))
        for place in range(len(channels))
    ]
