"""Whether events name the sensors at fault: `python -m tests.benchmarks.attribution`.

Faults of six kinds are put into made-up plants of 8, 20 and 50 sensors: in one sensor, in two at a time, and in three
that are coupled, where it spreads from the first to the others. Every fault that raises an event is judged: whether the
first sensor of the event (of several, the one with the highest score) is a faulty one, and whether all k faulty sensors
are among the first 1.5 k (one: the first). Beside the ranking of the event stand two rankings of the same rows:

- *errors*: sensors by their error in usual errors, above the usual one, as it comes out of the networks;
- *squared errors*: by the squared difference between scaled actual and rebuilt values, as most toolkits do it.

    python -m tests.benchmarks.attribution                 three plants of each size, preset "alone"
    python -m tests.benchmarks.attribution --sensors 8 --plants 1 --preset balanced
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tests.benchmarks.plants import KINDS, Fault, Plant, inject_fault
from tsae import AnomalyDetector, Event

Array = NDArray[Any]
Tally = dict[tuple[Any, str], list[tuple[bool, bool]]]
GROUPS = ("one sensor", "two sensors", "spread to three")
RANKINGS = ("event", "errors", "squared errors")
N_TRAINING, N_BETWEEN = 3000, 150


def faults(plant: Plant, group: str, n_faults: int, rng: np.random.Generator) -> Iterator[Fault]:
    n_sensors = plant.mixing.shape[1]
    for number in range(n_faults):
        start = N_BETWEEN + number * (60 + N_BETWEEN) + int(rng.integers(30))
        first = int(rng.integers(n_sensors))
        sensors: tuple[int, ...] = (first,)
        if group == "two sensors":
            sensors = tuple(rng.permutation(n_sensors)[:2].tolist())
        if group == "spread to three":
            sensors = (first, *np.argsort(-plant.coupled(first))[:2].tolist())
        yield Fault(start, start + int(rng.integers(20, 60)), KINDS[number % len(KINDS)], sensors)


def rankings(
    detector: AnomalyDetector, table: Array, errors: Array, rebuilt: Array, event: Event
) -> dict[str, list[int]]:
    rows = slice(event.start, event.stop + 1)
    scaled = (table - rebuilt)[rows] / detector.model_.ensemble.scaler.scale
    excess = np.maximum(errors[rows] - 1, 0).sum(axis=0)
    return {
        "event": [int(each.sensor.removeprefix("x")) for each in event.sensors],
        "errors": np.argsort(-excess, kind="stable").tolist(),
        "squared errors": np.argsort(-np.nansum(scaled**2, axis=0), kind="stable").tolist(),
    }


def judge(plant: Plant, detector: AnomalyDetector, group: str, n_faults: int, seed: int, tally: Tally) -> int:
    """Judge the events of one table; how many faults raised none."""
    rng = np.random.default_rng(seed)
    table = plant.rows(N_BETWEEN + n_faults * (60 + N_BETWEEN) + 100, seed + 1)
    usual = table.std(axis=0)
    planned = list(faults(plant, group, n_faults, rng))
    for fault in planned:
        inject_fault(table, fault, usual, rng)
    events = detector.detect(table).events
    errors, rebuilt = detector.errors(table), detector.reconstruct(table)
    n_missed = 0
    for fault in planned:
        overlapping = [event for event in events if event.start < fault.stop and event.stop >= fault.start]
        if not overlapping:
            n_missed += 1
            continue
        worst = max(overlapping, key=lambda event: event.peak_score)
        k, wanted = len(fault.sensors), set(fault.sensors)
        for name, order in rankings(detector, table, errors, rebuilt, worst).items():
            outcome = (order[0] in wanted, wanted <= set(order[: max(1, int(1.5 * k))]))
            for key in (group, fault.kind, (table.shape[1], group)):
                tally[key, name].append(outcome)
    return n_missed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sensors", nargs="*", type=int, default=[8, 20, 50])
    parser.add_argument("--plants", type=int, default=3)
    parser.add_argument("--faults", type=int, default=24)
    parser.add_argument("--preset", default="alone")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    tally: Tally = defaultdict(list)
    n_missed = 0
    for n_sensors in arguments.sensors:
        for number in range(arguments.plants):
            plant = Plant(n_sensors, number)
            detector = AnomalyDetector(preset=arguments.preset, random_state=0).fit(
                plant.rows(N_TRAINING, 100 + number)
            )
            for place, group in enumerate(GROUPS):
                n_missed += judge(plant, detector, group, arguments.faults, 1000 * number + 10 * place, tally)
            print(f"{n_sensors} sensors, plant {number}: done", flush=True)
    print(f"\nFaults without an event: {n_missed}\n")
    print("| faults | judged |" + "".join(f" {name}: first | all |" for name in RANKINGS))
    print("|---|---|" + "---|---|" * len(RANKINGS))
    for key in dict.fromkeys(key for key, _ in tally):
        cells = "".join(" {:.0%} | {:.0%} |".format(*np.mean(tally[key, name], axis=0)) for name in RANKINGS)
        name = key if isinstance(key, str) else f"{key[0]} sensors, {key[1]}"
        print(f"| {name} | {len(tally[key, 'event'])} |{cells}")


if __name__ == "__main__":
    main()
