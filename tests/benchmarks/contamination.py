"""What unlabelled faults in the training rows cost: `python -m tests.benchmarks.contamination`.

Faults of all kinds, 20 to 80 rows long, are put into a share of the training rows of made-up plants, and of the series
in a folder if one is given (those whose training rows are not labelled as faulty). The same network is fitted with
and without `robust`; the test rows are the same every time. Printed is the mean loss of VUS-PR against training on the
clean rows without `robust`, and what threshold and false alarms become.

    python -m tests.benchmarks.contamination                       six plants: about an hour on a busy core
    python -m tests.benchmarks.contamination --plants 2 --shares 0 0.05
    python -m tests.benchmarks.contamination FOLDER --series a/b c/d
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from tests.benchmarks.plants import Plant, inject_share
from tsae import AnomalyDetector
from tsae.evaluation.vus import vus_pr

Array = NDArray[Any]
SENSORS = (1, 3, 5, 8, 20, 20)
N_ROWS = 3000


class Case(NamedTuple):
    name: str
    training: Array
    test: Array
    labels: Array


class Outcome(NamedTuple):
    vus: float
    threshold: float
    false_alarms: float


def plants(n_plants: int) -> Iterator[Case]:
    for number in range(n_plants):
        n_sensors = SENSORS[number % len(SENSORS)]
        plant = Plant(n_sensors, number)
        test, labels, _ = inject_share(plant.rows(N_ROWS, 1000 + number), 0.05, 3000 + number)
        yield Case(f"plant {number}, {n_sensors} sensors", plant.rows(N_ROWS, 2000 + number), test, labels)


def series(folder: Path, names: list[str]) -> Iterator[Case]:
    for name in names:
        training, test = (pd.read_csv(folder / name / f"{part}.csv.gz") for part in ("train", "test"))
        if "label" in training and (training["label"] > 0).any():
            continue
        sensors = [column for column in test if column not in ("timestamp", "label")]
        yield Case(name, training[sensors].to_numpy(float), test[sensors].to_numpy(float), test["label"].to_numpy() > 0)


def outcome(case: Case, training: Array, *, robust: bool, preset: str) -> Outcome:
    detector = AnomalyDetector(preset=preset, robust=robust, random_state=0).fit(training)
    scores = -detector.score_samples(case.test)
    near = np.convolve(case.labels, np.ones(201), mode="same") > 0  # what smoothing smears is no false alarm
    return Outcome(
        vus_pr(case.labels, scores), detector.threshold_, float((scores > detector.threshold_)[~near].mean())
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--series", nargs="*", default=[])
    parser.add_argument("--plants", type=int, default=6)
    parser.add_argument("--shares", nargs="*", type=float, default=[0.0, 0.01, 0.05, 0.1])
    parser.add_argument("--preset", default="alone")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cases = series(arguments.folder, arguments.series) if arguments.folder else plants(arguments.plants)
    losses: dict[tuple[float, bool], list[tuple[float, float, float]]] = {}
    for case in cases:
        clean = outcome(case, case.training, robust=False, preset=arguments.preset)
        print(f"{case.name}: clean {clean.vus:.3f}", flush=True)
        for share in arguments.shares:
            dirty = inject_share(case.training, share, 4000)[0] if share else case.training
            for robust in (False, True):
                known = not share and not robust
                found = clean if known else outcome(case, dirty, robust=robust, preset=arguments.preset)
                row = (clean.vus - found.vus, found.threshold / clean.threshold, found.false_alarms)
                losses.setdefault((share, robust), []).append(row)
                print(f"  {share:5.0%} robust={robust!s:5} {found.vus:.3f} threshold {found.threshold:.2f}", flush=True)
    print(
        "\n| training rows faulty | robust | mean loss of VUS-PR | threshold, of the clean one | rows falsely flagged |"
    )
    print("|---|---|---|---|---|")
    for (share, robust), rows in losses.items():
        loss, ratio, false = np.mean(rows, axis=0)
        print(f"| {share:.0%} | {'yes' if robust else 'no'} | {loss:+.3f} | {ratio:.2f} | {false:.4f} |")


if __name__ == "__main__":
    main()
