"""A new model in a running stream: no row is lost, none comes twice, and the next ones have windows."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.streaming.brokers import Watch, records_in, records_so_far, wait_for
from tests.streaming.reference import CHANNELS, of_file, plant, scores_of
from tsae import AnomalyDetector, StreamScorer, load
from tsae.model.fitted import FittedModel
from tsae.series.options import ReadOptions
from tsae.streaming.handover import hand_over, n_with_full_windows
from tsae.streaming.payloads import MessageReader
from tsae.streaming.row_scores import StreamScores
from tsae.streaming.runner import Runner
from tsae.streaming.scorer import RowScore
from tsae.streaming.transports.file import FollowedFile

SMALL = {"window_size": [8, 16], "max_steps": 10, "threshold": 5.0, "preset": "alone"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two models of the same plant, and one of another."""
    folder = tmp_path_factory.mktemp("models")
    tables = [plant(300), plant(300, seed=5), plant(300).rename(columns={"flow": "heat"})]
    paths = [folder / f"{number}.tsae" for number in range(3)]
    for number, (table, path) in enumerate(zip(tables, paths, strict=True)):
        AnomalyDetector(**SMALL, random_state=number).fit(table).save(path)
    return paths


@pytest.fixture(scope="module")
def detectors() -> list[AnomalyDetector]:
    return [AnomalyDetector(**SMALL, random_state=n).fit(plant(300, seed=n)) for n in range(2)]


def settled(answers: list[StreamScores], entity: str) -> list[RowScore]:
    return [row for answer in answers for row in answer.settled if row.entity == entity]


@pytest.mark.parametrize("reorder", [0, 3])
def test_the_next_model_goes_on_behind_the_same_rows(detectors: list[AnomalyDetector], reorder: int) -> None:
    frames = {"a": plant(160, seed=7), "b": plant(160, seed=8)}
    before, after = (StreamScorer(detector, reorder=reorder) for detector in detectors)

    def push(scorer: StreamScorer, rows: slice) -> StreamScores:
        parts = [(time, name, row) for name, frame in frames.items() for time, row in frame[rows].iterrows()]
        times, names, values = zip(*sorted(parts, key=lambda part: part[:2]), strict=True)
        return scorer.update_many(np.stack(values), times, names)

    answers = [push(before, slice(0, 120)), hand_over(before, after)]
    assert n_with_full_windows(after) == 2
    answers += [push(after, slice(120, 160)), after.flush()]
    assert after.counts.n_rows == 320
    for name, frame in frames.items():
        rows = settled(answers, name)
        scores = scores_of(rows)  # each once, in order
        np.testing.assert_allclose(scores[:120], of_file(detectors[0], frame[:120]), rtol=1e-4)
        np.testing.assert_allclose(scores[120:], of_file(detectors[1], frame)[120:], rtol=1e-3)
        assert [row.timestamp for row in rows] == list(frame.index)
        now = [row for answer in answers for row in answer.immediate if row.entity == name]
        whole = StreamScorer(detectors[1]).update_many(frame.to_numpy(), frame.index).immediate
        np.testing.assert_allclose(scores_of(now)[120:], scores_of(whole)[120:], rtol=1e-3)


def test_a_stream_that_has_just_begun_fills_its_windows_later(detectors: list[AnomalyDetector]) -> None:
    before, after = (StreamScorer(detector) for detector in detectors)
    before.update_many(plant(5).to_numpy())
    hand_over(before, after)
    assert n_with_full_windows(after) == 0
    assert after.update([10.0, 3.0, 1.0]).immediate[0].row == 5


def test_a_process_takes_up_a_new_file_and_refuses_a_bad_one(models: list[Path], tmp_path: Path) -> None:
    frame = plant(90, seed=9)
    rows = [
        {"timestamp": time.isoformat(), **row} for time, row in zip(frame.index, frame.to_dict("records"), strict=True)
    ]
    lines = [json.dumps(row) + "\n" for row in rows]
    model, source, out, log = tmp_path / "m.tsae", tmp_path / "rows.jsonl", tmp_path / "out.jsonl", tmp_path / "log"
    shutil.copy(models[0], model)
    source.write_text("".join(lines[:60]))
    watch = Watch(model, "--from", source, "--to", out, "--state", tmp_path / "state", log=log)
    try:
        wait_for(lambda: len(answered(records_so_far(out))) == 60, "the first rows")
        model.write_bytes(b"no model")
        watch.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "the new model file is not used: " in log.read_text(), "word of the bad file")
        put_in_place(models[2], model)
        watch.process.send_signal(signal.SIGHUP)
        wait_for(
            lambda: "the new model must have the channels of the stream" in log.read_text(), "word of the channels"
        )
        put_in_place(models[1], model)  # found without a signal
        wait_for(lambda: "a new model is in use; 1 of 1 entities have full windows" in log.read_text(), "the new model")
        with source.open("a") as file:
            file.write("".join(lines[60:]))
        wait_for(lambda: len(answered(records_so_far(out))) == 90, "the last rows")
        watch.stop()
    finally:
        watch.kill()
    found = answered(records_in(out))
    assert list(found) == list(range(90))
    old, new = (
        StreamScorer(load(path)).update_many(frame[CHANNELS].to_numpy(), frame.index).immediate for path in models[:2]
    )
    expected = [row.score for row in (*old[:60], *new[60:])]
    np.testing.assert_allclose(list(found.values()), expected, rtol=1e-3)


def test_the_same_model_once_more_changes_nothing(models: list[Path]) -> None:
    scorer = StreamScorer(FittedModel.load(models[0]))
    runner = Runner(scorer, FollowedFile("rows.csv"), [], MessageReader(CHANNELS, ReadOptions()))
    runner.replace_model(FittedModel.load(models[0]))
    assert runner.scorer is scorer
    runner.replace_model(FittedModel.load(models[1]))
    assert runner.scorer is not scorer


def answered(records: list[dict[str, Any]]) -> dict[int, float]:
    """Immediate scores by row."""
    return {record["row"]: record["score"] for record in records if "score" in record}


def put_in_place(model: Path, path: Path) -> None:
    beside = path.with_suffix(".new")
    shutil.copy(model, beside)
    beside.replace(path)
