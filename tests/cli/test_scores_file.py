"""Scores that are written while rows are scored: the same file as one written at once, whole or not at all."""

from __future__ import annotations

import resource
import signal
import subprocess
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tsae as package
from tests.cli.reference import CHANNELS, COMMAND, plant, refused, tsae, write
from tsae.cli.outputs import scores_file
from tsae.detection.detecting import DetectedRows, Detection
from tsae.detection.detector import AnomalyDetector

N_ROWS = 31_000  # more than pandas writes in one piece, and than is scored at once


@pytest.fixture(scope="module")
def adaptive(workshop: Path) -> AnomalyDetector:
    return package.load(workshop / "plant.tsae").set_threshold("quantile", false_alarm_rate="1%")


def long_table(seed: int = 2) -> pd.DataFrame:
    """Faults, missing rows, gaps that are bridged and gaps that are not."""
    frame = plant(N_ROWS, seed=seed, start="2026-11-24").set_axis(CHANNELS, axis=1)
    frame.iloc[2000:2040, 1] += 2.0
    frame.iloc[9000] = np.nan
    return frame.drop(frame.index[[45, 46, *range(95, 110), *range(20_000, 20_300), N_ROWS - 2]])


def at_once(detections: dict[str, Detection], entity_column: str | None) -> pd.DataFrame:
    """The plain way: all rows as one table."""
    parts = []
    for entity, found in detections.items():
        largest = found.errors.fillna(-np.inf).to_numpy().argmax(axis=1)
        names = np.where(found.errors.isna().all(axis=1), -1, largest)
        parts.append(
            pd.DataFrame(
                {
                    "timestamp": found.scores.index,
                    **({} if entity_column is None else {entity_column: entity}),
                    "score": found.scores.to_numpy(),
                    "p_value": found.p_values.to_numpy(),
                    "threshold": found.thresholds.to_numpy(),
                    "severity": found.severities.round(1).to_numpy(),
                    "label": found.labels.to_numpy().astype(np.int8),
                    "top_sensor": pd.Categorical.from_codes(names, CHANNELS),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("machines", [[""], ["south", "north", "east"]])
def test_the_file_is_the_one_written_at_once(adaptive: AnomalyDetector, here: Path, machines: list[str]) -> None:
    column = "machine" if len(machines) > 1 else None
    frames = {name: long_table(seed)[: N_ROWS - 9000 * seed] for seed, name in enumerate(machines)}
    for name in ("s.csv", "s.parquet"):
        with scores_file(here / name, CHANNELS, column) as take:
            for entity, frame in frames.items():
                run = adaptive.detect_in_parts(frame)
                for part in run.parts():
                    take(entity, run.index[part.rows], part)
    expected = at_once({name: adaptive.detect(frame) for name, frame in frames.items()}, column)
    expected.to_csv(here / "expected.csv", index=False, float_format="%.6g", lineterminator="\n")
    assert (here / "s.csv").read_bytes() == (here / "expected.csv").read_bytes()
    pd.testing.assert_frame_equal(pd.read_parquet(here / "s.parquet"), expected)


@pytest.mark.parametrize("n_rows", [1, 130_000, 150_000])
def test_row_groups_hold_every_row(here: Path, n_rows: int) -> None:
    index = pd.RangeIndex(n_rows)
    with scores_file(here / "s.parquet", ["flow"], None) as take:
        for first in range(0, n_rows, 4096):
            rows = slice(first, min(first + 4096, n_rows))
            values = np.arange(rows.start, rows.stop, dtype=np.float64)
            labels, errors = values % 2 == 0, values[:, None].astype(np.float32)
            take("", index[rows], DetectedRows(rows, values, values, values + 1, labels, 1 / (1 + values), errors))
    back = pd.read_parquet(here / "s.parquet")
    assert back["row"].tolist() == list(range(n_rows))
    assert (back["score"] == back["row"]).all()


def test_parts_are_the_detection(adaptive: AnomalyDetector) -> None:
    frame = long_table()
    excluded = np.zeros(len(frame), dtype=bool)
    excluded[1990:2020] = True
    whole, run = adaptive.detect(frame, excluded=excluded), adaptive.detect_in_parts(frame, excluded=excluded)
    parts = list(run.parts())
    assert [part.rows.start for part in parts[1:]] == [part.rows.stop for part in parts[:-1]]
    for name in ("scores", "judged", "thresholds", "p_values", "labels", "errors"):
        joined = np.concatenate([getattr(part, name) for part in parts])
        np.testing.assert_array_equal(joined, getattr(whole, name).to_numpy())
    assert run.events == whole.events != ()
    assert run.drift == whole.drift


def test_memory_does_not_grow_with_the_rows(adaptive: AnomalyDetector) -> None:
    def peak(n_rows: int) -> int:
        run = adaptive.detect_in_parts(long_table()[:n_rows])
        tracemalloc.start()
        try:
            for _ in run.parts():
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(30_000) < 1.1 * peak(15_000)


@pytest.fixture
def slow(here: Path, workshop: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A command that takes its time to score into `s.csv`, where there is a file already."""
    write(long_table(), here / "long.csv")
    (here / "s.csv").write_text("old")
    command = [*COMMAND, "score", workshop / "plant.tsae", "long.csv", "-o", "s.csv", "--events", "e.csv"]
    process = subprocess.Popen(command, cwd=here, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def written(path: Path) -> bool:
    """Whether a file holds anything; one that only tried whether the folder can be written to may be gone by now."""
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False


def test_a_killed_process_leaves_the_old_file(slow: subprocess.Popen[bytes], here: Path) -> None:
    patience = time.monotonic() + 60
    while not any(written(path) for path in here.glob(".s.csv.*")):
        assert time.monotonic() < patience
        assert slow.poll() is None
    slow.send_signal(signal.SIGKILL)
    slow.wait()
    assert (here / "s.csv").read_text() == "old"
    assert not (here / "e.csv").exists()


def test_a_full_disk_leaves_the_old_file_and_no_litter(here: Path, model: Path) -> None:
    table = write(long_table(), here / "long.csv")
    (here / "s.csv").write_text("old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        line = refused(5, "score", model, table, "-o", here / "s.csv", "--events", here / "e.csv")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "File too large; free space or choose another path" in line
    assert (here / "s.csv").read_text() == "old"
    assert sorted(path.name for path in here.iterdir()) == ["long.csv", "s.csv"]


def test_rows_that_cannot_be_scored_leave_the_old_file(here: Path, model: Path) -> None:
    good, slow_pace = plant(30), plant(30, freq="10min")
    both = pd.concat([good.assign(machine="a"), slow_pace.assign(machine="b")])
    (here / "s.csv").write_text("old")
    options = ["--entity", "machine", "-o", here / "s.csv", "--events", here / "e.csv"]
    assert tsae("score", model, write(both, here / "both.csv"), *options).exit_code == 3
    assert sorted(path.name for path in here.iterdir()) == ["both.csv", "s.csv"]
    assert (here / "s.csv").read_text() == "old"
