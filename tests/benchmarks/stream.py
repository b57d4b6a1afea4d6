"""What a row costs in a stream, in multiples of the bare network: `python -m tests.benchmarks.stream`.

Eight channels, one member with windows of 64 rows, networks from a model file. All ratios are of one run.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime

from tsae import AnomalyDetector, StreamScorer
from tsae.detection.stream_model import StreamModel
from tsae.store import read_model

N_CHANNELS, WINDOW, N_ENTITIES, N_ROUNDS = 8, 64, 1000, 10


def readings(n_rows: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.sin(np.arange(n_rows)[:, None] / np.arange(5, 5 + N_CHANNELS)) + rng.normal(
        scale=0.1, size=(n_rows, N_CHANNELS)
    )


def seconds(call: Callable[[int], object], n_calls: int) -> np.ndarray:
    out = np.empty(n_calls)
    for number in range(n_calls):
        begin = time.perf_counter()
        call(number)
        out[number] = time.perf_counter() - begin
    return out


def measure(architecture: str, path: Path) -> None:
    rows = readings(3000)
    AnomalyDetector(window_size=WINDOW, architecture=architecture, max_steps=20, random_state=0).fit(rows).save(path)
    graph = read_model(path)[0]["members.0.graph"].tobytes()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    window = rows[None, :WINDOW].astype(np.float32)
    bare = seconds(lambda _: session.run(None, {"windows": window}), 2000)
    stream = StreamScorer(StreamModel.load(path))
    listed = rows.tolist()
    single = seconds(lambda number: stream.update(listed[number]), 2000)[500:]
    many = StreamScorer(StreamModel.load(path), max_entities=N_ENTITIES)
    names = [f"pump-{number}" for number in range(N_ENTITIES)]
    block = rows[:N_ENTITIES]
    many.update_many(block, None, names)
    batched = float(np.median(seconds(lambda _: many.update_many(block, None, names), N_ROUNDS))) / N_ENTITIES
    for name, quantile in (("median", 0.5), ("99th percentile", 0.99)):
        one, network = (1e6 * float(np.quantile(each, quantile)) for each in (single, bare))
        print(f"{architecture}: update, {name}: {one:.0f} µs, bare call {network:.0f} µs, {one / network:.1f} times")
    print(f"{architecture}: update_many over {N_ENTITIES} entities: {1e6 * batched:.1f} µs a row, ", end="")
    print(f"{float(np.median(single)) / batched:.1f} times as fast as one by one")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for name in ("dense", "conv"):
            measure(name, Path(folder) / f"{name}.tsae")
