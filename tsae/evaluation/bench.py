"""The benchmark: many detectors on many labelled series, on all cores, resumed where it was interrupted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import joblib  # type: ignore[import-untyped]

from tsae.checks import evenly
from tsae.errors import ParameterError, TrainingError
from tsae.evaluation.catalogue import SeriesFiles
from tsae.evaluation.model_specs import ModelSpec, parse_model
from tsae.evaluation.protocol import DONE, REFUSED, Job, Row, run_job
from tsae.evaluation.results import BenchmarkResult
from tsae.evaluation.results_file import KEY, ResultsFile

__all__ = ["run_benchmark"]

Key = tuple[str, str, str, int]


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
    todo = [left for job in jobs if (left := _without(job, finished)) is not None]
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
            for number, seed in enumerate(seeds if spec.takes_seed else seeds[:1]):
                yield Job(files, spec, seed, _variants(spec, lags), check=files.name in sample and number == 0)


def _variants(spec: ModelSpec, lags: Sequence[int | str]) -> dict[str, int | str | None]:
    if not (lags and spec.is_own):
        return {spec.label: None}
    return {f"{spec.label} at lag {lag}": lag for lag in lags}


def _without(job: Job, finished: set[Key]) -> Job | None:
    """The part of a job that is not finished; `None` if nothing is left."""
    files = job.files
    left = {
        name: lag for name, lag in job.variants.items() if (files.family, files.series, name, job.seed) not in finished
    }
    return Job(files, job.spec, job.seed, left, job.check) if left else None


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
    wanted = {(job.files.family, job.files.series, name, job.seed) for job in jobs for name in job.variants}
    rows = file.read()
    mine = [key in wanted for key in rows[list(KEY)].itertuples(index=False, name=None)]
    models = dict.fromkeys(name for job in jobs for name in job.variants)
    return BenchmarkResult(rows[mine].reset_index(drop=True), tuple(models))
