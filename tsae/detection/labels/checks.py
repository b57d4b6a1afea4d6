"""Labels of some rows or images: checked, and used for the threshold, with the best F-beta or the least cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.thresholds import LABEL_METHODS, Threshold
from tsae.alarms.thresholds.threshold import cluster_peaks
from tsae.checks import is_number, plain
from tsae.errors import DataError, ParameterError

__all__ = [
    "LabelTuning",
    "annotations_of",
    "cheapest_threshold",
    "check_label_parameters",
    "checked_labels",
    "chosen_learner",
    "labels_of_parts",
    "refuse_without_anomalies",
    "tune_threshold",
]

FloatArray = NDArray[np.float64]
_MOST_LEVELS = 500  # normal scores that thresholds are tried at


@dataclass(frozen=True)
class LabelTuning:
    """What makes a threshold good."""

    beta: float = 1.0
    """Recall counts as much as `beta`² times precision."""
    cost: float | None = None
    """Cost of a missed anomaly in false alarms, instead of F-beta."""

    def threshold(self, scores: FloatArray, labels: FloatArray, held_out: FloatArray, *, in_order: bool) -> Threshold:
        """The best threshold for scores and labels `(n,)` (1 anomalous, 0 normal, NaN unknown; some are anomalous).

        `held_out` `(m,)` are scores of what is normal and was not trained on. With `in_order` these are rows in time
        order: then a run of anomalous ones is one anomaly, and one of flagged ones a single alarm.
        """
        if self.cost is None:
            known = ~np.isnan(labels)
            both = np.concatenate([scores[known], held_out])
            is_anomaly = np.concatenate([labels[known] == 1, np.zeros(len(held_out), dtype=bool)])
            return tune_threshold(both, is_anomaly, beta=self.beta, in_order=in_order)
        scores = np.where(np.isnan(scores), -np.inf, scores)
        edges = np.flatnonzero(np.diff(labels == 1, prepend=False, append=False)).reshape(-1, 2)
        anomalies = np.array([scores[first:stop].max() for first, stop in edges]) if in_order else scores[labels == 1]
        return cheapest_threshold(anomalies, held_out, cost=self.cost, n=len(scores), in_order=in_order)


def tune_threshold(
    scores: FloatArray, labels: NDArray[np.bool_], *, beta: float = 1.0, in_order: bool = True
) -> Threshold:
    """The threshold with the best F-beta, halfway between two scores `(n,)`; NaN among them are left out.

    `labels` `(n,)` say whether each is anomalous; both kinds must occur. The note speaks of rows if they are
    `in_order`, otherwise of pictures.
    """
    known = ~np.isnan(scores)
    order = np.argsort(-scores[known], kind="stable")
    falling, truth = scores[known][order], labels[known][order]
    last = np.append(falling[1:] < falling[:-1], True)  # those of one score are flagged together
    hits, flagged = np.cumsum(truth)[last], np.flatnonzero(last) + 1
    quality = (1 + beta**2) * hits / (flagged + beta**2 * truth.sum())
    best, levels = int(np.argmax(quality)), falling[last]
    below = levels[best + 1] if best + 1 < len(levels) else levels[best] - 1
    note = f"F{beta:g} is {quality[best]:.3f} with {int(truth.sum())} labelled {'rows' if in_order else 'pictures'}"
    return Threshold(float((levels[best] + below) / 2), "labels", None, len(falling), note)


def cheapest_threshold(
    anomalies: FloatArray, normal: FloatArray, *, cost: float, n: int, in_order: bool = True
) -> Threshold:
    """The threshold at which missed anomalies and false alarms cost least; of several the highest.

    False alarms are counted on normal scores that no network was trained on, and taken to come as often in all `n`
    rows or images. A lower threshold is not credited with fewer of them because alarms run into each other.

    `anomalies` `(n_anomalies,)` are the largest scores of labelled anomalies, `normal` `(m,)` those of normal rows or
    images, where NaN is left out; `cost` is that of a missed anomaly in false alarms. With `in_order`, `normal` are
    rows in time order, and a run of flagged ones is one alarm.
    """
    normal = normal[~np.isnan(normal)]
    levels = np.unique(normal)
    if len(levels) > _MOST_LEVELS:
        levels = np.quantile(normal, 1 - np.geomspace(1 / len(normal), 1, _MOST_LEVELS))
    levels = np.unique(np.concatenate([levels, anomalies[np.isfinite(anomalies)]]))[::-1]
    tried = np.concatenate([[levels[0] + 1], (levels + np.append(levels[1:], levels[-1] - 1)) / 2])
    alarms = [len(cluster_peaks(normal, each)) if in_order else int((normal > each).sum()) for each in tried.tolist()]
    n_false = np.maximum.accumulate(alarms) * n / max(len(normal), 1)
    n_missed = np.array([(anomalies <= each).sum() for each in tried.tolist()])
    best = int(np.argmin(cost * n_missed + n_false))
    note = f"{n_missed[best]} of {len(anomalies)} labelled anomalies missed, {n_false[best]:.3g} false alarms expected"
    return Threshold(float(tried[best]), "labels", None, len(normal), note)


def check_label_parameters(label_classifier: object, label_beta: Any, label_cost: Any) -> LabelTuning:
    """How labels choose thresholds; refuses what is no switch, or no positive number.

    Raises
    ------
    ParameterError
        By name and value.
    """
    if not isinstance(label_classifier, bool | np.bool_):
        raise ParameterError(f"`label_classifier` (={label_classifier!r}) must be True or False")
    if not _is_positive(label_beta):
        raise ParameterError(f"`label_beta` (={label_beta!r}) must be a positive number; 1 is the F1 score")
    if label_cost is not None and not _is_positive(label_cost):
        raise ParameterError(
            f"`label_cost` (={label_cost!r}) must be a positive number, such as 20 if a missed anomaly costs as much "
            "as 20 false alarms, or None for the best F-beta"
        )
    return LabelTuning(float(label_beta), None if label_cost is None else float(label_cost))


def _is_positive(value: Any) -> bool:
    return is_number(plain(value)) and bool(value > 0)


def chosen_learner(
    threshold: Any, label_beta: Any, label_cost: Any, *, own: tuple[float, float | None], has_anomalies: bool
) -> Any:
    """How a threshold is to be learned where rows may be labelled: a `LabelTuning`, or what `threshold` says.

    `threshold`, `label_beta` and `label_cost` are `None` unless stated. A stated number says what labels choose by; if
    nothing is stated, labels choose if there are anomalies, and else "pot" does. `own` are the estimator's `label_beta`
    and `label_cost`, for what is not stated.

    Raises `ParameterError` if these clash, are no positive numbers, or labels are to choose and mark no anomaly.
    """
    numbers = zip(LABEL_METHODS, (label_beta, label_cost), strict=True)
    stated = {name: value for name, value in numbers if value is not None}
    if threshold is None and not stated and not has_anomalies:
        return "pot"
    usual = "label_beta" if own[1] is None else "label_cost"
    method = next(iter(stated), usual) if threshold is None else threshold
    for name in stated:
        if name != method:
            rest = f"`threshold` (={threshold!r})" if threshold is not None else f"`{method}` (={stated[method]!r})"
            raise ParameterError(f"`{name}` (={stated[name]!r}) clashes with {rest}; state one of them")
    if method not in LABEL_METHODS:
        return threshold
    if not has_anomalies:
        raise ParameterError(
            f"`threshold` (={method!r}) chooses by labelled anomalies, and no row is labelled 1; pass `annotations`, "
            "with some rows marked 1, or choose another `threshold`, such as 'pot'"
        )
    if method == "label_beta":
        return check_label_parameters(False, stated.get(method, own[0]), None)
    cost = stated.get(method, own[1])
    if cost is None:
        raise ParameterError(
            "`threshold` (='label_cost') needs the cost of a missed anomaly in false alarms; state `label_cost`, such "
            "as 20"
        )
    return check_label_parameters(False, 1.0, cost)


def checked_labels(labels: Any, n: int, *, name: str = "annotations") -> FloatArray:
    """Labels `(n,)` as 1 for anomalous, 0 for normal and NaN for unknown.

    Raises `DataError` if there is not one for each, or one is neither 0, 1, −1 nor NaN.
    """
    try:
        values = np.asarray(labels, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"`{name}` must be numbers ({error}); 1 is anomalous, 0 normal, -1 or NaN unknown") from error
    if values.shape != (n,):
        raise DataError(f"`{name}` has shape {values.shape}; pass one label for each of the {n} rows or images")
    unknown = np.isnan(values) | (values == -1)
    nonsense = ~(unknown | np.isin(values, (0, 1)))
    if nonsense.any():
        place = int(np.argmax(nonsense))
        raise DataError(
            f"`{name}` holds {values[place]:g} at position {place}; 1 is anomalous, 0 normal, -1 or NaN unknown"
        )
    return np.where(unknown, np.nan, values)


def labels_of_parts(labels: Any, lengths: Sequence[int], *, is_fleet: bool) -> list[FloatArray]:
    """Labels of each series of a fleet, or of the only one; all unknown if they are `None`.

    Raises
    ------
    DataError
        As `checked_labels`, or if there are not as many parts as series.
    """
    if labels is None:
        return [np.full(n, np.nan) for n in lengths]
    if not is_fleet:
        return [checked_labels(labels, lengths[0])]
    if not isinstance(labels, Sequence) or len(labels) != len(lengths):
        raise DataError(f"`annotations` must be a list of {len(lengths)}, one for each series")
    parts = enumerate(zip(labels, lengths, strict=True))
    return [checked_labels(part, n, name=f"annotations[{number}]") for number, (part, n) in parts]


def refuse_without_anomalies(is_anomaly: NDArray[np.bool_]) -> None:
    """Refuse to train a classifier on one kind only.

    Raises `ParameterError` if nothing or everything is labelled anomalous.
    """
    if not is_anomaly.any() or is_anomaly.all():
        raise ParameterError(
            "`label_classifier` (=True) learns from labelled anomalies among others; pass `annotations` that hold some "
            "1 and some other, or leave it False"
        )


def annotations_of(annotations: Any, labels: Any) -> Any:
    """What was said of rows, under the name of today or under the former one.

    Raises
    ------
    ParameterError
        If both are given.
    """
    if annotations is not None and labels is not None:
        raise ParameterError("`labels` is the former name of `annotations`; pass `annotations` only")
    return labels if annotations is None else annotations
