"""Faults that lie in switches only: `python -m tests.benchmarks.switches`.

A tank is filled by one of two pumps, which take turns, and emptied by a valve that opens when it is full; a lamp is lit
on a timer. Level, flow and power are measured, the four switches are reported as 0 and 1. Faults change what one switch
reports and nothing else: no analog sensor shows them. VUS-PR of the default detector by kind of fault, mean and least
over generated plants, with the time constants of every plant drawn anew.

    python -m tests.benchmarks.switches --plants 5
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tsae import AnomalyDetector
from tsae.evaluation.ranking import auc_pr
from tsae.evaluation.vus import vus

Array = NDArray[np.float64]
FIRST, SECOND, VALVE, LAMP = range(4)
N_TRAIN, N_TEST, FAULT_ROWS = 3000, 2000, 120


def plant(n_rows: int, rng: np.random.Generator) -> tuple[Array, NDArray[np.int64]]:
    """Level, flow and power `(n_rows, 3)`, and pump 1, pump 2, valve and lamp `(n_rows, 4)`."""
    fill, drain, dwell = rng.uniform(0.012, 0.02), rng.uniform(0.03, 0.05), int(rng.integers(30, 60))
    lamp = (np.arange(n_rows) // int(rng.integers(40, 80))) % 2
    level, flow, is_open, turn = 0.5, 0.0, False, 0
    analog, switches = np.empty((n_rows, 3)), np.zeros((n_rows, 4), dtype=np.int64)
    for row in range(n_rows):
        if row % dwell == 0:
            turn = 1 - turn
        is_open = level > (0.3 if is_open else 0.9)
        flow += 0.3 * (1.0 - flow)
        level += fill * flow - drain * is_open
        switches[row] = turn == 0, turn == 1, is_open, lamp[row]
        analog[row] = level, flow * (1.0 if turn else 1.3), 2.0 + 0.5 * turn + 0.2 * lamp[row]
        flow = flow if row % dwell else 0.2
    return analog + 0.02 * rng.standard_normal(analog.shape), switches


def stuck(reported: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """The valve reports what it reported last."""
    changed = reported.copy()
    changed[:, VALVE] = changed[0, VALVE]
    return changed


def flipped(reported: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """A switch drawn at random reports the opposite."""
    changed, switch = reported.copy(), int(rng.integers(4))
    changed[:, switch] = 1 - changed[:, switch]
    return changed


def never_combined(reported: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Both pumps report that they run, which they never did."""
    changed = reported.copy()
    changed[:, [FIRST, SECOND]] = 1
    return changed


def mistimed(reported: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """The valve chatters: it reports a change every few rows."""
    changed = reported.copy()
    changed[:, VALVE] = (np.arange(len(changed)) // int(rng.integers(2, 5))) % 2
    return changed


FAULTS: dict[str, Callable[[NDArray[np.int64], np.random.Generator], NDArray[np.int64]]] = {
    "stuck": stuck,
    "flipped": flipped,
    "never combined": never_combined,
    "mistimed": mistimed,
}


def figures(kind: str, seed: int, **parameters: Any) -> tuple[float, float]:
    """VUS-PR and AUC-PR on one plant with three faults of one kind."""
    rng = np.random.default_rng([seed, *map(ord, kind)])
    analog, switches = plant(N_TRAIN + N_TEST, rng)
    labels = np.zeros(N_TEST, dtype=bool)
    for start in (300, 900, 1500):
        first = N_TRAIN + start + int(rng.integers(200))
        rows = slice(first, first + FAULT_ROWS)
        switches[rows] = FAULTS[kind](switches[rows], rng)
        labels[first - N_TRAIN : first - N_TRAIN + FAULT_ROWS] = True
    table = np.column_stack([analog, switches])
    detector = AnomalyDetector(random_state=seed, **parameters).fit(table[:N_TRAIN])
    scores = -detector.score_samples(table[N_TRAIN:])
    return vus(labels, scores).pr, auc_pr(labels, scores)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plants", type=int, default=5)
    parser.add_argument("--preset", default="balanced")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print(f"{'':16}{'VUS-PR':>8}{'least':>8}{'AUC-PR':>8}")
    for kind in FAULTS:
        found = np.array([figures(kind, seed, preset=given.preset) for seed in range(given.plants)])
        print(f"{kind:16}{found[:, 0].mean():8.3f}{found[:, 0].min():8.3f}{found[:, 1].mean():8.3f}", flush=True)


if __name__ == "__main__":
    main()
