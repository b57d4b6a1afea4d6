"""How good the alarms are: `python -m tests.benchmarks.alarms FOLDER [--jobs 2] [--per-family N] [--out FILE.csv]`.

One fit a series (training rows without labels, defaults, seed 0), and three ways to alarm on its test rows: `detect()`;
the simplest rule that follows (a score that exceeds the 97 % quantile of the latest 500 by 2 nats, nothing else); and
the static threshold of `predict`. Anomalies are the runs of labelled rows; a row is far if no anomaly is within twice
the longest window. Per series, then averaged:

far       share of far rows under alarm, mean and median
flagged   share of normal rows under alarm
onset     share of anomalies in which an alarm begins, from a window before to a window after
hit       share of anomalies that an alarm touches, also one that began long before
false     alarms that touch no anomaly, with a window of slack, per 10,000 normal rows of all series together
precision share of alarms that touch one: of all alarms, and the mean over series with alarms
budget    share of series with at most twice the budget of 1 false alarm per 10,000 normal rows (at least one allowed)
delay     rows from the start of an anomaly to the first alarm in it, at least 0, plus the lag of its score; median
alarms    number of all alarms

With --annotations, false alarms in the first half of the test rows are annotated as such, on series with at least six
in all; false alarms and onsets in the second half are counted before and after.

None of the figures means anything alone: one endless alarm keeps the budget, no alarm at all is never far.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tests.benchmarks.event_quality import runs
from tests.benchmarks.sampling import sampled
from tests.benchmarks.series_scores import Array, Flags
from tsae import Annotation, AnomalyDetector, Event
from tsae.alarms.lessons import lessons_of
from tsae.evaluation.catalogue import SeriesFiles, find_series, read_series

BUDGET = 1e-4
_LEAST_FALSE = 6
_MERGED = 8  # quiet rows between flagged ones of one alarm, for rules without events


def spans(flags: Flags, gap: int = 0) -> Array:
    """First row and one past the last of every run of flags, `(n, 2)`."""
    return np.asarray(runs(flags, gap) + np.array([0, 1]))


def judged(labels: Flags, flags: Flags, alarms: NDArray[Any], window: int) -> dict[str, float]:
    """Figures of one series; `alarms` are first rows and one past the last, `(n, 2)`.

    >>> labels, flags = np.arange(100) // 10 == 5, np.arange(100) // 5 == 10
    >>> found = judged(labels, flags, np.array([[50, 55], [10, 11]]), 4)
    >>> found["onset"], found["n_false"], found["far"]
    (1.0, 1, 0.0)
    """
    anomalies = spans(labels)
    counts = np.concatenate([[0], np.cumsum(labels)])
    rows = np.arange(len(labels))
    near = counts[np.minimum(rows + 2 * window + 1, len(labels))] - counts[np.maximum(rows - 2 * window, 0)]
    starts, stops = alarms[:, None, 0], alarms[:, None, 1]
    touches = (starts < anomalies[None, :, 1] + window) & (anomalies[None, :, 0] - window < stops)
    begins = (anomalies[None, :, 0] - window <= starts) & (starts < anomalies[None, :, 1] + window)
    n_false, n_normal = int((~touches.any(axis=1)).sum()), max(1, int((~labels).sum()))
    delays = [
        max(0, int(alarms[begins[:, place], 0].min()) - start)
        for place, start in enumerate(anomalies[:, 0].tolist())
        if begins[:, place].any()
    ]
    return {
        "far": float(flags[near == 0].mean()) if (near == 0).any() else np.nan,
        "flagged": float(flags[~labels].mean()),
        "onset": float(begins.any(axis=0).mean()),
        "hit": float(touches.any(axis=0).mean()),
        "precision": 1 - n_false / len(alarms) if len(alarms) else np.nan,
        "budget": n_false <= max(1.0, 2 * BUDGET * n_normal),
        "delay": float(np.median(delays)) if delays else np.nan,
        "n_alarms": len(alarms),
        "n_false": n_false,
        "n_normal": n_normal,
    }


def simplest_rule(scores: Array, before: Array, *, memory: int = 500, block: int = 16) -> Flags:
    """Rows whose score exceeds the 97 % quantile of the `memory` rows before their block, and 1, by 2 nats."""
    known = np.concatenate([np.resize(before[-memory:], memory), scores])
    seen = sliding_window_view(known, memory)[: len(scores) : block]
    usual = np.repeat(np.quantile(seen, 0.97, axis=1), block)[: len(scores)]
    return np.asarray(scores > np.maximum(usual, 1.0) + 2.0)


def figures(files: SeriesFiles) -> list[dict[str, Any]]:
    """Fit on one series, and judge each way to alarm."""
    torch.set_num_threads(1)
    series = read_series(files)
    labels = np.asarray(series.labels, dtype=bool)
    if labels.all() or not labels.any():
        return []
    detector = AnomalyDetector(random_state=0).fit(series.train)
    started = time.process_time()
    found = detector.detect(series.test)
    seconds = time.process_time() - started
    numbers = pd.Series(np.arange(len(found.scores)), index=found.scores.index)
    own = [(int(numbers[event.start]), int(numbers[event.stop]) + 1) for event in found.events]
    simple = simplest_rule(found.scores.to_numpy(), np.asarray(detector.calibration_.settled))
    static = detector.predict(series.test) == -1
    ways = {
        "detect": (found.labels.to_numpy(dtype=bool), np.array(own, dtype=np.int64).reshape(-1, 2)),
        "simplest rule": (simple, spans(simple, _MERGED)),
        "predict": (static, spans(static, _MERGED)),
    }
    about = {"family": files.family, "series": files.series, "seconds": seconds}
    window = max(detector.window_size_, 16)
    return [{**about, "way": way, **judged(labels, *alarms, window)} for way, alarms in ways.items()]


def answered(files: SeriesFiles) -> dict[str, Any] | None:
    """Annotate the false alarms of the first half of the rows; count what alarms in the second, before and after."""
    torch.set_num_threads(1)
    series = read_series(files)
    labels = np.asarray(series.labels, dtype=bool)
    if labels.all() or not labels.any():
        return None
    detector = AnomalyDetector(random_state=0).fit(series.train)
    window, anomalies = max(detector.window_size_, 16), spans(labels)
    test = series.test

    def is_false(event: Event) -> bool:
        return not ((event.start < anomalies[:, 1] + window) & (anomalies[:, 0] - window <= event.stop)).any()

    def second_half() -> tuple[int, int]:
        later = [event for event in detector.detect(test).events if event.start >= len(test) // 2]
        begun = [
            (anomalies[:, 0] - window <= event.start) & (event.start < anomalies[:, 1] + window) for event in later
        ]
        return sum(map(is_false, later)), int(np.any(begun, axis=0).sum()) if begun else 0

    false = [event for event in detector.detect(test).events if is_false(event)]
    if len(false) < _LEAST_FALSE:
        return None
    before = second_half()
    said = [Annotation.of_event(event, "false alarm") for event in false if event.start < len(test) // 2]
    detector.model_ = replace(detector.model_, lessons=lessons_of(said))
    counts = dict(zip(("false", "onsets", "false, after", "onsets, after"), (*before, *second_half()), strict=True))
    return {"family": files.family, "series": files.series, "annotated": len(said), **counts}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Means over series, a line a way."""
    groups = results.groupby("way", sort=False)
    means = groups[["far", "flagged", "onset", "hit", "budget"]].mean()
    means.insert(1, "far, median", groups["far"].median())
    sums = groups[["n_false", "n_normal", "n_alarms"]].sum()
    means["false"] = 1e4 * sums["n_false"] / sums["n_normal"]
    means["precision, all"] = 1 - sums["n_false"] / sums["n_alarms"]
    means["precision, mean"] = groups["precision"].mean()
    means["delay"] = groups["delay"].median()
    means["alarms"] = sums["n_alarms"]
    return means.round(3)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--per-family", type=int, metavar="N", help="series of each family, drawn at random")
    parser.add_argument("--max-test-rows", type=int, default=45_000)
    parser.add_argument("--only", nargs="+", default=(), metavar="FAMILY/SERIES")
    parser.add_argument("--out", type=Path, help="figures of every series, CSV")
    parser.add_argument("--annotations", action="store_true", help="what annotated false alarms change")
    given = parser.parse_args(arguments)
    series = sampled(
        find_series(given.folder, only=given.only, max_test_rows=given.max_test_rows), given.per_family, seed=0
    )
    rows: list[dict[str, Any]] = []
    if given.annotations:
        found = joblib.Parallel(n_jobs=given.jobs)(joblib.delayed(answered)(files) for files in series)
        counts = pd.DataFrame([each for each in found if each is not None])
        print(f"{counts.to_string(index=False)}\nall\n{counts.sum(numeric_only=True).to_string()}")
        return
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        jobs = (joblib.delayed(figures)(files) for files in sorted(series, key=lambda files: files.n_bytes))
        for part in joblib.Parallel(n_jobs=given.jobs, return_as="generator_unordered")(jobs):
            rows += part
    results = pd.DataFrame(rows)
    if given.out is not None:
        results.to_csv(given.out, index=False)
    print(f"{results['series'].nunique()} series\n{table(results).to_string()}")
    by_family = results[results["way"] == "detect"].groupby("family")
    print(by_family[["far", "onset", "precision", "budget"]].mean().round(2).to_string())


if __name__ == "__main__":
    main()
