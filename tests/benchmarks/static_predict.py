"""How good the static threshold of `predict` is: `python -m tests.benchmarks.static_predict FOLDER --each N`.

FOLDER holds NOTES.csv, with the columns `family` and `series`, and for every series `FAMILY/SERIES/train.csv.gz` and
`test.csv.gz`, the latter with a column `label`. Up to N series of every family are taken, spread evenly.
`AnomalyDetector(random_state=0)` is fitted on each in one thread and predicts the test rows, with the threshold that
held-out rows alone give ("before") and with the one raised by later training rows ("now"). Means of series:

flagged      share of the normal rows that are flagged
hit          share of the anomalies, runs of labelled rows, with a flagged row at most a window before or after them
time         processor time of the refits on earlier rows, over that of all else in the fit; median of series

Rows of the table that are finished are kept in the file that `--results` names, and not measured again.
"""

from __future__ import annotations

import argparse
import csv
import logging
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from tests.benchmarks.event_quality import runs
from tests.benchmarks.series_scores import Array, Flags
from tsae import AnomalyDetector
from tsae.alarms.thresholds import learn_thresholds
from tsae.fitting import later_rows


def chosen(folder: Path, each: int) -> list[tuple[str, str]]:
    """Return family and name of up to `each` series of every family, spread evenly over it."""
    with (folder / "NOTES.csv").open() as file:
        rows = [(row["family"], row["series"]) for row in csv.DictReader(file)]
    found = []
    for family in sorted({name for name, _ in rows}):
        own = [row for row in rows if row[0] == family]
        places = np.unique(np.linspace(0, len(own) - 1, each).round().astype(int))
        found += [own[place] for place in places]
    return found


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path).drop(columns="timestamp", errors="ignore")


def figures(scores: Array, threshold: float, labels: Flags, window: int) -> tuple[float, float]:
    """Return the flagged share of the normal rows, and the share of the anomalies that are hit."""
    flags = scores > threshold
    hits = [flags[max(0, first - window) : last + 1 + window].any() for first, last in runs(labels).tolist()]
    return float(flags[~labels].mean()), float(np.mean(hits))


def measured(folder: Path) -> dict[str, Any]:
    """Fit on one series; return its figures under both thresholds and the share of time that the refits took."""
    train, test = read(folder / "train.csv.gz").drop(columns="label", errors="ignore"), read(folder / "test.csv.gz")
    labels = test.pop("label").to_numpy().astype(bool)
    spent, learn = 0.0, later_rows.learn_later_scores

    def timed(*args: Any, **options: Any) -> Any:
        nonlocal spent
        began = time.process_time()
        found = learn(*args, **options)
        spent = time.process_time() - began
        return found

    later_rows.learn_later_scores, began = timed, time.process_time()
    try:
        detector = AnomalyDetector(random_state=0).fit(train)
    finally:
        later_rows.learn_later_scores = learn
    whole = time.process_time() - began
    model, window = detector.model_, max(16, detector.window_size_)
    alone = learn_thresholds(model.calibration, "pot", detector.false_alarm_rate, model.period).settled.value
    scores = -detector.score_samples(test)
    before, now = (figures(scores, value, labels, window) for value in (alone, detector.threshold_))
    return {
        **{"threshold_before": alone, "threshold_now": detector.threshold_},
        **{"flagged_before": before[0], "hit_before": before[1], "flagged_now": now[0], "hit_now": now[1]},
        "time": spent / (whole - spent),
    }


def shown(results: pd.DataFrame) -> str:
    """Return the table as Markdown: a line for each family, and one for all series."""
    lines = ["| family | series | flagged before | now | hit before | now |", "|---|---|---|---|---|---|"]
    for name, group in [*results.groupby("family"), ("**all**", results)]:
        means = [group[column].mean() for column in ("flagged_before", "flagged_now", "hit_before", "hit_now")]
        lines.append(f"| {name} | {len(group)} | " + " | ".join(f"{value:.3f}" for value in means) + " |")
    return "\n".join([*lines, "", f"time of the refits: {results['time'].median():.1%}"])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--each", type=int, default=6, help="most series of a family")
    parser.add_argument("--results", type=Path, default=Path("static_predict.csv"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    done = pd.read_csv(asked.results).to_dict("records") if asked.results.exists() else []
    known = {(row["family"], row["series"]) for row in done}
    for family, series in chosen(asked.folder, asked.each):
        if (family, series) not in known:
            done.append({"family": family, "series": series, **measured(asked.folder / family / series)})
            pd.DataFrame(done).to_csv(asked.results, index=False)
            print(*done[-1].values(), flush=True)
    print(shown(pd.DataFrame(done)))


if __name__ == "__main__":
    main()
