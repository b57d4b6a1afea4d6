"""What a row costs in a stream, in multiples of the bare network: `python -m tests.benchmarks.stream`.

Eight channels, networks from a model file: one member with windows of 64 rows, and all members of the default. All
ratios are of one run, all times processor time, which what else the machine does hardly changes.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tsae import AnomalyDetector, StreamScorer
from tsae.model.fitted import FittedModel
from tsae.networks.stored_network import StoredNetwork
from tsae.scoring.window_models import MaskedModel, ReconstructionModel

N_CHANNELS, WINDOW, N_ENTITIES, N_BEFORE, N_ROUNDS = 8, 64, 1000, 250, 48


def readings(n_rows: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.sin(np.arange(n_rows)[:, None] / np.arange(5, 5 + N_CHANNELS)) + rng.normal(
        scale=0.1, size=(n_rows, N_CHANNELS)
    )


def seconds(call: Callable[[int], object], n_calls: int) -> np.ndarray:
    out = np.empty(n_calls)
    for number in range(n_calls):
        begin = time.thread_time()
        call(number)
        out[number] = time.thread_time() - begin
    return out


def bare_calls(model: FittedModel) -> Callable[[int], object]:
    """What the networks of all members alone take for one row: ONNX Runtime's own call, or a product of matrices."""
    rows = readings(WINDOW)
    calls: list[Callable[[], object]] = []
    for member in model.ensemble.members:
        window = np.ascontiguousarray(rows[None, : member.window_size].astype(np.float32))
        if isinstance(member.model, MaskedModel):
            flat = window.reshape(1, -1)
            calls.append(partial(np.matmul, flat, member.model.linear.operator.T))
        if isinstance(member.model.network, StoredNetwork):
            calls.append(partial(member.model.network.session("rebuild").run, None, {"windows": window}))
    return lambda _: [call() for call in calls]


def eager_calls(model: FittedModel) -> Callable[[int], object]:
    """What torch takes for a window of each member that rebuilds it."""
    members = [each for each in model.ensemble.members if isinstance(each.model, ReconstructionModel)]
    calls = [partial(each.model.network.module, torch.zeros(1, each.window_size, N_CHANNELS)) for each in members]
    return lambda _: [call() for call in calls]


def measure(name: str, path: Path, **parameters: Any) -> None:
    rows = readings(5500)
    AnomalyDetector(max_steps=20, random_state=0, **parameters).fit(rows[:3000]).save(path)
    model = FittedModel.load(path)
    call = bare_calls(model)
    stream = StreamScorer(model)
    listed = rows.tolist()
    for row in listed[:500]:
        stream.update(row)
    ahead = iter(listed[500:])

    def update(_: int) -> object:
        return stream.update(next(ahead))

    blocks = [(seconds(update, 250), seconds(call, 250)) for _ in range(8)]  # in turn: the machine has other work
    row_by_row = [
        (seconds(update, 1), seconds(call, 1)) for _ in range(2000)
    ]  # each finds the cache as the other left it
    for how, pairs in (("bare calls in a row", blocks), ("a bare call after each row", row_by_row)):
        single, bare = (np.concatenate(each) for each in zip(*pairs, strict=True))
        for what, quantile in (("median", 0.5), ("99th percentile", 0.99)):
            one, network = (1e6 * float(np.quantile(each, quantile)) for each in (single, bare))
            print(f"{name}: update, {what}: {one:.0f} µs, {how} {network:.0f} µs, {one / network:.1f} times")
    single = np.concatenate([each for each, _ in blocks])
    with torch.inference_mode():
        turns = [(seconds(update, 50), seconds(eager_calls(model), 50)) for _ in range(10)]
    ours, eager = (1e6 * float(np.median(np.concatenate(each))) for each in zip(*turns, strict=True))
    print(f"{name}: update, median: {ours:.0f} µs, torch for each network that rebuilds {eager:.0f} µs")
    blocks_of_rows(name, path, rows, 1e6 * float(single.mean()))


def blocks_of_rows(name: str, path: Path, rows: np.ndarray, alone: float) -> None:
    """What `update_many` takes for a row of each of many entities, against `update` for the same entities in turn.

    Means, as thresholds are taken anew every 16 rows; of 3 rounds, 48 in all, one is one by one. `alone` is what a row
    of a single entity takes, whose memory stays in the processor's cache.
    """
    many = StreamScorer(FittedModel.load(path), max_entities=N_ENTITIES)
    names = [f"pump-{number}" for number in range(N_ENTITIES)]
    listed = rows.tolist()
    rounds = iter(range(N_BEFORE + N_ROUNDS))  # each entity is as many rows ahead as its number

    def together(_: int) -> object:
        start = next(rounds)
        return many.update_many(rows[start : start + N_ENTITIES], None, names)

    def in_turn(_: int) -> object:
        start = next(rounds)
        return [
            many.update(row, None, each) for row, each in zip(listed[start : start + N_ENTITIES], names, strict=True)
        ]

    seconds(together, N_BEFORE)
    pairs = [(seconds(together, 2), seconds(in_turn, 1)) for _ in range(N_ROUNDS // 3)]
    block, one = (1e6 * float(np.concatenate(each).mean()) / N_ENTITIES for each in zip(*pairs, strict=True))
    print(f"{name}: update_many over {N_ENTITIES} entities: {block:.1f} µs a row; update of each in turn {one:.0f} µs")
    print(
        f"{name}: {one / block:.1f} times; update of a single one {alone:.0f} µs on average, {alone / block:.1f} times"
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("dense", "conv"):
            measure(name, Path(folder) / f"{name}.tsae", architecture=name, window_size=WINDOW)
        measure("default", Path(folder) / "default.tsae")
