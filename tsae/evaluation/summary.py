"""Every figure about one score at once, as a flat row for a table."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tsae.evaluation.flags import (
    EventPrecisionRecall,
    PrecisionRecall,
    affiliation_precision_recall,
    event_precision_recall,
    point_precision_recall,
    range_precision_recall,
    time_to_detect,
)
from tsae.evaluation.inputs import BoolArray, FloatArray, check_labels, check_scores, segments
from tsae.evaluation.ranking import PointAdjustedF1, auc_pr, auc_roc, oracle_f1, pa_percent_k, point_adjusted_f1
from tsae.evaluation.vus import vus

__all__ = ["evaluate"]


def evaluate(
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    *,
    threshold: float | None = None,
    window: int = 100,
) -> dict[str, float]:
    """All metrics of this package, each at the defaults of its own function.

    Parameters
    ----------
    labels : (n_timesteps,) in {0, 1}
    scores : (n_timesteps,), higher = more anomalous
    threshold : rows with a greater score are flagged; without one, only what needs none is computed
    window : largest tolerance of the volumes under the surface, in rows

    Returns
    -------
    dict
        Figures by name, NaN where undefined (see each function). `anomaly_ratio` is a random score's
        `auc_pr`. Names that begin with "oracle" used the labels to pick the threshold. Point-adjusted figures
        stand beside a random score's. `median_time_to_detect` is in rows, over the events that were found.

    Raises
    ------
    DataError
        If labels are not 0/1, lengths differ, or a score is NaN or infinite.
    ParameterError
        If `window` is negative or `threshold` is NaN.

    Examples
    --------
    >>> figures = evaluate([0, 0, 1, 1, 0, 0], [0.1, 0.2, 0.9, 0.4, 0.5, 0.1], threshold=0.6, window=2)
    >>> figures["recall"], figures["event_recall"], figures["median_time_to_detect"]
    (0.5, 1.0, 0.0)
    """
    truth = check_labels(labels)
    values = check_scores(scores, len(truth))
    volume = vus(truth, values, window)
    figures = {
        "anomaly_ratio": float(truth.mean()),
        "n_events": float(len(segments(truth)[0])),
        "vus_pr": volume.pr,
        "vus_roc": volume.roc,
        "auc_pr": auc_pr(truth, values),
        "auc_roc": auc_roc(truth, values),
        "oracle_f1": oracle_f1(truth, values).f1,
        **_point_adjusted(truth, values, None),
    }
    return figures if threshold is None else figures | _at_threshold(truth, values, threshold)


def _at_threshold(truth: BoolArray, scores: FloatArray, threshold: float) -> dict[str, float]:
    flags = scores > threshold
    events = event_precision_recall(truth, flags)
    delays = time_to_detect(truth, flags)
    found = delays[np.isfinite(delays)]
    return {
        **_named("", point_precision_recall(truth, flags)),
        **_named("event_", events),
        "n_false_alarms": float(events.n_false_alarms),
        "median_time_to_detect": float(np.median(found)) if len(found) else float("nan"),
        **_named("range_", range_precision_recall(truth, flags)),
        **_named("affiliation_", affiliation_precision_recall(truth, flags)),
        **_point_adjusted(truth, scores, threshold),
    }


def _named(prefix: str, pair: PrecisionRecall | EventPrecisionRecall) -> dict[str, float]:
    return {f"{prefix}precision": pair.precision, f"{prefix}recall": pair.recall, f"{prefix}f1": pair.f1}


def _point_adjusted(truth: BoolArray, scores: FloatArray, threshold: float | None) -> dict[str, float]:
    prefix = "oracle_" if threshold is None else ""
    figures: dict[str, PointAdjustedF1] = {
        f"{prefix}point_adjusted_f1": point_adjusted_f1(truth, scores, threshold=threshold),
        f"{prefix}pa_20_f1": pa_percent_k(truth, scores, k=20, threshold=threshold),
    }
    row = {}
    for name, figure in figures.items():
        row[name] = figure.f1
        row[f"{name}_of_random_score"] = figure.random_f1
    return row
