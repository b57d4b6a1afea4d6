"""How far tsae is from the machine's limit: `python -m tests.benchmarks.speed`, or `make bench`.

Every line holds one processor time against another one that was measured in the same run on one thread.

    python -m tests.benchmarks.speed                                    10^4, 10^5 and 10^6 rows
    python -m tests.benchmarks.speed --rows 10000 100000                shorter series only
    python -m tests.benchmarks.speed --only fit command                 some parts only
    python -m tests.benchmarks.speed --peers /path/to/their/python      other packages, where that python has them
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.lib.stride_tricks import sliding_window_view

from tests.benchmarks.arithmetic import operations
from tests.benchmarks.memory import table
from tests.benchmarks.peer import PEERS
from tests.benchmarks.timing import Line, child_seconds, heading, seconds
from tests.benchmarks.training_loop import against_a_bare_loop
from tsae import AnomalyDetector, load, read_table
from tsae.cli.outputs import scores_file
from tsae.detection.detecting import DetectedRows
from tsae.evaluation.vus import vus_pr

_N_CHANNELS = 8
_WINDOW = 64
_TRAINING_ROWS = 4000
_STEPS = 60  # what a dense network costs does not depend on how well it is trained
_TABLE_CHANNELS = 20
_EPOCHS, _BATCH_SIZE = 2, 128


def fitted(n_channels: int = _N_CHANNELS, **parameters: Any) -> AnomalyDetector:
    values = table(_TRAINING_ROWS, n_channels)
    return AnomalyDetector(**{"max_steps": _STEPS, "random_state": 0, **parameters}).fit(pd.DataFrame(values))


def matrix_product_rate() -> float:
    """Operations a second of a float32 matrix product, two for each multiplication."""
    size = 1024
    left, right = torch.randn(size, size), torch.randn(size, size)
    return 2 * size**3 / seconds(lambda: left @ right, repeats=20)


def dense_scoring(sizes: Sequence[int]) -> Iterator[Line]:
    detector = fitted(preset="alone", window_size=_WINDOW)
    rate = matrix_product_rate()
    a_row = {}
    for n_rows in sizes:
        frame = pd.DataFrame(table(n_rows, _N_CHANNELS))
        spent = seconds(partial(detector.score_samples, frame), repeats=3 if n_rows < 10**6 else 1)
        a_row[n_rows] = spent / n_rows
        share = operations(detector.model_.ensemble) * n_rows / spent / rate
        what = f"dense scoring, {n_rows:,} x {_N_CHANNELS}, window {_WINDOW}"
        against = f"{rate / 1e9:.0f} GFLOP/s of a matrix product"
        yield Line(what, f"{n_rows / spent:,.0f} rows/s", against, share, ">= 0.5")
    for shorter, longer in pairwise(sizes):
        what = f"dense scoring, a row of {longer:,}"
        against = f"{a_row[shorter] * 1e6:.2f} us a row of {shorter:,}"
        yield Line(what, f"{a_row[longer] * 1e6:.2f} us", against, a_row[longer] / a_row[shorter], "<= 1.2")


def default_scoring(sizes: Sequence[int]) -> Iterator[Line]:
    """The default model as it comes from a file, at the shortest length."""
    rate = matrix_product_rate()
    for n_channels in (1, _N_CHANNELS, _TABLE_CHANNELS):
        detector = fitted(n_channels, max_steps="auto")
        frame = pd.DataFrame(table(min(sizes), n_channels))
        with tempfile.TemporaryDirectory() as folder:
            detector.save(Path(folder, "model.tsae"))
            spent = seconds(partial(load(Path(folder, "model.tsae")).score_samples, frame)) / len(frame)
        work = operations(detector.model_.ensemble)
        what = f"default scoring, {len(frame):,} x {n_channels}"
        against = f"{work / rate * 1e6:.1f} us a row of networks at {rate / 1e9:.0f} GFLOP/s"
        yield Line(what, f"{spent * 1e6:.1f} us a row", against, work / rate / spent, "")


def whole_series(sizes: Sequence[int]) -> Iterator[Line]:
    """A convolutional model from a file: a row of a series, against the same windows run one by one for every row."""
    frame = pd.DataFrame(table(min(sizes), _N_CHANNELS))
    with tempfile.TemporaryDirectory() as folder:
        fitted(preset="alone", architecture="conv", window_size=_WINDOW).save(Path(folder, "model.tsae"))
        stored = load(Path(folder, "model.tsae"))
        (member,) = stored.model_.ensemble.members
        windows = sliding_window_view(frame.to_numpy(), _WINDOW, axis=0)[:1000].transpose(0, 2, 1).copy()
        errors = member.model.errors
        together = seconds(partial(stored.score_samples, frame)) / len(frame)
        each = seconds(lambda: [errors(windows[row : row + 1]) for row in range(len(windows))]) / len(windows)
    what = f"convolutional scoring, {len(frame):,} x {_N_CHANNELS}, window {_WINDOW}"
    against = f"{each * 1e6:.0f} us for the window of each row by itself"
    yield Line(what, f"{together * 1e6:.1f} us a row", against, each / together, ">= 20")


def window_length(sizes: Sequence[int]) -> Iterator[Line]:
    """Cost of a row with a window of 512 rows, against one of 64."""
    frame = pd.DataFrame(table(min(sizes), _N_CHANNELS))
    for architecture in ("dense", "conv", "transformer"):
        rows = frame if architecture != "transformer" else frame[:2000]
        short, long = (
            seconds(partial(scorer.score_samples, rows), repeats=1) / len(rows) * 1e6
            for scorer in (
                fitted(preset="alone", architecture=architecture, window_size=size, max_steps=2) for size in (64, 512)
            )
        )
        what = f"{architecture} scoring, a row, window 512"
        wanted = "<= 1.3" if architecture == "conv" else ""
        yield Line(what, f"{long:.0f} us", f"{short:.0f} us a row, window 64", long / short, wanted)


def training(sizes: Sequence[int]) -> Iterator[Line]:
    for window_size, n_channels in ((16, 1), (_WINDOW, 1), (_WINDOW, _N_CHANNELS)):
        yield against_a_bare_loop(torch.from_numpy(table(5000, n_channels)), window_size)


def command(sizes: Sequence[int]) -> Iterator[Line]:
    """What `tsae score` does with a CSV, against reading it and writing as many scores."""
    detectors = {
        "a single dense member": fitted(_TABLE_CHANNELS, preset="alone", window_size=_WINDOW),
        "the default model": fitted(_TABLE_CHANNELS, max_steps="auto"),
    }
    n_rows = sizes[-1]
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder, "table.csv"), Path(folder, "scores.csv")
        values = pd.DataFrame(table(n_rows, _TABLE_CHANNELS), columns=[f"s{i}" for i in range(_TABLE_CHANNELS)])
        times = pd.date_range("2026-01-01", periods=n_rows, freq="s", name="time")
        values.round(4).set_index(times).to_csv(path)
        reading = seconds(lambda: read_table(path), repeats=1)
        frame = read_table(path).frames[""].set_axis(range(_TABLE_CHANNELS), axis=1)
        for name, detector in detectors.items():
            detector.save(Path(folder, "model.tsae"))
            stored = load(Path(folder, "model.tsae"))  # as the command does
            found = []
            scoring = seconds(
                lambda each=stored, found=found: found.append(list(each.detect_in_parts(frame).parts())), repeats=1
            )
            writing = seconds(lambda found=found: write_scores(out, frame, found[0]), repeats=1)
            alone = reading + writing
            what = f"CSV {n_rows:,} x {_TABLE_CHANNELS}: read, score, write; {name}"
            against = f"{alone:.1f} s for reading and writing"
            yield Line(what, f"{alone + scoring:.1f} s", against, (alone + scoring) / alone, "<= 2")


def write_scores(path: Path, frame: pd.DataFrame, parts: Sequence[DetectedRows]) -> None:
    with scores_file(path, [*map(str, frame.columns)], None) as take:
        for part in parts:
            take("", frame.index[part.rows], part)


def start_up(sizes: Sequence[int]) -> Iterator[Line]:
    python = [sys.executable, "-c"]
    bare, numpy = child_seconds([*python, "pass"]), child_seconds([*python, "import numpy"])
    command = [*python, "from tsae.cli import main; main()"]
    against = f"{numpy - bare:.2f} s for import numpy"
    for what, spent, most in (
        ("import tsae", child_seconds([*python, "import tsae"]) - bare, 0.1),
        ("tsae --help", child_seconds([*command, "--help"]), 0.3),
    ):
        yield Line(what, f"{spent:.2f} s", against, spent / (numpy - bare), f"under {most} s")
    torch_alone = child_seconds([*python, "import torch"])
    with tempfile.TemporaryDirectory() as folder:
        fitted().save(Path(folder, "model.tsae"))
        pd.DataFrame(table(1000, _N_CHANNELS)).to_csv(Path(folder, "table.csv"), index=False)
        names = [str(Path(folder, name)) for name in ("model.tsae", "table.csv")]
        spent = child_seconds([*command, "score", *names, "--json"])
    what = f"tsae score, 1,000 x {_N_CHANNELS}, the whole command"
    yield Line(what, f"{spent:.2f} s", f"{torch_alone:.2f} s for import torch", spent / torch_alone, "")


def metrics(sizes: Sequence[int]) -> Iterator[Line]:
    for n_rows in sizes:
        generator = np.random.default_rng(0)
        labels = np.zeros(n_rows, dtype=int)
        for first in generator.integers(0, n_rows - 100, max(1, n_rows // 5000)):
            labels[first : first + 60] = 1
        scores = generator.standard_normal(n_rows) + labels
        spent, sorting = (
            seconds(call, repeats=2) for call in (partial(vus_pr, labels, scores), partial(np.sort, scores))
        )
        against = f"{sorting * 1e3:.1f} ms for sorting the scores"
        yield Line(f"VUS-PR of {n_rows:,} rows", f"{spent:.2f} s", against, spent / sorting, "under 1 s at 100,000")


def peers(sizes: Sequence[int], python: str) -> Iterator[Line]:
    """Fit on half of the shortest series, score the other half; windows, epochs and batches are the same for all."""
    values = table(min(sizes), _N_CHANNELS)
    half = len(values) // 2
    steps = _EPOCHS * math.ceil(0.85 * half / _BATCH_SIZE)
    options: dict[str, Any] = {"preset": "alone", "window_size": _WINDOW, "training": {"batch_size": _BATCH_SIZE}}
    options["random_state"] = 0
    AnomalyDetector(**options, max_steps=1).fit(values[: 8 * _WINDOW])  # loads what is loaded at the first call
    ours = AnomalyDetector(**options, max_steps=steps)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "values.npy")
        np.save(path, values.astype(np.float64))
        script = Path(__file__).with_name("peer.py")
        for name in PEERS:
            call = [python, str(script), name, str(path), *map(str, (_WINDOW, _EPOCHS, _BATCH_SIZE))]
            done = subprocess.run(call, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"{name}: not measured ({(done.stderr.strip().splitlines() or ['no answer'])[-1]})")
                continue
            theirs = json.loads(done.stdout.strip().splitlines()[-1])
            fit = seconds(lambda: ours.fit(values[:half]))  # anew for each: how fast the machine is may change
            score = seconds(lambda: ours.score_samples(values[half:]))
            for what, own, n_rows, wanted in (("fit", fit, _EPOCHS * half, ">= 5"), ("score", score, half, ">= 20")):
                measured, against = (f"{spent:.3g} s, {n_rows / spent:,.0f} rows/s" for spent in (own, theirs[what]))
                line = f"{what}, {half:,} x {_N_CHANNELS}, {_EPOCHS} epochs; theirs over ours"
                yield Line(line, measured, f"{against}: {name}", theirs[what] / own, wanted)


PARTS: dict[str, Callable[[Sequence[int]], Iterator[Line]]] = {
    "dense": dense_scoring,
    "default": default_scoring,
    "whole": whole_series,
    "window": window_length,
    "fit": training,
    "command": command,
    "start": start_up,
    "metrics": metrics,
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10**4, 10**5, 10**6])
    parser.add_argument("--only", nargs="+", default=list(PARTS), choices=[*PARTS, "peers"])
    parser.add_argument("--peers", metavar="PYTHON", help="interpreter that has PyOD, TSB-AD or DeepOD installed")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print(heading(), flush=True)
    for name in given.only:
        for line in PARTS[name](sorted(given.rows)) if name in PARTS else ():
            print(line, flush=True)
    for line in peers(given.rows, given.peers) if given.peers else ():
        print(line, flush=True)


if __name__ == "__main__":
    main()
