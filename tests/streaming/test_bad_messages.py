"""What no sender and no receiver may do to a stream: each costs the bad message at most."""

from __future__ import annotations

import resource
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.streaming.brokers import COMMAND, records_in, wait_for
from tests.streaming.reference import CHANNELS, plant
from tsae import AnomalyDetector, StreamScorer
from tsae.errors import OutputError
from tsae.series.options import ReadOptions
from tsae.streaming.payloads import MessageReader
from tsae.streaming.runner import Runner, RunnerOptions
from tsae.streaming.state import read_state
from tsae.streaming.transports.file import FileSink, FollowedFile
from tsae.streaming.transports.mqtt import MqttSink, entity_pattern, mqtt_address
from tsae.streaming.transports.transport import Message

pytestmark = [
    pytest.mark.filterwarnings("ignore:the rows have no readable time"),
    pytest.mark.filterwarnings("ignore:columns .* were not there in fit"),
]
GOOD = b'{"flow": 10, "pressure": 3, "running": 1}'


@pytest.fixture(scope="module")
def detector() -> AnomalyDetector:
    return AnomalyDetector(window_size=[8], max_steps=5, random_state=0).fit(plant(300))


class Given:
    """A source that hands out these payloads at once."""

    replayable = False

    def __init__(self, payloads: list[bytes]) -> None:
        self._left: list[Message] | None = [Message(payload, None, "rows") for payload in payloads]

    def open(self, position: Any) -> None:
        pass

    def poll(self, timeout: float) -> list[Message] | None:
        out, self._left = self._left, None
        return out

    def position(self) -> None:
        return None

    def commit(self) -> None:
        pass

    def close(self) -> None:
        pass


def runner_of(
    detector: AnomalyDetector, payloads: list[bytes], sink: Any, *, state: Path | None = None
) -> tuple[Runner, list[str]]:
    """A runner, and what it reports."""
    told: list[str] = []
    reader = MessageReader(CHANNELS, ReadOptions())
    options, report = RunnerOptions(state=state), lambda _, why: told.append(why)
    source = Given(payloads)
    return Runner(StreamScorer(detector), source, [sink], reader, options=options, report=report), told


def worked_through(runner: Runner) -> None:
    runner.open()
    runner.run()
    runner.close()


def run(detector: AnomalyDetector, payloads: list[bytes], sink: Any) -> tuple[Runner, list[str]]:
    runner, told = runner_of(detector, payloads, sink)
    worked_through(runner)
    return runner, told


@settings(max_examples=40)
@given(payload=st.one_of(st.binary(max_size=60), st.text(max_size=40).map(str.encode), st.just(b'{"flow": "x"}')))
def test_a_malformed_payload_costs_only_itself(
    detector: AnomalyDetector, tmp_path_factory: Any, payload: bytes
) -> None:
    sink = FileSink(tmp_path_factory.getbasetemp() / "malformed.jsonl")
    runner, told = run(detector, [GOOD, payload, GOOD], sink)
    assert runner.scorer.counts.n_rows + len(told) >= 2
    assert runner.scorer.counts.n_rows >= 2


def test_a_payload_of_fifty_megabytes_is_refused_by_its_size(detector: AnomalyDetector, tmp_path: Path) -> None:
    runner, told = run(detector, [GOOD, b" " * 50_000_000, GOOD], FileSink(tmp_path / "out"))
    assert runner.scorer.counts.n_rows == 2
    assert told == ["the message has more than 1,048,576 bytes; send one row in each"]


def test_a_hostile_topic_names_an_entity_and_nothing_else() -> None:
    _, pattern = entity_pattern("plant/{entity}/row")
    assert pattern is not None
    found = pattern.fullmatch("plant/..\n$(rm) +%00/row")
    assert found is not None
    assert found["entity"] == "..\n$(rm) +%00"
    assert pattern.fullmatch("plant/a/b/row") is None


def test_a_machine_whose_name_is_too_long_costs_only_its_row(detector: AnomalyDetector, tmp_path: Path) -> None:
    runner, told = runner_of(detector, [], FileSink(tmp_path / "out.jsonl"))
    runner.source = source = Given([])
    source._left = [Message(GOOD, entity, "rows") for entity in ("a", "x" * 256, "a")]
    worked_through(runner)
    assert [record["id"] for record in records_in(tmp_path / "out.jsonl")] == ["a/0", "a/1"]
    assert told == [
        "the name of an entity must have at most 255 characters, got 'xxxxxxxxxxxxxxxxxxxx'…; repair the sender"
    ]


@pytest.mark.parametrize("bad", [b'{"ts": "\\ud800", "flow": 1}', b'{"ts": "9999-12-31T00:00", "flow": 1}'])
def test_a_time_that_no_clock_can_hold_costs_only_its_row(
    detector: AnomalyDetector, tmp_path: Path, bad: bytes
) -> None:
    good = b'{"ts": "2026-11-24T10:00", "flow": 10}'
    runner, told = run(detector, [bad, good, bad], FileSink(tmp_path / "out.jsonl"))
    assert runner.scorer.counts.n_rows == 1
    assert len(told) == 2


def test_another_file_is_not_cut_to_where_the_one_before_ended(detector: AnomalyDetector, tmp_path: Path) -> None:
    state, other = tmp_path / "state", tmp_path / "other"
    worked_through(runner_of(detector, [GOOD], FileSink(tmp_path / "out.jsonl"), state=state)[0])
    other.write_text('{"id": "kept"}\n' * 100)
    worked_through(runner_of(detector, [GOOD], FileSink(other), state=state)[0])
    assert [record["id"] for record in records_in(other)] == ["kept"] * 100 + ["/1"]


def test_a_part_that_cannot_be_opened_is_named_although_others_are_not_open(
    detector: AnomalyDetector, tmp_path: Path
) -> None:
    runner, _ = runner_of(detector, [], FileSink(tmp_path / "missing" / "out"))
    runner.sinks = [*runner.sinks, MqttSink(mqtt_address("mqtt://127.0.0.1:1/out"))]
    with pytest.raises(OutputError, match="cannot write"):
        runner.open()
    runner.close()


def test_a_stop_does_not_wait_for_the_next_try(detector: AnomalyDetector, tmp_path: Path) -> None:
    class Down(FileSink):
        def write(self, records: Any) -> None:
            tries.append(len(records))
            if len(tries) == 2:  # while it waits for the third
                threading.Timer(0.05, runner.stop).start()
            raise OutputError("down")

    tries: list[int] = []
    runner, _ = runner_of(detector, [GOOD], Down(tmp_path / "out"))
    pause = runner._pause
    runner._pause = lambda seconds: pause(1e9 if len(tries) == 2 else 0.0)
    worked_through(runner)
    assert tries == [1, 1, 1]
    assert runner.failed


def test_a_sink_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot write .*missing.*; choose another path"):
        FileSink(tmp_path / "missing" / "out.jsonl").open(None)


@contextmanager
def disk_full_at(n_bytes: int) -> Iterator[Callable[[], None]]:
    """No file of this process can grow beyond this size, until what is given is called."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def free() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield free
    finally:
        free()


def test_results_wait_for_space_and_stand_in_the_file_once(
    detector: AnomalyDetector, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out.jsonl"
    runner, _ = runner_of(detector, [GOOD] * 20, FileSink(out))
    pauses: list[float] = []
    with disk_full_at(1000) as free:

        def sleep(seconds: float) -> None:
            assert out.stat().st_size == 0  # what was written in part is taken back
            pauses.append(seconds)
            if len(pauses) == 3:
                free()

        runner._pause = sleep
        worked_through(runner)
    assert pauses == [0.1, 0.2, 0.4]
    assert f"cannot write {str(out)!r}: File too large; free some space; trying again in 0.1 s" in caplog.text
    assert [record["id"] for record in records_in(out)] == [f"/{row}" for row in range(20)]


def test_a_state_waits_for_space_and_is_whole(detector: AnomalyDetector, tmp_path: Path) -> None:
    state = tmp_path / "state"
    runner, _ = runner_of(detector, [GOOD] * 20, FileSink(tmp_path / "out.jsonl"), state=state)
    runner.open()
    before = state.read_bytes()
    with disk_full_at(3000) as free:
        tries: list[bytes] = []

        def sleep(seconds: float) -> None:
            tries.append(state.read_bytes())
            free()

        runner._pause = sleep
        runner.run()
        runner.close()
    assert tries == [before]
    assert runner.n_retries == 1
    restored = StreamScorer(detector)
    assert read_state(state, restored) is not None
    assert restored.counts.n_rows == 20


def test_a_start_that_fails_leaves_state_and_results_as_they_are(detector: AnomalyDetector, tmp_path: Path) -> None:
    out, state, elsewhere = (tmp_path / name for name in ("out.jsonl", "state", "elsewhere"))
    worked_through(runner_of(detector, [GOOD] * 20, FileSink(out), state=state)[0])
    before = state.read_bytes(), out.read_bytes()
    out.rename(elsewhere)
    out.mkdir()
    runner, _ = runner_of(detector, [GOOD], FileSink(out), state=state)
    with pytest.raises(OutputError, match="Is a directory"):
        runner.open()
    runner.close()
    out.rmdir()
    elsewhere.rename(out)
    assert (state.read_bytes(), out.read_bytes()) == before


def test_results_that_are_not_out_are_not_remembered(detector: AnomalyDetector, tmp_path: Path) -> None:
    class Gone(FileSink):
        def write(self, records: Any) -> None:
            raise BrokenPipeError  # nobody reads any more

    state = tmp_path / "state"
    runner, _ = runner_of(detector, [GOOD] * 20, Gone(tmp_path / "out"), state=state)
    runner.open()
    with pytest.raises(BrokenPipeError):
        runner.run()
    runner.close()
    restored = StreamScorer(detector)
    assert read_state(state, restored) is not None
    assert restored.counts.n_rows == 0


def test_standard_output_that_is_full_is_told(detector: AnomalyDetector, tmp_path: Path) -> None:
    detector.save(tmp_path / "m.tsae")
    (tmp_path / "rows.jsonl").write_bytes(GOOD + b"\n")
    log = tmp_path / "log"
    with Path("/dev/full").open("wb") as full, log.open("wb") as told:
        command = [*COMMAND, "watch", tmp_path / "m.tsae", "--from", tmp_path / "rows.jsonl"]
        process = subprocess.Popen(command, stdout=full, stderr=told)
    try:
        message = "cannot write to standard output: No space left on device; free some space"
        wait_for(lambda: message in log.read_text(), "word of the full disk")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 5
    finally:
        process.kill()
        process.wait()
    assert "error: stopped before all results were delivered" in log.read_text()


def test_a_line_of_fifty_megabytes_costs_only_itself(detector: AnomalyDetector, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(GOOD + b"\n" + b"x" * 50_000_000 + b"\n" + GOOD + b"\n")
    runner, told = runner_of(detector, [], FileSink(tmp_path / "out"))
    runner.source = FollowedFile(path, follow=False)
    worked_through(runner)
    assert runner.scorer.counts.n_rows == 2
    assert told == ["the message has more than 1,048,576 bytes; send one row in each"]
