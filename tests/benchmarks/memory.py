"""Peak memory of fitting and scoring a large table, against the budget of three times its float32 size plus 600 MB.

Run with `python -m tests.benchmarks.memory [rows] [channels]`.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time

import numpy as np

MEGABYTE = 2**20


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
    size = values.nbytes / MEGABYTE
    begin = time.perf_counter()
    if what == "fit":
        AnomalyDetector(random_state=0).fit(values)
    else:
        detector = AnomalyDetector(random_state=0, max_steps=10).fit(values[:20_000])
        begin = time.perf_counter()
        detector.score_samples(values)
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    budget = 3 * size + 600
    print(f"{what:5s} {n_rows} x {n_channels}: {peak:.0f} MB of {budget:.0f} MB ({peak / budget:.2f}), {seconds:.0f} s")


def main() -> None:
    """Run fit and score in processes of their own, so that each peak is its own."""
    n_rows, n_channels = (int(value) for value in [*sys.argv[1:3], "1000000", "20"][:2])
    if len(sys.argv) == 4:
        run(sys.argv[3], n_rows, n_channels)
        return
    for what in ("fit", "score"):
        subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.memory", str(n_rows), str(n_channels), what], check=True
        )


if __name__ == "__main__":
    main()
