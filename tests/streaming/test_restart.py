"""A model file that is replaced while the watch is down: a restart does what a running watch does."""

from __future__ import annotations

import json
import random
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.streaming.brokers import Mosquitto, Watch, publish, records_in, records_so_far, wait_for
from tests.streaming.reference import plant
from tests.streaming.test_handover import SMALL, answered, put_in_place
from tsae import AnomalyDetector, StreamScorer
from tsae.errors import DataError
from tsae.model.fitted import FittedModel
from tsae.streaming.handover import hand_over
from tsae.streaming.records import Record, event_records, row_records
from tsae.streaming.row_scores import StreamScores
from tsae.streaming.state import write_state
from tsae.streaming.state_files import StateFiles

PUMPS = ["pump-0", "pump-1"]
TAKEN_UP = "a new model is in use; {0} of {0} entities have full windows"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three models of the same plant, and one of another."""
    folder = tmp_path_factory.mktemp("models")
    tables = [*(plant(300, seed=n) for n in range(3)), plant(300).rename(columns={"flow": "heat"})]
    for number, table in enumerate(tables):
        AnomalyDetector(**SMALL, random_state=number).fit(table).save(folder / f"{number}.tsae")
    return [folder / f"{number}.tsae" for number in range(4)]


def faulty(seed: int) -> pd.DataFrame:
    """A fault from row 36 to row 43."""
    frame = plant(80, seed=seed)
    frame.iloc[36:44, 1] += 2.0
    return frame


def as_records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    rows = zip(frame.index, frame.to_dict("records"), strict=True)
    return [{"timestamp": time.isoformat(), **row} for time, row in rows]


def as_lines(frame: pd.DataFrame) -> list[str]:
    return [json.dumps(record) + "\n" for record in as_records(frame)]


class Twin:
    """What an uninterrupted watch tells, whose models are replaced between two rows."""

    def __init__(self, model: Path) -> None:
        self.scorer = StreamScorer(FittedModel.load(model))
        self.told: list[Record] = []

    def push(self, rows: list[tuple[str, Record]]) -> None:
        names, records = zip(*rows, strict=True)
        values = [{name: value for name, value in record.items() if name != "timestamp"} for record in records]
        self._tell(self.scorer.update_many(values, [record["timestamp"] for record in records], names))

    def replace(self, model: Path) -> None:
        after = StreamScorer(FittedModel.load(model))
        self._tell(hand_over(self.scorer, after))
        self.scorer = after

    def _tell(self, scores: StreamScores) -> None:
        self.told += row_records(scores, self.scorer.channels) + event_records(scores.events)


def assert_same(found: list[Record], expected: list[Record]) -> None:
    """Every row and event once, with its score."""
    for name in ("", *PUMPS):
        of_name = [[each for each in told if each.get("entity", "") == name] for told in (found, expected)]
        for of_one in (of_rows, of_settled, of_events):
            one, other = (dict(pairs) for pairs in map(of_one, of_name))
            assert list(one) == list(other)
            assert all(len(of_one(told)) == len(dict(of_one(told))) for told in of_name)  # none twice
            np.testing.assert_allclose(list(one.values()), list(other.values()), rtol=1e-3)


def of_rows(records: list[Record]) -> list[tuple[Any, float]]:
    return [(record["row"], record["score"]) for record in records if "score" in record]


def of_settled(records: list[Record]) -> list[tuple[Any, float]]:
    return [(row["row"], row["score"]) for record in records for row in record.get("settled", ())]


def of_events(records: list[Record]) -> list[tuple[Any, float]]:
    events = [record for record in records if record["kind"] == "event"]
    return [((event["id"], event["state"], event["version"]), event["peak_score"]) for event in events]


def test_after_sigkill_every_row_is_told_once_as_in_an_uninterrupted_run(models: list[Path], tmp_path: Path) -> None:
    frames = {name: as_records(faulty(seed)) for seed, name in enumerate(PUMPS)}
    rows = [(name, frames[name][row]) for row in range(80) for name in PUMPS]
    messages = [(f"plant/{name}/row", json.dumps(record).encode()) for name, record in rows]
    broker = Mosquitto(tmp_path)
    model, out, state, log = (tmp_path / name for name in ("m.tsae", "out.jsonl", "state", "log"))
    shutil.copy(models[0], model)
    address = f"mqtt://127.0.0.1:{broker.port}/plant/{{entity}}/row?client=restart"
    watch = Watch(model, "--from", address, "--to", out, "--state", state, log=log)
    try:
        time.sleep(1)  # until it has subscribed
        publish(broker.port, messages[:80])  # to the midst of the fault
        wait_for(lambda: remembered(tmp_path / "state.journal") == 80, "the first rows")
        watch.kill()
        publish(broker.port, messages[80:])
        put_in_place(models[1], model)
        watch.start()
        wait_for(lambda: len(of_rows(records_so_far(out))) == 160, "the last rows")
        watch.stop()
    finally:
        watch.kill()
        broker.stop()
    twin = Twin(models[0])
    twin.push(rows[:80])
    twin.replace(models[1])
    twin.push(rows[80:])
    assert {"opened", "closed"} <= {record.get("state") for record in twin.told}
    assert_same(records_in(out), twin.told)
    assert TAKEN_UP.format(2) in log.read_text()
    assert f"{160} rows scored" in log.read_text()  # counters go on


def remembered(journal: Path) -> int:
    """Messages of all whole lines."""
    text = journal.read_text() if journal.exists() else ""
    return sum(len(json.loads(line)["in"]) for line in text[: text.rfind("\n") + 1].splitlines()[1:])


def test_a_stop_and_a_restart_is_a_reload(models: list[Path], tmp_path: Path) -> None:
    lines, model, out = as_lines(faulty(3)), tmp_path / "m.tsae", tmp_path / "out.jsonl"
    watch, twin = following(models[0], lines[:40], tmp_path), Twin(models[0])
    try:
        for number, rows in enumerate([slice(0, 40), slice(40, 41), slice(41, 80)]):
            if number:
                put_in_place(models[number], model)
                twin.replace(models[number])
                append(tmp_path, lines[rows])
                watch.start()
            wait_for(lambda rows=rows: len(answered(records_so_far(out))) == rows.stop, "the rows")
            watch.stop()
            twin.push([("", record) for record in as_records(faulty(3))[rows]])
    finally:
        watch.kill()
    assert_same(records_in(out), twin.told)
    assert (tmp_path / "state.model").read_bytes() == model.read_bytes()


def test_models_that_change_at_every_kill_cost_no_row(models: list[Path], tmp_path: Path) -> None:
    lines, model, out = as_lines(plant(400, seed=4)), tmp_path / "m.tsae", tmp_path / "out.jsonl"
    watch, dice = following(models[0], lines[:100], tmp_path), random.Random(0)
    try:
        for number in range(1, 4):
            wait_for(lambda number=number: len(answered(records_so_far(out))) >= 100 * number - 60, "rows")
            watch.kill()
            put_in_place(models[number % 3], model)
            append(tmp_path, lines[100 * number : 100 * (number + 1)])
            watch.start()
            time.sleep(dice.random() / 10)
        wait_for(lambda: len(answered(records_so_far(out))) == 400, "the last rows")
        watch.stop()
    finally:
        watch.kill()
    records = records_in(out)
    assert [row for row, _ in of_rows(records)] == list(range(400))
    settled = [row for row, _ in of_settled(records)]
    assert settled == list(range(len(settled)))
    assert len(settled) == 400 - StreamScorer(FittedModel.load(model)).fleet.lanes.delay


def test_what_cannot_go_on_is_refused_and_costs_nothing(models: list[Path], tmp_path: Path) -> None:
    lines, model, out = as_lines(faulty(3)), tmp_path / "m.tsae", tmp_path / "out.jsonl"
    watch = following(models[0], lines[:40], tmp_path)
    try:
        wait_for(lambda: len(answered(records_so_far(out))) == 40, "the first rows")
        watch.stop()
        files = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.suffix != ".tsae"}
        put_in_place(models[3], model)
        assert "the new model must have the channels of the stream (['flow', 'pressure', 'running'])" in refusal(
            watch, 4
        )
        (tmp_path / "state.model").unlink()
        put_in_place(models[1], model)
        assert "the state belongs to another model, and" in refusal(watch, 3)
        assert all((tmp_path / name).read_bytes() == was for name, was in files.items() if name not in UNLIKE)
        put_in_place(models[0], model)
        append(tmp_path, lines[40:])
        watch.start()
        wait_for(lambda: len(answered(records_so_far(out))) == 80, "the last rows")
        watch.stop()
    finally:
        watch.kill()
    twin = Twin(models[0])
    twin.push([("", record) for record in as_records(faulty(3))])
    assert_same(records_in(out), twin.told)


UNLIKE = ("log", "state.model")


def refusal(watch: Watch, code: int) -> str:
    """What a restart says that must end with this exit code."""
    with pytest.raises(AssertionError) as caught:
        watch.start()
    assert watch.process.wait(60) == code
    return str(caught.value)


def following(model: Path, lines: list[str], folder: Path) -> Watch:
    """A watch that follows a file that holds these lines."""
    shutil.copy(model, folder / "m.tsae")
    append(folder, lines)
    files = ["--from", folder / "rows.jsonl", "--to", folder / "out.jsonl", "--state", folder / "state"]
    return Watch(folder / "m.tsae", *files, log=folder / "log")


def append(folder: Path, lines: list[str]) -> None:
    with (folder / "rows.jsonl").open("a") as file:
        file.write("".join(lines))


def test_whichever_state_a_crash_leaves_has_its_model(models: list[Path], tmp_path: Path) -> None:
    scorers = [StreamScorer(FittedModel.load(path)) for path in models[:3]]
    state = tmp_path / "state"

    def found() -> bytes:
        return StateFiles(state).model.scorer_of_state(scorers[2]).model.file

    StateFiles(state).write(scorers[0], {})
    assert found() == models[0].read_bytes()
    beside = StateFiles(state).model.beside(scorers[1].model)
    beside.__enter__()  # a crash before the state is written
    assert found() == models[0].read_bytes()
    beside = StateFiles(state).model.beside(scorers[1].model)
    beside.__enter__()
    write_state(state, scorers[1], {})  # a crash after it
    assert found() == models[1].read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state", "state.model"]
    (tmp_path / "state.model").write_bytes(b"torn")
    with pytest.raises(DataError, match=r"delete the state .* to begin afresh"):
        found()
