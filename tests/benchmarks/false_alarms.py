"""False alarms asked for and false alarms had: `python -m tests.benchmarks.false_alarms FOLDER`.

For every labelled series `AnomalyDetector(preset="fast", random_state=0)` is fitted on the training rows, thresholds
are learned from its held-out rows, and the test rows are scored. False alarms are counted on normal test rows further
than two windows from any anomaly. Budgets of rows are kept on unsmoothed scores, budgets of alarms on smoothed ones.
Learners but "recent", which `detect`, `tsae score` and streams use, are static. "training rows" is the usual way,
the quantile of the scores of all training rows; "labels" may use the labels: the static threshold that keeps the budget
on the normal test rows.

within    share of series within a factor of 2 of the budget, of those in which at least four false alarms are expected
          (at the last budget, of all); above: share with more than twice the budget
pooled    false alarms of all series over the budget of all series
recall, coverage, alarms    anomalies with a flagged row, flagged share of anomalous rows, alarms per 10,000 rows; in
          brackets those of the static threshold that the labels bring to the same false alarms as the learner had
chance    recall if the flags are shifted by a quarter, half and three quarters of the series

Scores are kept in a folder, from which an interrupted run goes on; empty it after changes to the detector.

    python -m tests.benchmarks.false_alarms FOLDER --sample 4 --scores SCORES
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tests.benchmarks.series_scores import Array, Flags, Scores, asked, read_scores
from tsae.alarms.thresholds import METHODS, RecentThreshold, Target, learn_threshold, parse_budget
from tsae.alarms.thresholds.threshold import MERGE_GAP

WINDOW = 64  # rows of the longest window of most models
BUDGETS = {"1%": 4, "0.1%": 4, "5 per 10000 rows": 4, "1 per 10000 rows": 0}
"""And the least false alarms that are expected of a series that counts."""


def target_of(budget: str) -> Target:
    parsed = parse_budget(budget)
    return Target(parsed.rate(None), parsed.counts)


def learned(method: str, part: str, scores: Scores, budget: str) -> float:
    return learn_threshold(getattr(scores, part), method=method, false_alarm_rate=budget).value


def recent(scores: Scores, budget: str) -> Array:
    """What a detector with its default threshold does to rows in time order."""
    return RecentThreshold(scores.held_out, target_of(budget), WINDOW).thresholds(scores.test)


def of_labels(scores: Scores, budget: str) -> float:
    target = target_of(budget)
    return static_with(scores, target, target.rate * np.count_nonzero(scores.normal))


def static_with(scores: Scores, target: Target, n_false: float) -> float:
    """The static threshold with so many false alarms on the normal test rows.

    For alarms, the lowest above which there are nowhere more; if there are nowhere so many, the one with the most.
    """
    normal = scores.test[scores.normal]
    if target.counts == "rows":
        return float(np.quantile(normal, 1 - n_false / len(normal)))
    tried = np.quantile(normal, 1 - np.append(0.0, np.geomspace(1e-5, 0.5, 150)))
    counts = np.array([n_false_alarms(scores.test > value, scores.normal, target) for value in tried])
    counts = counts[: np.argmax(np.append(counts, np.inf) > n_false)]
    return float(tried[len(counts) - 1 - np.argmax(counts[::-1])])


LEARNERS: dict[str, Callable[[Scores, str], Array | float]] = {
    "training rows": partial(learned, "quantile", "train"),
    **{method: partial(learned, method, "held_out") for method in METHODS},
    "recent": recent,
    "labels": of_labels,
}


def starts(flags: Flags) -> NDArray[np.intp]:
    """First rows of alarms."""
    rows = np.flatnonzero(flags)
    return rows[np.diff(rows, prepend=-MERGE_GAP - 2) > MERGE_GAP + 1]


def n_false_alarms(flags: Flags, normal: Flags, target: Target) -> int:
    return int(np.count_nonzero(normal[starts(flags)] if target.counts == "episodes" else flags & normal))


def guards(flags: Flags, labels: Flags) -> dict[str, float]:
    edges = np.flatnonzero(np.diff(labels, prepend=False, append=False)).reshape(-1, 2)
    return {
        "recall": float(np.mean([flags[first:stop].any() for first, stop in edges])) if len(edges) else np.nan,
        "coverage": float(flags[labels].mean()) if len(edges) else np.nan,
        "alarms": len(starts(flags)) / len(flags) * 10_000,
    }


def figures(scores: Scores, budget: str, learner: str) -> dict[str, object]:
    """What one learner does on one series."""
    target = target_of(budget)
    flags = scores.test > LEARNERS[learner](scores, budget)
    n_false, n_wanted = n_false_alarms(flags, scores.normal, target), target.rate * np.count_nonzero(scores.normal)
    beside = guards(scores.test > static_with(scores, target, n_false), scores.labels)
    quarters = [len(flags) * quarter // 4 for quarter in (1, 2, 3)]
    return {
        "budget": budget,
        "learner": learner,
        "n_false": n_false,
        "n_wanted": n_wanted,
        "within": n_wanted / 2 <= n_false <= 2 * n_wanted,
        "above": n_false > 2 * n_wanted,
        **guards(flags, scores.labels),
        **{f"{name} (labels)": value for name, value in beside.items()},
        "chance": float(np.mean([guards(np.roll(flags, rows), scores.labels)["recall"] for rows in quarters])),
    }


def real(paths: Sequence[Path]) -> pd.DataFrame:
    rows = []
    for path in paths:
        for budget, least in BUDGETS.items():
            scores = read_scores(path, "unsmoothed" if target_of(budget).counts == "rows" else "settled")
            if np.count_nonzero(scores.normal) * target_of(budget).rate >= max(least, 1e-9):
                rows += [{"series": path.stem, **figures(scores, budget, learner)} for learner in LEARNERS]
    return pd.DataFrame(rows)


def stationary(n_series: int = 100) -> pd.DataFrame:
    """900 held-out and 10,000 later rows of one distribution, independent or each like the one before."""
    rng, rows = np.random.default_rng(0), []
    for name, memory in (("independent", 0.0), ("autocorrelation .9", 0.9)):
        for _ in range(n_series):
            noise = rng.standard_normal(10_900)
            for row in range(1, len(noise)) if memory else ():
                noise[row] = memory * noise[row - 1] + np.sqrt(1 - memory**2) * noise[row]
            known, later, none = noise[:900] ** 2, noise[900:] ** 2, np.zeros(10_000, dtype=bool)
            scores = Scores(known, known, later, none, ~none)
            rows += [{"scores": name, **figures(scores, "1%", each)} for each in (*METHODS, "recent", "labels")]
    return pd.DataFrame(rows)


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Means over series, a line a learner."""
    means = [
        "within",
        "above",
        "recall",
        "recall (labels)",
        "coverage",
        "coverage (labels)",
        "alarms",
        "alarms (labels)",
    ]
    groups = results.groupby("learner", sort=False)
    found = groups[[*means, "chance"]].mean()
    found.insert(2, "pooled", groups["n_false"].sum() / groups["n_wanted"].sum())
    return found.round(3)


def main(arguments: Sequence[str] | None = None) -> None:
    paths, out = asked(__doc__, arguments)
    results = real(paths)
    if out:
        results.to_csv(out, index=False)
    for budget, part in results.groupby("budget", sort=False):
        print(f"\n{budget}, {part['series'].nunique()} series\n{table(part).to_string()}", flush=True)
    for name, part in stationary().groupby("scores"):
        print(f"\nstationary, 1%, {name}\n{table(part)[['within', 'pooled']].to_string()}")


if __name__ == "__main__":
    main()
