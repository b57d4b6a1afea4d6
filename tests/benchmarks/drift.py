"""When sensors are told to have drifted: `python -m tests.benchmarks.drift FOLDER --sample N`.

Nothing is fitted: the values of training rows are the reference, and the first and the last 2,000 test rows of every
labelled series are held against it. A verdict on the last rows but not on the first ones is drift in the test set; one
on both is a training set that does not tell what normal is.

verdicts    series with a verdict, of those whose rows in question are anomalous to at most 5 %, to 5 to 50 %, or more
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tests.alarms.reference_drift import drift_between
from tests.benchmarks.series_scores import by_turns
from tsae.alarms.drift import Reference, fit_reference
from tsae.evaluation.catalogue import find_series, read_series

N_ROWS = 2000
FEWEST = 500


def verdict(reference: Reference, rows: np.ndarray) -> str:
    names = [f"x{place}" for place in range(rows.shape[1])]
    nothing = np.zeros(0)
    found = drift_between(nothing, np.ones(1), first=0.0, last=0.0, values=rows, inputs=reference, channels=names)
    return found.sensors[0].reason if found.sensors else ""


def measure(folder: Path, sample: int | None) -> pd.DataFrame:
    taken: dict[str, int] = {}
    found = []
    for files in by_turns(find_series(folder)):
        if sample is not None and taken.get(files.family, 0) >= sample:
            continue
        series = read_series(files)
        if len(series.test) < FEWEST:
            continue
        taken[files.family] = taken.get(files.family, 0) + 1
        reference = fit_reference([np.asarray(series.train, dtype=np.float64)])
        for place, part in (("first", slice(0, N_ROWS)), ("last", slice(-N_ROWS, None))):
            reason = verdict(reference, np.asarray(series.test, dtype=np.float64)[part])
            anomalous = float(series.labels[part].mean())
            facts = {"series": files.name, "family": files.family, "rows": place, "anomalous": anomalous}
            found.append({**facts, "verdict": reason})
    return pd.DataFrame(found)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sample", type=int, metavar="N", help="series of each family; all of them unless stated")
    given = parser.parse_args(arguments)
    results = measure(given.folder, given.sample)
    results["told"] = results["verdict"] != ""
    results["anomalous rows"] = pd.cut(
        results["anomalous"], [-1, 0.05, 0.5, 1], labels=["≤ 5 %", "5 to 50 %", "> 50 %"]
    )
    groups = results.groupby(["rows", "anomalous rows"], observed=True)["told"]
    print(groups.agg(verdicts="sum", series="count").to_string())
    quiet = results[results["told"] & (results["anomalous"] <= 0.05)]
    print(quiet[["series", "rows", "verdict"]].to_string(index=False))


if __name__ == "__main__":
    main()
