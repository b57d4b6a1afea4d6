"""How good a score is: metrics with their papers, their undefined cases, and their random baselines.

Everywhere, labels are `(n_timesteps,)` in {0, 1}, 1 = anomalous; scores are `(n_timesteps,)`, higher =
more anomalous; predictions are `(n_timesteps,)` in {0, 1}, 1 = flagged. NaN or infinite scores raise
`DataError`. A figure that the data do not define is NaN, never a number that could be averaged by mistake.
"""

from __future__ import annotations

from tsae.evaluation.flags import (
    EventPrecisionRecall,
    PrecisionRecall,
    affiliation_precision_recall,
    event_precision_recall,
    point_precision_recall,
    range_precision_recall,
    time_to_detect,
)
from tsae.evaluation.ranking import (
    OracleF1,
    PointAdjustedF1,
    auc_pr,
    auc_roc,
    oracle_f1,
    pa_percent_k,
    point_adjusted_f1,
)
from tsae.evaluation.resemblance import Resemblance, resemblance
from tsae.evaluation.summary import evaluate
from tsae.evaluation.vus import VolumeUnderSurface, vus, vus_pr, vus_roc

__all__ = [
    "EventPrecisionRecall",
    "OracleF1",
    "PointAdjustedF1",
    "PrecisionRecall",
    "Resemblance",
    "VolumeUnderSurface",
    "affiliation_precision_recall",
    "auc_pr",
    "auc_roc",
    "evaluate",
    "event_precision_recall",
    "oracle_f1",
    "pa_percent_k",
    "point_adjusted_f1",
    "point_precision_recall",
    "range_precision_recall",
    "resemblance",
    "time_to_detect",
    "vus",
    "vus_pr",
    "vus_roc",
]
