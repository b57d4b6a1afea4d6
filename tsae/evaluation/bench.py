"""The benchmark: many detectors on many labelled series, on all cores, resumed where it was interrupted.

Each is fitted on training rows and uses no statistic of the rows it scores. Whether a detector keeps to that can be
seen from outside: when the second half of the test rows is left out, the scores of the rows well before it must stay
what they were.
"""

from __future__ import annotations

import io
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import joblib  # type: ignore[import-untyped]
import numpy as np
import threadpoolctl  # type: ignore[import-untyped]

from tsae.checks import evenly
from tsae.errors import ParameterError, TrainingError
from tsae.evaluation.catalogue import LabelledSeries, SeriesFiles, read_series
from tsae.evaluation.contender import Contender, ModelSpec, parse_model
from tsae.evaluation.flags import event_precision_recall
from tsae.evaluation.inputs import FloatArray, check_scores
from tsae.evaluation.ranking import auc_pr, auc_roc
from tsae.evaluation.results import DONE, FAILED, KEY, REFUSED, BenchmarkResult, ResultsFile
from tsae.evaluation.vus import vus

__all__ = ["Job", "NotInductiveError", "Row", "check_inductive", "run_benchmark", "run_job"]

Key = tuple[str, str, str, int]
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

    def keys(self) -> dict[str, Key]:
        """What the result of each variant is known by, as in `KEY`."""
        return {name: (self.files.family, self.files.series, name, self.seed) for name in self.variants}

    def without(self, finished: Collection[Key]) -> Job:
        """The part that is not finished."""
        left = {name: self.variants[name] for name, key in self.keys().items() if key not in finished}
        return replace(self, variants=left)


def run_benchmark(
    series: Sequence[SeriesFiles],
    models: Sequence[str],
    out: Path,
    *,
    seeds: Sequence[int] = (0,),
    lags: Sequence[int | str] = (),
    n_jobs: int = -1,
    n_checked: int = 3,
    retry: bool = False,
    report: Callable[[Row, int, int], None] | None = None,
) -> BenchmarkResult:
    """Fit each model on the training rows of each series, score the test rows, and keep the figures.

    Parameters
    ----------
    series : sequence of SeriesFiles
        From `find_series`.
    models : sequence of str
        As `parse_model` reads them; the first one is what the others are compared with.
    out : Path
        Results file, CSV. What is finished in it is not run again, so that an interrupted benchmark goes on.
    seeds : sequence of int
        Each is one more fit; a model without `random_state` runs with the first one only.
    lags : sequence of int or "auto"
        Score each `AnomalyDetector` at each of these lags, from one fit; none for the model's own.
    n_jobs : int
        Processes; −1 for one a core. Each uses one thread.
    n_checked : int
        On how many of the series each model is checked for test statistics (see `check_inductive`), these series
        first; a model that is refused there does not run on the others.
    retry : bool
        Run again what failed or was refused.
    report : function, optional
        Called with each new row, how many rows there are so far, and how many there will be.

    Returns
    -------
    BenchmarkResult
        Of these series, models and seeds only, whatever else the file holds.

    Raises
    ------
    ParameterError
        If a model cannot be read or made.
    TrainingError
        If a process died; what was finished is in the file.
    """
    specs = {spec.label: spec for spec in map(parse_model, models)}
    for spec in specs.values():
        spec.make(seeds[0])
    file = ResultsFile(out)
    known = file.read()
    if retry:
        known = known[known["status"] == DONE]
    finished = set(known[list(KEY)].itertuples(index=False, name=None))
    refused = set(known.loc[known["status"] == REFUSED, "model"])
    jobs = list(_jobs(series, list(specs.values()), seeds, lags, n_checked))
    todo = [job for job in (job.without(finished) for job in jobs) if job.variants]
    n_done, n_all = 0, sum(len(job.variants) for job in todo)
    for is_sample in (True, False):
        some = [job for job in todo if job.check == is_sample and refused.isdisjoint(job.variants)]
        for rows in _in_parallel(some, n_jobs):
            file.append(rows)
            refused.update(row["model"] for row in rows if row["status"] == REFUSED)
            for row in rows:
                n_done += 1
                if report is not None:
                    report(row, n_done, n_all)
    return _result(file, jobs)


def _jobs(
    series: Sequence[SeriesFiles],
    specs: Sequence[ModelSpec],
    seeds: Sequence[int],
    lags: Sequence[int | str],
    n_checked: int,
) -> Iterator[Job]:
    """All fits, the largest series first, so that no core ends with a long one alone."""
    sample = {series[place].name for place in evenly(len(series), n_checked)}
    for files in sorted(series, key=lambda files: -files.n_bytes):
        for spec in specs:
            variants: dict[str, int | str | None] = {spec.label: None}
            if lags and spec.is_own:
                variants = {f"{spec.label} at lag {lag}": lag for lag in lags}
            for number, seed in enumerate(seeds if spec.takes_seed else seeds[:1]):
                yield Job(files, spec, seed, variants, check=files.name in sample and number == 0)


def _in_parallel(jobs: Sequence[Job], n_jobs: int) -> Iterator[list[Row]]:
    """Results as they come, in any order."""
    if n_jobs == 0:
        raise ParameterError("`n_jobs` (=0) must be a number of processes, or -1 for one a core")
    try:
        with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
            yield from joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered")(
                joblib.delayed(run_job)(job) for job in jobs
            )
    except BrokenProcessPool as error:
        raise TrainingError(
            f"a process died, mostly for want of memory ({error}); finished results are kept: run the same again, "
            "with fewer processes"
        ) from error


def _result(file: ResultsFile, jobs: Sequence[Job]) -> BenchmarkResult:
    wanted = {key for job in jobs for key in job.keys().values()}
    rows = file.read()
    mine = [key in wanted for key in rows[list(KEY)].itertuples(index=False, name=None)]
    models = dict.fromkeys(name for job in jobs for name in job.variants)
    return BenchmarkResult(rows[mine].reset_index(drop=True), tuple(models))


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
