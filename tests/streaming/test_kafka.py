from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import confluent_kafka
import numpy as np
import pytest

from tests.streaming.reference import CHANNELS, of_file, plant
from tsae import AnomalyDetector, StreamScorer
from tsae.errors import OutputError, ParameterError
from tsae.series.options import ReadOptions
from tsae.streaming.payloads import MessageReader
from tsae.streaming.runner import Runner, RunnerOptions
from tsae.streaming.transports import kafka
from tsae.streaming.transports.kafka import KafkaSink, KafkaSource, kafka_address

pytestmark = pytest.mark.filterwarnings("ignore:the rows have no readable time")


@pytest.fixture(scope="module")
def detector() -> AnomalyDetector:
    return AnomalyDetector(window_size=[8], max_steps=20, random_state=0).fit(plant(400))


@pytest.fixture(scope="module")
def servers() -> Any:
    """The mock cluster of the client library; it lives as long as the client that began it."""
    keeper = confluent_kafka.Producer({"bootstrap.servers": "", "test.mock.num.brokers": 1})
    metadata = keeper.list_topics(timeout=10)
    broker = next(iter(metadata.brokers.values()))
    yield f"{broker.host}:{broker.port}"
    keeper.flush(1)


def produce(servers: str, topic: str, messages: list[tuple[str, str]]) -> None:
    producer = confluent_kafka.Producer({"bootstrap.servers": servers})
    for key, value in messages:
        producer.produce(topic, value, key=key)
    assert producer.flush(20) == 0


class Kept:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    def open(self, position: Any) -> None:
        pass

    def write(self, records: Any) -> None:
        self.records += records

    def position(self) -> None:
        return None

    def close(self) -> None:
        pass


def runner_of(
    detector: AnomalyDetector, servers: str, topic: str, state: Path | None, group: str
) -> tuple[Runner, Kept]:
    kept = Kept()
    source = KafkaSource(kafka_address(f"kafka://{servers}/{topic}?group={group}"))
    options = RunnerOptions(state=state, snapshot_rows=50)
    reader = MessageReader(CHANNELS, ReadOptions())
    return Runner(StreamScorer(detector), source, [kept], reader, options=options), kept


def run_until(runner: Runner, n_rows: int) -> None:
    deadline = time.monotonic() + 60
    while runner.scorer.counts.n_rows < n_rows:
        assert time.monotonic() < deadline
        runner.step(0.2)


def test_rows_of_a_topic_go_on_where_the_state_ends(detector: AnomalyDetector, servers: str, tmp_path: Path) -> None:
    frame = plant(120, seed=5)
    rows = [
        json.dumps({"timestamp": time_.isoformat(), **row})
        for time_, row in zip(frame.index, frame.to_dict("records"), strict=True)
    ]
    produce(servers, "rows", [("pump", row) for row in rows[:70]])
    first, kept = runner_of(detector, servers, "rows", tmp_path / "state", "one")
    first.open()
    run_until(first, 70)
    first.source.close()  # and no more: what came since the last snapshot comes again
    assert first._files is not None
    first._files.journal.close()
    produce(servers, "rows", [("pump", row) for row in rows[70:]])
    second, again = runner_of(detector, servers, "rows", tmp_path / "state", "other")
    second.open()
    run_until(second, 120)
    second.settle()
    second.close()
    by_id: dict[str, dict[str, Any]] = {}
    for record in kept.records + again.records:
        if "score" in record:
            before = by_id.setdefault(record["id"], record)
            assert before["score"] == pytest.approx(record["score"], rel=1e-4)
    settled = {row["row"]: row["score"] for record in kept.records + again.records for row in record.get("settled", ())}
    np.testing.assert_allclose([settled[row] for row in range(120)], of_file(detector, frame), rtol=1e-4)


def test_a_restart_in_the_same_group_goes_on_where_results_were_out(detector: AnomalyDetector, servers: str) -> None:
    """Without a state: the group's offsets alone say what is dealt with."""
    rows = [json.dumps({"flow": 10, "pressure": 3, "running": row % 2}) for row in range(40)]
    produce(servers, "again", [("pump", row) for row in rows[:25]])
    group = "again&session.timeout.ms=6000"  # so long the mock coordinator waits for members that have left
    first, kept = runner_of(detector, servers, "again", None, group)
    first.open()
    run_until(first, 25)
    first.close()
    assert committed(servers, "again") == 25
    produce(servers, "again", [("pump", row) for row in rows[25:]])
    second, rest = runner_of(detector, servers, "again", None, group)
    second.open()
    run_until(second, 15)
    second.close()
    assert (len(told(kept)), len(told(rest)), second.n_messages) == (25, 15, 15)
    assert committed(servers, "again") == 40


def test_offsets_are_not_committed_before_results_are_out(detector: AnomalyDetector, servers: str) -> None:
    produce(servers, "held", [("pump", '{"flow": 10, "pressure": 3, "running": 1}')])
    runner, kept = runner_of(detector, servers, "held", None, "held")
    runner.open()

    def refuse(records: Any) -> None:
        assert committed(servers, "held") < 0
        runner.stop()
        raise OutputError("down")

    kept.write = refuse  # type: ignore[method-assign]
    deadline = time.monotonic() + 60
    while not runner.stopped and time.monotonic() < deadline:
        runner.step(0.2)
    assert runner.failed
    runner.close()
    assert committed(servers, "held") < 0


def committed(servers: str, group: str) -> int:
    """Offset of the topic that is named like its group, negative if there is none."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": servers, "group.id": group})
    parts = range(len(consumer.list_topics(group, timeout=10).topics[group].partitions))
    found = consumer.committed([confluent_kafka.TopicPartition(group, part) for part in parts], timeout=10)
    consumer.close()
    return max(part.offset for part in found)


def told(kept: Kept) -> list[dict[str, Any]]:
    return [record for record in kept.records if "score" in record]


def test_results_go_to_a_topic_keyed_by_entity_and_one_that_is_too_long_costs_no_other(
    servers: str, caplog: pytest.LogCaptureFixture
) -> None:
    sink = KafkaSink(kafka_address(f"kafka://{servers}/results"))
    sink.open(None)
    sink.write([{"id": "a/long", "text": " " * 2_000_000}, {"id": "a/0", "entity": "a"}])
    sink.close()
    assert "Kafka rejected a/long (" in caplog.text
    source = KafkaSource(kafka_address(f"kafka://{servers}/results?group=test"))
    source.open(None)
    messages: list[Any] = []
    deadline = time.monotonic() + 30
    while not messages and time.monotonic() < deadline:
        messages = source.poll(0.5) or []
    source.close()
    assert [(message.entity, json.loads(message.payload)["id"]) for message in messages] == [("a", "a/0")]


@pytest.mark.parametrize("url", ["kafka:///rows", "kafka://host:1/", "kafka://host:1/a/b"])
def test_addresses_that_cannot_be_read_are_refused(url: str) -> None:
    with pytest.raises(ParameterError, match="must be kafka://host:port"):
        kafka_address(url)


def test_offsets_of_another_topic_and_ends_of_a_file_are_no_position() -> None:
    source = KafkaSource(kafka_address("kafka://127.0.0.1:9/rows"))
    for position in ({"topic": "others", "offsets": {"0": 7}}, {"inode": 1, "offset": 7, "head": [0, 0]}):
        source.open(position)
        assert source.position() == {"topic": "rows", "offsets": {}}
        source.close()
    source.open({"topic": "rows", "offsets": {"0": 7}})
    assert source.position() == {"topic": "rows", "offsets": {"0": 7}}
    source.close()


def test_a_cluster_that_is_not_there_is_told_once_and_given_everything_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(kafka, "_TIMEOUT", 0.2)
    address = kafka_address("kafka://127.0.0.1:9/rows")
    source, sink = KafkaSource(address), KafkaSink(address)
    source.open(None)
    sink.open(None)
    try:
        for _ in range(3):
            with pytest.raises(OutputError, match=r"does not accept results \(no answer\); check it"):
                sink.write([{"id": "a"}, {"id": "b"}])
            assert source.poll(0.2) == []
        sink._producer.purge()
        sink._producer.flush(1.0)
        assert len(sink._failures) == 2  # none was handed over again
        assert 1 <= caplog.text.count("Connection refused") <= 2  # each client once
        assert "rdkafka#" not in capfd.readouterr().err  # no lines of the client's own
    finally:
        source.close()
        sink.close()


@pytest.mark.parametrize("kind", [KafkaSource, KafkaSink])
def test_settings_that_the_client_does_not_know_are_refused(kind: Any) -> None:
    with pytest.raises(ParameterError, match=r'No such configuration property: "no.such"\); correct the address'):
        kind(kafka_address("kafka://host:1/rows?no.such=1")).open(None)
