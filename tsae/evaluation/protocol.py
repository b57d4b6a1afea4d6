"""One detector on one series, inductively: fitted on training rows, no statistic of the rows it scores.

Whether a detector keeps to that can be seen from outside: when the second half of the test rows is left out, the
scores of the rows well before it must stay what they were.
"""

from __future__ import annotations

import io
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import threadpoolctl  # type: ignore[import-untyped]

from tsae.errors import ParameterError
from tsae.evaluation.catalogue import LabelledSeries, SeriesFiles, read_series
from tsae.evaluation.contender import Contender
from tsae.evaluation.events import event_precision_recall
from tsae.evaluation.inputs import FloatArray, check_scores
from tsae.evaluation.model_specs import ModelSpec
from tsae.evaluation.ranking import auc_pr, auc_roc
from tsae.evaluation.vus import vus

__all__ = ["DONE", "FAILED", "REFUSED", "Job", "NotInductiveError", "Row", "check_inductive", "run_job"]

DONE, FAILED, REFUSED = "done", "failed", "refused"
_MARGIN = 0.25  # of the rows before the cut, for detectors that do not state their lag
_RELATIVE, _OF_SPREAD = 1e-3, 1e-3  # how far scores may differ: blocks of other sizes are rounded otherwise

Row = dict[str, Any]
"""One line of the results file."""


class NotInductiveError(ParameterError):
    """A detector's scores depend on statistics of the rows it scores."""


@dataclass(frozen=True)
class Job:
    """One fit, scored at one lag or more."""

    files: SeriesFiles
    spec: ModelSpec
    seed: int
    variants: dict[str, int | str | None]
    """The names under which results are kept, each with its lag; `None` is the detector's own."""
    check: bool = False
    """Whether to find out that no test statistics are used."""


def run_job(job: Job) -> list[Row]:
    """Rows of results, one a variant; whatever goes wrong becomes rows that say so. Uses one thread."""
    key = {"family": job.files.family, "series": job.files.series, "seed": job.seed}
    with _in_silence(), threadpoolctl.threadpool_limits(limits=1):
        try:
            return [{**key, "status": DONE, **figures} for figures in _run(job)]
        except NotInductiveError as error:
            outcome = {"status": REFUSED, "error": str(error)}
        except Exception as error:  # noqa: BLE001 (whatever a detector raises is its result; the others go on)
            outcome = {"status": FAILED, "error": f"{type(error).__name__}: {error}"}
    return [{**key, "model": name, **outcome} for name in job.variants]


def check_inductive(contender: Contender, test: FloatArray, scores: FloatArray) -> bool:
    """Refuse a fitted detector whose scores depend on rows that they must not depend on.

    Parameters
    ----------
    contender : Contender
    test : (n_test, n_channels)
    scores : (n_test,), what it gave all of the test rows

    Returns
    -------
    bool
        False if the series is too short to tell: no row is further than the detector's lag (a quarter, if it
        does not state one) before the middle.

    Raises
    ------
    NotInductiveError
        If earlier scores change when the second half is left out.
    """
    n_half = len(test) // 2
    n_rows = n_half - (int(_MARGIN * n_half) if contender.lag is None else contender.lag)
    if n_rows < 1:
        return False
    whole, halved = scores[:n_rows], contender.score(test[:n_half])[:n_rows]
    change = np.abs(whole - halved)
    if (change > _RELATIVE * np.abs(whole) + _OF_SPREAD * np.std(whole)).any():
        raise NotInductiveError(
            f"uses statistics of the rows it scores: without the rows after row {n_half}, the scores of rows 0 to "
            f"{n_rows} change by up to {change.max():.3g}; learn scales and ranks from the training rows"
        )
    return True


@contextmanager
def _in_silence() -> Iterator[None]:
    """Drop warnings, progress bars and whatever else a detector says: many of them may talk at a time."""
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def _run(job: Job) -> Iterator[Row]:
    """Fit once, score at every lag. Times are processor seconds: what else the machine does must not count."""
    series = read_series(job.files)
    contender = Contender(job.spec, job.seed)
    if job.spec.is_own:
        _warm_up()
    started = time.process_time()
    contender.fit(series.train)
    fit_seconds = time.process_time() - started
    for name, lag in job.variants.items():
        if lag is not None:
            contender.set_lag(lag)
        started = time.process_time()
        scores = check_scores(contender.score(series.test), len(series.test))
        seconds = {"fit_seconds": fit_seconds, "score_seconds": time.process_time() - started}
        checked = job.check and check_inductive(contender, series.test, scores)
        yield {"model": name, **_figures(series, scores, contender.threshold), **seconds, "checked": checked}


@cache
def _warm_up() -> None:
    """Load what the first fit of a process loads: that is no cost of a detector."""
    from tsae.detection.detector import AnomalyDetector

    AnomalyDetector(preset="fast", max_steps=1).fit(np.sin(np.arange(200.0))[:, None])


def _figures(series: LabelledSeries, scores: FloatArray, threshold: float | None) -> Row:
    labels = series.labels
    volume = vus(labels, scores)
    figures = {
        "n_train": len(series.train),
        "n_test": len(series.test),
        "n_channels": series.test.shape[1],
        "anomaly_ratio": float(labels.mean()),
        "vus_pr": volume.pr,
        "vus_roc": volume.roc,
        "auc_pr": auc_pr(labels, scores),
        "auc_roc": auc_roc(labels, scores),
    }
    if threshold is None:
        return figures
    flags = scores > threshold
    normal = flags[~labels]
    return {
        **figures,
        "flagged_normal": float(normal.mean()) if len(normal) else float("nan"),
        "event_recall": event_precision_recall(labels, flags).recall,
    }
