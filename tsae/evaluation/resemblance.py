"""How far drawn inputs resemble real ones: windows of a series, or images."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsae.checks import evenly
from tsae.errors import DataError

__all__ = ["Resemblance", "autocorrelation", "resemblance", "two_sample_auc"]

FloatArray = NDArray[np.float64]
_FOLDS = 5
_TREES = 100
_LEAST_SHARE = 0.01  # of the mean variance; below, a value counts as constant


class Resemblance(NamedTuple):
    """Differences between drawn and real inputs; the lower, the more alike."""

    means: float
    """Root mean square over values (time steps and channels, or pixels) of the difference of means, in standard
    deviations of the real ones. Two samples of n from one distribution differ by about √(2 / n)."""
    variances: float
    """Mean over values of |log(drawn variance / real variance)|; 0.69 is a factor of two."""
    autocorrelation: float
    """Root mean square difference of the autocorrelations, at lags up to half of a side."""
    auc: float
    """AUC-ROC of a classifier that tells drawn from real on folds it has not seen: 0.5 cannot tell, 1 always can."""


def resemblance(real: ArrayLike, drawn: ArrayLike, *, random_state: int = 0) -> Resemblance:
    """Compare drawn inputs with real ones that the generator was not trained on.

    Parameters
    ----------
    real, drawn
        Windows `(n, time, channels)` or images `(n, channels, height, width)`, all finite; the numbers of inputs may
        differ. Windows of one series should come in time order and not overlap: the classifier's folds are
        contiguous.
    random_state
        Of the classifier.

    Raises
    ------
    DataError
        If the shapes do not fit, a value is not finite, or there are fewer than ten of either.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(2, 100, 8, 1))
    >>> found = resemblance(noise[0], 2 * noise[1])
    >>> found.variances > 1, found.auc > 0.6
    (True, True)
    """
    seen, made = _checked(real, drawn)
    variance = seen.var(axis=0)
    varies = variance > _LEAST_SHARE * variance.mean()
    if not varies.any():
        raise DataError("`real` holds the same input only; pass inputs that differ")
    difference = (made.mean(axis=0) - seen.mean(axis=0))[varies] / np.sqrt(variance[varies])
    ratio = np.maximum(made.var(axis=0)[varies], 1e-12 * variance[varies]) / variance[varies]
    return Resemblance(
        means=float(np.sqrt(np.square(difference).mean())),
        variances=float(np.abs(np.log(ratio)).mean()),
        autocorrelation=_autocorrelation_difference(seen, made),
        auc=two_sample_auc(seen, made, random_state=random_state),
    )


def autocorrelation(inputs: NDArray[Any], axis: int) -> FloatArray:
    """Autocorrelation along an axis at lags 1 to half of its length, `(n_lags, ...)`.

    `inputs` is `(n, ...)`; products are averaged over the inputs and along the axis, about the mean of all, and divided
    by the variance. What is left has the other axes: channels of windows, channels and one side of images. A value that
    never varies has autocorrelation 0.
    """
    moved = np.moveaxis(np.asarray(inputs, dtype=np.float64), axis, 1)
    centred = moved - moved.mean(axis=(0, 1))
    variance = np.square(centred).mean(axis=(0, 1))
    length = moved.shape[1]
    products = [
        (centred[:, lag:] * centred[:, : length - lag]).mean(axis=(0, 1)) for lag in range(1, max(2, length // 2 + 1))
    ]
    return np.asarray(np.stack(products) / np.where(variance > 0, variance, np.inf))


def two_sample_auc(real: NDArray[Any], drawn: NDArray[Any], *, random_state: int = 0) -> float:
    """AUC-ROC of a random forest that tells drawn from real inputs, on five contiguous folds; 0.5 cannot tell.

    It sees the values and the differences of neighbours along every axis but the channels'. As many of each are taken.

    Source: Lopez-Paz & Oquab, Revisiting classifier two-sample tests, ICLR 2017.
    """
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    n = min(len(real), len(drawn))
    features = np.concatenate([_features(part[evenly(len(part), n)]) for part in (real, drawn)])
    is_drawn = np.repeat([0, 1], n)
    forest = RandomForestClassifier(_TREES, min_samples_leaf=2, random_state=random_state)
    areas = cross_val_score(forest, features, is_drawn, scoring="roc_auc", cv=StratifiedKFold(_FOLDS))
    return float(areas.mean())


def _checked(real: ArrayLike, drawn: ArrayLike) -> tuple[FloatArray, FloatArray]:
    parts = []
    for name, values in (("real", real), ("drawn", drawn)):
        array = np.asarray(values, dtype=np.float64)
        if array.ndim not in (3, 4) or len(array) < 2 * _FOLDS:
            rule = f"it must be (n, time, channels) or (n, channels, height, width) with n of at least {2 * _FOLDS}"
            raise DataError(f"`{name}` has shape {array.shape}; {rule}")
        if not np.isfinite(array).all():
            raise DataError(f"`{name}` holds values that are not finite; leave out channels or inputs with them")
        parts.append(array)
    if parts[0].shape[1:] != parts[1].shape[1:]:
        shapes = f"{parts[0].shape[1:]} and {parts[1].shape[1:]}"
        raise DataError(f"`real` and `drawn` hold inputs of shapes {shapes}; pass inputs of one shape")
    return parts[0], parts[1]


def _axes(inputs: NDArray[Any]) -> tuple[int, ...]:
    """Axes along which values are neighbours."""
    return (1,) if inputs.ndim == 3 else (2, 3)


def _autocorrelation_difference(real: FloatArray, drawn: FloatArray) -> float:
    squares = [
        np.square(autocorrelation(drawn, axis) - autocorrelation(real, axis)).mean()
        for axis in _axes(real)
        if real.shape[axis] > 1
    ]
    return float(np.sqrt(np.mean(squares))) if squares else 0.0


def _features(inputs: NDArray[Any]) -> NDArray[np.float32]:
    parts = [inputs, *(np.diff(inputs, axis=axis) for axis in _axes(inputs))]
    return np.concatenate([part.reshape(len(inputs), -1) for part in parts], axis=1).astype(np.float32)
