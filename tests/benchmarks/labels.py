"""What a handful of labels brings: `python -m tests.benchmarks.labels`.

Three detectors each: without labels; with labels, which tune the threshold; and with `label_classifier=True`. All are
judged on later data that none has seen.

waves    made-up series in which one weak fault comes back; the first eight times are labelled
pump     half of the pump's labelled weeks is given, the other half judged: its faults are of other kinds
digits   eights are normal; five images each of 0, 1 and 2 are labelled; judged on these and on all other digits

    python -m tests.benchmarks.labels --data waves digits
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.metrics import average_precision_score, f1_score

import tsae
from tsae import AnomalyDetector, ImageAnomalyDetector
from tsae.series.options import ReadOptions
from tsae.series.synthetic import inject, make_series

Array = NDArray[Any]


class Task(NamedTuple):
    make: Callable[..., Any]
    normal: Any
    """What the detector without labels is fitted on."""
    labelled: Any
    """The same and more, labelled."""
    labels: Any
    later: Any
    truth: Array


def waves() -> Iterator[tuple[str, Task]]:
    values, truth = make_series(9000, 3, random_state=0), np.zeros(9000, dtype=int)
    for start in range(3000, 8900, 350):
        values = inject(values, start, start + 12, 1, "level", size=0.4)
        truth[start : start + 12] = 1
    known = slice(0, 5800)
    yield "waves", Task(series, values[:3000], values[known], truth[known], values[5800:], truth[5800:])


def pump() -> Iterator[tuple[str, Task]]:
    files = tsae.bundled_dataset("pump")
    train = tsae.read_table(files.train).frames[""]
    table = tsae.read_table(files.later, ReadOptions(label="label"))
    later, truth = table.frames[""], table.labels[""].to_numpy().astype(int)
    half = len(later) // 2
    for number, (known, new) in enumerate([(slice(0, half), slice(half, None)), (slice(half, None), slice(0, half))]):
        labels = [np.zeros(len(train)), truth[known]]
        yield f"pump {number + 1}", Task(series, train, [train, later[known]], labels, later[new], truth[new])


def digits() -> Iterator[tuple[str, Task]]:
    data = load_digits()
    images = [data.images[data.target == digit] for digit in range(10)]
    normal, faulty = images[8][:120], np.concatenate([images[digit][:5] for digit in (0, 1, 2)])
    labels = np.repeat([np.nan, 1], [len(normal), len(faulty)])
    for name, others in (("digits, labelled kinds", (0, 1, 2)), ("digits, other kinds", (3, 4, 5, 6, 7, 9))):
        wrong = np.concatenate([images[digit][5:60] for digit in others])
        later, truth = np.concatenate([images[8][120:], wrong]), np.repeat([0, 1], [len(images[8]) - 120, len(wrong)])
        yield name, Task(ImageAnomalyDetector, normal, np.concatenate([normal, faulty]), labels, later, truth)


def series(**parameters: Any) -> AnomalyDetector:
    return AnomalyDetector(preset="alone", **parameters)


DATA = {"waves": waves, "pump": pump, "digits": digits}


def rows(task: Task) -> Iterator[tuple[str, Any]]:
    yield "without", task.make(random_state=0).fit(task.normal)
    yield "labels", task.make(random_state=0).fit(task.labelled, annotations=task.labels)
    yield "classifier", task.make(random_state=0, label_classifier=True).fit(task.labelled, annotations=task.labels)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=DATA)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print(f"{'':26}{'':12}{'AUC-PR':>8}{'F1':>7}{'flagged':>9}")
    for name in given.data:
        for label, task in DATA[name]():
            for how, detector in rows(task):
                flags = detector.predict(task.later) == -1
                area = average_precision_score(task.truth, -detector.score_samples(task.later))
                f1 = f1_score(task.truth, flags)
                print(f"{label:26}{how:12}{area:8.3f}{f1:7.3f}{flags.mean():9.3f}", flush=True)


if __name__ == "__main__":
    main()
