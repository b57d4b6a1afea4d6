"""What a watch costs while it runs: `python -m tests.benchmarks.watch [--rows N]`.

`tsae watch` with one dense member, eight channels and windows of 64 rows, fed through a pipe: processor and wall time
until it says that it is ready, and resident memory as rows go by. Linux only, which tells a process's memory in /proc.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO

from tests.benchmarks.stream import N_CHANNELS, WINDOW, readings
from tests.streaming.brokers import COMMAND
from tsae import AnomalyDetector

N_BLOCK = 5_000  # rows, over and over


def ready_line(errors: IO[bytes]) -> None:
    for line in errors:
        if b"ready" in line:
            return
    raise SystemExit("the watch ended before it was ready")


def started(model: Path) -> subprocess.Popen[bytes]:
    command = [*COMMAND, "watch", model, "--events-only"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    ready_line(process.stderr)
    return process


def get_ready(model: Path, repeats: int) -> None:
    """Seconds from the start of the process to its being ready."""
    for _ in range(repeats):
        before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        process = started(model)
        wall = time.perf_counter() - begin
        process.communicate()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(f"ready after {wall:.2f} s, {used:.2f} s of processor time with its end", flush=True)


def resident_mb(process: subprocess.Popen[bytes]) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def run_long(model: Path, n_rows: int) -> None:
    """Print resident memory a tenth of the rows at a time; the pipe holds a few thousand rows at most."""
    process = started(model)
    assert process.stdin is not None
    header, block = ",".join(f"x{channel}" for channel in range(N_CHANNELS)), readings(N_BLOCK)
    lines = "".join(",".join(f"{value:.4f}" for value in row) + "\n" for row in block).encode()
    process.stdin.write(f"{header}\n".encode())
    marks = {n_rows * tenth // 10 // N_BLOCK for tenth in range(1, 11)} | {1}
    begin = time.perf_counter()
    for number in range(1, n_rows // N_BLOCK + 1):
        process.stdin.write(lines)
        if number in marks:
            process.stdin.flush()
            seconds = time.perf_counter() - begin
            print(f"{number * N_BLOCK} rows: {resident_mb(process):.1f} MB resident, {seconds:.0f} s", flush=True)
    process.communicate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        model = Path(name) / "dense.tsae"
        parameters = {"window_size": WINDOW, "preset": "alone", "max_steps": 20, "random_state": 0}
        AnomalyDetector(**parameters).fit(readings(3000)).save(model)
        get_ready(model, repeats=3)
        run_long(model, given.rows)


if __name__ == "__main__":
    main()
