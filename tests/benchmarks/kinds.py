"""Every kind of autoencoder, alone, on labelled series: `python -m tests.benchmarks.kinds [FOLDER]`.

Each kind is its recipe: no principal components beside the network, no members of another kind, all else at its
default. Beside them stand the default detector and two baselines. Fitted on training rows without labels, scored
without statistics of the scored rows. The pump data come first; FOLDER holds `<family>/<series>/{train,test}.csv`, or
whatever else `tsae bench` takes. What is finished is kept in the results file and not run again.

    python -m tests.benchmarks.kinds                                                    the pump data only
    python -m tests.benchmarks.kinds FOLDER --per-family 2 --max-test-rows 20000        a sample of a folder
    python -m tests.benchmarks.kinds FOLDER --jobs 2 --out kinds.csv                    all of it
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

import tsae
from tests.benchmarks.sampling import sampled
from tsae.detection.parameters.recipes import RECIPES
from tsae.evaluation.bench import run_benchmark
from tsae.evaluation.catalogue import SeriesFiles, find_series
from tsae.evaluation.results import BenchmarkResult

BESIDE = ("AnomalyDetector", "pca-windows", "zscore")
PUMP = ["vus_pr", "auc_pr", "auc_roc", "event_recall", "flagged_normal", "fit_seconds", "score_seconds"]
FOLDER = ["vus_pr", "family_mean", "auc_pr", "wins", "fit_seconds", "score_seconds"]


def pump() -> SeriesFiles:
    files = tsae.bundled_dataset("pump")
    return SeriesFiles("bundled", "pump", test=files.later, train=files.train)


def run(series: Sequence[SeriesFiles], given: argparse.Namespace) -> BenchmarkResult:
    def report(row: dict[str, Any], n_done: int, n_all: int) -> None:
        outcome = f"{row['vus_pr']:.3f}" if row["status"] == "done" else f"{row['status']}: {row['error']}"
        print(f"{n_done}/{n_all} {row['family']}/{row['series']} {row['model']} {outcome}", file=sys.stderr, flush=True)

    return run_benchmark(
        series, given.models, given.out, seeds=given.seeds, n_jobs=given.jobs, n_checked=given.check, report=report
    )


def show(title: str, table: pd.DataFrame, problems: Sequence[str]) -> None:
    print(f"\n{title}\n{table.round(3).to_string()}")
    for sentence in problems:
        print(f"! {sentence}")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", metavar="FOLDER")
    parser.add_argument("--models", nargs="+", default=[*RECIPES, *BESIDE], metavar="MODEL", help="as `tsae bench`")
    parser.add_argument("--out", type=Path, default=Path("kinds.csv"), help="results file")
    parser.add_argument("--per-family", type=int, metavar="N", help="series of each family, drawn at random")
    parser.add_argument("--max-test-rows", type=int, metavar="N", help="leave out longer series")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--jobs", type=int, default=1, help="processes, one thread each")
    parser.add_argument("--check", type=int, default=1, metavar="N", help="series to check the protocol on")
    given = parser.parse_args(arguments)
    result = run([pump()], given)
    own = {name: result.figures(name).mean() for name in PUMP if name in result.rows}
    show("pump", pd.DataFrame(own), result.problems())
    if given.folder is None:
        return
    series = find_series(given.folder, max_test_rows=given.max_test_rows)
    result = run(sampled(series, given.per_family, seed=0), given)
    figures = result.figures()
    show(f"{len(figures)} series", result.summary()[FOLDER], result.problems())
    show("VUS-PR by family", result.by_family(), ())


if __name__ == "__main__":
    main()
