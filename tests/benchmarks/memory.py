"""Peak memory of fitting and scoring a large table, against the budget of three times its float32 size plus 600 MB,
and of `tsae score` of the same table as a CSV, which is read, scored and written.

Run with `python -m tests.benchmarks.memory [rows] [channels]`.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

MEGABYTE = 2**20
_COMMAND = """
import re, sys
from pathlib import Path
from tsae.cli import main
try:
    main()
finally:
    print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1], file=sys.stderr)
"""
"""`tsae`, which says at its end how many kB it had at its peak, not counting the process that it was forked from."""


def table(n_rows: int, n_channels: int) -> np.ndarray:
    """Correlated cycles with noise, float32 `(n_rows, n_channels)`."""
    generator = np.random.default_rng(0)
    time_axis = np.arange(n_rows, dtype=np.float32)[:, None]
    periods = generator.uniform(20, 500, n_channels).astype(np.float32)
    values = generator.standard_normal((n_rows, n_channels), dtype=np.float32)
    values *= 0.1
    for channel in range(n_channels):
        values[:, channel] += np.sin(time_axis[:, 0] / periods[channel])
    return values


def run(what: str, n_rows: int, n_channels: int) -> None:
    """Fit, or fit on a part and score the whole; print seconds and the peak of this process."""
    from tsae import AnomalyDetector

    values = table(n_rows, n_channels)
    begin = time.perf_counter()
    if what == "fit":
        AnomalyDetector(random_state=0).fit(values)
    else:
        detector = AnomalyDetector(random_state=0, max_steps=10).fit(values[:20_000])
        begin = time.perf_counter()
        detector.score_samples(values)
    report(what, values, time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def run_command(n_rows: int, n_channels: int) -> None:
    """The same for `tsae score` of a CSV."""
    from tsae import AnomalyDetector

    values = table(n_rows, n_channels)
    frame = pd.DataFrame(values, columns=[f"s{number}" for number in range(n_channels)]).round(4)
    frame.index = pd.date_range("2026-01-01", periods=n_rows, freq="s", name="time")
    with tempfile.TemporaryDirectory() as folder:
        model, rows, scores, events = (str(Path(folder, name)) for name in ("m.tsae", "rows.csv", "s.csv", "e.csv"))
        AnomalyDetector(random_state=0, max_steps=10).fit(frame[:20_000]).save(model)
        frame.to_csv(rows)
        begin = time.perf_counter()
        command = [sys.executable, "-c", _COMMAND, "score", model, rows, "-o", scores, "--events", events]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        seconds = time.perf_counter() - begin
    report("score of a CSV", values, seconds, int(done.stderr.splitlines()[-1]) / 1024)


def report(what: str, values: np.ndarray, seconds: float, peak: float) -> None:
    budget = 3 * values.nbytes / MEGABYTE + 600
    rows = f"{what:5s} {len(values)} x {values.shape[1]}"
    print(f"{rows}: {peak:.0f} MB of {budget:.0f} MB ({peak / budget:.2f}), {seconds:.0f} s")


def main() -> None:
    """Run each in a process of its own, so that each peak is its own."""
    n_rows, n_channels = (int(value) for value in [*sys.argv[1:3], "1000000", "20"][:2])
    if len(sys.argv) == 4:
        if sys.argv[3] == "file":
            run_command(n_rows, n_channels)
        else:
            run(sys.argv[3], n_rows, n_channels)
        return
    for what in ("fit", "score", "file"):
        subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.memory", str(n_rows), str(n_channels), what], check=True
        )


if __name__ == "__main__":
    main()
