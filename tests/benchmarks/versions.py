"""An older checkout held against this one in one run: the same scores, labels and events, and what each costs.

    git worktree add ../old d511727
    python -m tests.benchmarks.versions ../old scores FOLDER --series 20     # labelled series as for `tsae bench`
    python -m tests.benchmarks.versions ../old speed
    python -m tests.benchmarks.versions ../old memory                        # a table of 1,000,000 x 20

Both fit the same tables with the same seed, and this checkout also scores with the model files of the older one. Speed
is processor time, the least of several turns that the two take one after the other.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parents[2]
_TOLERANCES = {"score": 1e-6, "threshold": 1e-6, "settled": 1e-6, "immediate": 1e-5}

_COMMON = """
import json, os, sys, time
from pathlib import Path
import numpy as np, pandas as pd, torch
torch.set_num_threads(1)
from tsae import AnomalyDetector, StreamScorer, load
def least(call, repeats):
    found = []
    for _ in range(repeats):
        begin = time.process_time(); call(); found.append(time.process_time() - begin)
    return min(found)
"""
_SCORES = """
tables, out, models = (Path(argument) for argument in sys.argv[1:4])
for path in sorted(tables.glob("*.npz")):
    with np.load(path) as arrays:
        train, test = arrays["train"], arrays["test"]
    model = models / f"{path.stem}.tsae"
    fitted = AnomalyDetector(random_state=0).fit(train)
    if not model.exists():
        fitted.save(model)
    for name, detector in (("fitted", fitted), ("loaded", load(model))):
        found, stream = detector.detect(test), StreamScorer(detector)
        steps = [stream.update(row) for row in test[:1500]]
        settled = [score.score for step in [*steps, stream.flush()] for score in step.settled]
        events = [[event.start, event.stop, event.peak, event.sensors[0].sensor] for event in found.events]
        np.savez(
            out / f"{path.stem}.{name}.npz",
            score=found.scores, threshold=found.thresholds, label=found.labels, settled=settled,
            immediate=[step.immediate[0].score for step in steps], events=json.dumps(events, default=str),
        )
"""
_SPEED = """
rng = np.random.default_rng(0)
rows = np.sin(np.arange(60_000)[:, None] / rng.uniform(5, 60, 8)) + 0.1 * rng.standard_normal((60_000, 8))
holes = rows[:20_000].copy(); holes[::7, 0] = np.nan
found = {}
path = Path(sys.argv[1])
if not path.exists():
    AnomalyDetector(random_state=0, max_steps=20).fit(rows[:4000]).save(path)
small = AnomalyDetector(random_state=0, max_steps=100)
found["fit 4,000 x 8, 100 steps"] = least(lambda: small.fit(rows[:4000]), 2)
detector = load(path)
found["score a row of a table"] = least(lambda: detector.score_samples(rows), 3) / len(rows)
found["score a row of a table with gaps"] = least(lambda: detector.score_samples(holes), 3) / len(holes)
found["detect a row of a table"] = least(lambda: detector.detect(rows[:20_000]), 3) / 20_000
dense = AnomalyDetector(random_state=0, max_steps=20, window_size=64).fit(rows[:4000])
dense.save(path.with_suffix(".dense")); dense = load(path.with_suffix(".dense"))
found["score a row, one dense member"] = least(lambda: dense.score_samples(rows), 3) / len(rows)
one = StreamScorer(detector)
for row in rows[:400]: one.update(row)
found["update"] = least(lambda: [one.update(row) for row in rows[400:1400]], 3) / 1000
many, names = StreamScorer(detector), [str(number) for number in range(100)]
for row in rows[:400]: many.update_many(np.tile(row, (100, 1)), entities=names)
turn = lambda: [many.update_many(np.tile(row, (100, 1)), entities=names) for row in rows[400:440]]
found["update_many, 100 entities, a row"] = least(turn, 3) / 4000
print(json.dumps(found))
"""
_MEMORY = """
what, size, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
time_axis, rng = np.arange(1_000_000, dtype=np.float32), np.random.default_rng(0)
values = rng.standard_normal((1_000_000, 20), dtype=np.float32); values *= 0.1
for channel, period in enumerate(rng.uniform(20, 500, 20).astype(np.float32)):
    values[:, channel] += np.sin(time_axis / period)
windows = {} if not size else {"window_size": size}
if what == "fit":
    AnomalyDetector(random_state=0, **windows).fit(values)
else:
    AnomalyDetector(random_state=0, max_steps=10, **windows).fit(values[:20_000]).score_samples(values)
import resource
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
"""


def run(checkout: Path, code: str, *arguments: object) -> Any:
    """What a piece of code prints in a process that imports the package of a checkout."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", "-c", _COMMON + code, *map(str, arguments)]
    done = subprocess.run(command, env=environment, cwd=checkout, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout) if done.stdout else None


def compare_scores(old: Path, folder: Path, n_series: int) -> None:
    from tests.benchmarks.sampling import sampled
    from tsae import bundled_dataset, read_table
    from tsae.evaluation.catalogue import find_series, read_series

    with tempfile.TemporaryDirectory() as name:
        tables, models, outs = (Path(name, part) for part in ("tables", "models", "out"))
        for part in (tables, models, outs / "old", outs / "new"):
            part.mkdir(parents=True)
        pump = bundled_dataset("pump")
        train, test = (read_table(path).frames[""] for path in (pump.train, pump.later))
        np.savez(tables / "pump.npz", train=train.to_numpy(), test=test[train.columns].to_numpy())
        chosen = sampled(find_series(folder, max_test_rows=8000), 2, seed=0)[:n_series]
        for files in chosen:
            series = read_series(files)
            np.savez(tables / f"{files.family}-{files.series}.npz", train=series.train, test=series.test)
        run(old, _SCORES, tables, outs / "old", models)
        run(HERE, _SCORES, tables, outs / "new", models)
        for path in sorted(tables.glob("*.npz")):
            for kind in ("fitted", "loaded"):
                before, after = (np.load(outs / age / f"{path.stem}.{kind}.npz") for age in ("old", "new"))
                print(f"{path.stem:32} {kind}: {differences(before, after)}", flush=True)


def differences(before: Any, after: Any) -> str:
    """The largest relative difference of each kind of number, and whether labels and events are equal."""
    parts = []
    for name, tolerance in _TOLERANCES.items():
        scale = np.maximum(np.abs(before[name]), 1e-3)
        largest = float(np.max(np.abs(after[name] - before[name]) / scale, initial=0.0))
        parts.append(f"{name} {largest:.0e}{'' if largest <= tolerance else ' !'}")
    for name in ("label", "events"):
        same = np.array_equal(before[name], after[name])
        parts.append(f"{name} {'equal' if same else 'DIFFER'}")
    return ", ".join(parts)


def compare_speed(old: Path, turns: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found: dict[str, list[dict[str, float]]] = {"old": [], "new": []}
        for _ in range(turns):
            for age, checkout in (("old", old), ("new", HERE)):
                found[age].append(run(checkout, _SPEED, Path(folder, f"{age}.tsae")) | help_seconds(checkout))
    for name in found["new"][0]:
        before, after = (min(turn[name] for turn in found[age]) for age in ("old", "new"))
        print(f"{name:40}{1e6 * before:12.1f} us {1e6 * after:12.1f} us   {after / before:.2f}")


def help_seconds(checkout: Path) -> dict[str, float]:
    from tests.benchmarks.timing import child_seconds

    code = "import sys; sys.argv = ['tsae', '--help']; from tsae.cli import main; main()"
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(checkout)!r}); {code}"]
    return {"tsae --help": child_seconds(command)}


def compare_memory(old: Path, sizes: Sequence[int]) -> None:
    budget = 3 * 1_000_000 * 20 * 4 / 2**20 + 600
    for what in ("fit", "score"):
        for size in sizes:
            peaks = [run(checkout, _MEMORY, what, size, "") for checkout in (old, HERE)]
            windows = f"window {size}" if size else "default windows"
            print(f"{what:6}{windows:18}{peaks[0]:8.0f} MB {peaks[1]:8.0f} MB of {budget:.0f}", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("what", choices=("scores", "speed", "memory"))
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--series", type=int, default=20)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=[0, 16, 64, 256, 512], help="0: the default")
    given = parser.parse_args(arguments)
    old = given.old.resolve()
    if given.what == "scores":
        compare_scores(old, given.folder, given.series)
    elif given.what == "speed":
        compare_speed(old, given.turns)
    else:
        compare_memory(old, given.sizes)


if __name__ == "__main__":
    main()
