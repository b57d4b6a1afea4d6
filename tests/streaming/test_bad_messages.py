"""What no sender and no receiver may do to a stream: each costs the bad message at most."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.streaming.reference import CHANNELS, plant
from tsae import AnomalyDetector, StreamScorer
from tsae.errors import OutputError
from tsae.series.options import ReadOptions
from tsae.streaming.payloads import MessageReader
from tsae.streaming.runner import Runner
from tsae.streaming.sinks.lines import FileSink
from tsae.streaming.sinks.webhook import WebhookSink
from tsae.streaming.sources.mqtt import entity_pattern
from tsae.streaming.sources.source import Message

pytestmark = [
    pytest.mark.filterwarnings("ignore:the rows carry no time"),
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


def run(detector: AnomalyDetector, payloads: list[bytes], sink: Any) -> tuple[Runner, list[str]]:
    told: list[str] = []
    reader = MessageReader(CHANNELS, ReadOptions())
    runner = Runner(StreamScorer(detector), Given(payloads), [sink], reader.row, report=lambda _, why: told.append(why))
    runner.open()
    runner.run()
    runner.close()
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


def test_a_sink_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot write .*missing.*; choose another path"):
        FileSink(tmp_path / "missing" / "out.jsonl").open(None)


@pytest.fixture
def receiver() -> Iterator[Any]:
    """A web hook that is down for its first two requests."""
    keys: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            keys.append(self.headers["Idempotency-Key"])
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(503 if len(keys) <= 2 else 204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/", keys
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_web_hook_that_is_down_gets_everything_later(detector: AnomalyDetector, receiver: Any) -> None:
    url, keys = receiver
    pauses: list[float] = []
    run(detector, [GOOD, GOOD], WebhookSink(url, sleep=pauses.append))
    assert keys == ["row:/0"] * 3 + ["row:/1"]
    assert pauses == sorted(pauses)
    assert len(pauses) == 2
