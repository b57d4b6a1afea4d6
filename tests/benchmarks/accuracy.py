"""How well the default detects on labelled series, beside the recipe that it started from.

For every series one fit (training rows, no labels, nothing set per series), scored at the full lag, at lag 16 and at
once, and scored by the recipe (`tests.benchmarks.recipe_c`) from the same networks. An interrupted run goes on where it
was.

    python -m tests.benchmarks.accuracy FOLDER --out accuracy.csv --jobs 2 --against REFERENCE.csv
    python -m tests.benchmarks.accuracy FOLDER --out accuracy.csv --seeds 0 1 2              the spread over seeds
    python -m tests.benchmarks.accuracy FOLDER --out conv.csv --architecture conv --preset fast  another network
    python -m tests.benchmarks.accuracy FOLDER --out best.csv --preset best --per-family 5       some of the series
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import torch

from tests.benchmarks.recipe_c import recipe_c_scores
from tests.benchmarks.sampling import sampled
from tsae import AnomalyDetector
from tsae.evaluation.catalogue import SeriesFiles, find_series, read_series
from tsae.evaluation.compare import against_oracle, against_peers, leave_one_family_out, read_peers
from tsae.evaluation.ranking import auc_pr
from tsae.evaluation.results import DONE, ResultsFile
from tsae.evaluation.vus import vus

MODELS = {"default": "auto", "default, lag 16": 16, "default, lag 0": 0, "recipe C": None}


def figures(files: SeriesFiles, seed: int, preset: str, architecture: str) -> list[dict[str, Any]]:
    """Rows of results for one series: one fit, several ways to score."""
    torch.set_num_threads(1)
    series = read_series(files)
    started = time.process_time()
    detector = AnomalyDetector(preset=preset, architecture=architecture, random_state=seed).fit(series.train)
    fit_seconds = time.process_time() - started
    rows = []
    for model, lag in MODELS.items():
        started = time.process_time()
        if lag is None:
            scores = recipe_c_scores(detector, series.train, series.test)
        else:
            detector.model_ = detector.model_.at_lag(lag)
            scores = -detector.score_samples(series.test)
        rows.append(
            {
                "family": files.family,
                "series": files.series,
                "model": model,
                "seed": seed,
                "status": DONE,
                "n_train": len(series.train),
                "n_test": len(series.test),
                "n_channels": series.test.shape[1],
                "vus_pr": vus(series.labels, scores).pr,
                "auc_pr": auc_pr(series.labels, scores),
                "fit_seconds": fit_seconds,
                "score_seconds": time.process_time() - started,
            }
        )
    return rows


def table(results: pd.DataFrame) -> str:
    """VUS-PR by family and overall, AUC-PR overall, and seconds of the default."""
    results = results[results["model"].isin(MODELS)]
    by_family = results.pivot_table("vus_pr", "family", "model")[list(MODELS)]
    by_family.insert(0, "series", results.groupby("family")["series"].nunique())
    overall = results.groupby("model")["vus_pr"].mean()[list(MODELS)]
    auc = results.groupby("model")["auc_pr"].mean()[list(MODELS)]
    lines = {"all series": overall, "mean of families": by_family[list(MODELS)].mean(), "AUC-PR, all series": auc}
    rest = pd.DataFrame(lines).T
    rest.insert(0, "series", results["series"].nunique())
    short = results[(results["n_test"] <= 10_000) & (results["model"] == "default")]
    seconds = (short["fit_seconds"] + short["score_seconds"]).mean()
    text = pd.concat([by_family, rest]).round(3).to_string()
    return f"{text}\nfit and score, series of at most 10,000 test rows: {seconds:.1f} processor seconds on average"


def spread(results: pd.DataFrame) -> str:
    """Mean VUS-PR over series and over means of families, seed by seed."""
    results = results[results["model"].isin(MODELS)]
    over_series = results.pivot_table("vus_pr", "seed", "model")[list(MODELS)]
    by_family = results.pivot_table("vus_pr", ["seed", "family"], "model")[list(MODELS)]
    both = {"all series": over_series, "mean of families": by_family.groupby("seed").mean()}
    return pd.concat(both, names=["mean"]).round(3).to_string()


def comparison(results: pd.DataFrame, against: Path) -> str:
    """The default beside each other detector, and beside the best of them on each series, on the series of both."""
    figures = results.pivot_table("vus_pr", ["family", "series"], "model")[list(MODELS)]
    peers = read_peers(against)
    inductive = peers[peers["protocol"] != "T"]
    best = against_oracle(figures, inductive).round(3).to_string()
    return f"{against_peers(figures, inductive).round(3).to_string()}\nbest of them on each series:\n{best}"


def choice(results: pd.DataFrame) -> str:
    """What choosing between the default and the recipe is worth when the family that is scored has no say."""
    figures = results.pivot_table("vus_pr", ["family", "series"], "model")[["default", "recipe C"]]
    return leave_one_family_out(figures).round(3).to_string()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("accuracy.csv"))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--only", nargs="+", default=(), metavar="FAMILY/SERIES")
    parser.add_argument("--max-test-rows", type=int)
    parser.add_argument("--per-family", type=int, metavar="N", help="series of each family, drawn at random")
    parser.add_argument("--preset", default="balanced")
    parser.add_argument("--architecture", default="dense")
    parser.add_argument("--against", type=Path, help="results of other detectors, CSV: detector,family,series,vus_pr")
    given = parser.parse_args(arguments)
    file = ResultsFile(given.out)
    done = set(file.read()[["family", "series", "seed"]].itertuples(index=False, name=None))
    found = find_series(given.folder, only=given.only, max_test_rows=given.max_test_rows)
    series = sampled(found, given.per_family, seed=0)
    todo = [
        (files, seed)
        for seed in given.seeds
        for files in sorted(series, key=lambda files: files.n_bytes)
        if (files.family, files.series, seed) not in done
    ]
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        jobs = (joblib.delayed(figures)(files, seed, given.preset, given.architecture) for files, seed in todo)
        for rows in joblib.Parallel(n_jobs=given.jobs, return_as="generator_unordered")(jobs):
            file.append(rows)
            print(rows[0]["family"], rows[0]["series"], *(f"{row['vus_pr']:.3f}" for row in rows), flush=True)
    results = file.read()
    results = results[results["seed"].isin(given.seeds)]
    print(table(results))
    if len(given.seeds) > 1:
        print(spread(results))
    print(choice(results))
    if given.against is not None:
        print(comparison(results, given.against))


if __name__ == "__main__":
    main()
