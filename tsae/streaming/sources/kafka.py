"""Kafka, as a source and as a sink."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tsae.errors import MissingDependencyError, OutputError, ParameterError
from tsae.streaming.records import Record
from tsae.streaming.sources.source import Message

__all__ = ["KafkaAddress", "KafkaSink", "KafkaSource", "kafka_address"]

_MOST_AT_ONCE = 500
_TIMEOUT = 10.0  # seconds until records must be acknowledged
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class KafkaAddress:
    """`kafka://host:port[,host:port]/topic?group=NAME`; further keys are settings of librdkafka."""

    servers: str
    topic: str
    group: str = "tsae"
    settings: dict[str, str] = field(default_factory=dict)


def kafka_address(url: str) -> KafkaAddress:
    """Read an address.

    Examples
    --------
    >>> kafka_address("kafka://localhost:9092/rows?group=line-3&security.protocol=ssl").settings
    {'security.protocol': 'ssl'}
    """
    parts = urlsplit(url)
    topic = parts.path.strip("/")
    if not parts.netloc or not topic or "/" in topic:
        raise ParameterError(f"Kafka address {url!r} must be kafka://host:port[,host:port]/topic[?group=NAME]")
    settings = dict(parse_qsl(parts.query))
    return KafkaAddress(parts.netloc, topic, settings.pop("group", "tsae"), settings)


class KafkaSource:
    """Messages of a topic; the key of a message names the entity.

    Offsets are committed to the group after results are out and the state is saved. A saved state is stronger than
    what the group says: partitions go on where the state ends.
    """

    replayable = True

    def __init__(self, address: KafkaAddress) -> None:
        self._address = address
        self._offsets: dict[int, int] = {}

    def open(self, position: Any) -> None:
        self._kafka = _library()
        self._offsets = {int(partition): offset for partition, offset in (position or {}).items()}
        settings = {
            "bootstrap.servers": self._address.servers,
            "group.id": self._address.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            **self._address.settings,
        }
        self._consumer = self._kafka.Consumer(settings)
        self._consumer.subscribe([self._address.topic], on_assign=self._assigned)

    def poll(self, timeout: float) -> list[Message] | None:
        messages = []
        for each in self._consumer.consume(_MOST_AT_ONCE, timeout):
            if each.error() is not None:
                _logger.warning("Kafka: %s", each.error())
                continue
            self._offsets[each.partition()] = each.offset() + 1
            key = each.key()
            entity = None if key is None else key.decode("utf-8", errors="replace")
            place = f"{each.topic()}[{each.partition()}]@{each.offset()}"
            messages.append(Message(each.value() or b"", entity, place))
        return messages

    def position(self) -> Any:
        return {str(partition): offset for partition, offset in self._offsets.items()}

    def commit(self) -> None:
        offsets = [
            self._kafka.TopicPartition(self._address.topic, partition, offset)
            for partition, offset in self._offsets.items()
        ]
        if not offsets:
            return
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except self._kafka.KafkaException as error:
            _logger.warning("Kafka did not take the offsets (%s); they are committed again later", error)

    def close(self) -> None:
        self._consumer.close()

    def _assigned(self, consumer: Any, partitions: list[Any]) -> None:
        for partition in partitions:
            if partition.partition in self._offsets:
                partition.offset = self._offsets[partition.partition]
        consumer.assign(partitions)


class KafkaSink:
    """Every record to a topic, keyed by its entity."""

    def __init__(self, address: KafkaAddress) -> None:
        self._address = address

    def open(self, position: Any) -> None:
        settings = {"bootstrap.servers": self._address.servers, "enable.idempotence": True, **self._address.settings}
        self._producer = _library().Producer(settings)

    def write(self, records: Sequence[Record]) -> None:
        failures: list[Any] = []

        def delivered(error: Any, _message: Any) -> None:
            if error is not None:
                failures.append(error)

        try:
            for record in records:
                key = str(record.get("entity", ""))
                self._producer.produce(self._address.topic, json.dumps(record), key=key, on_delivery=delivered)
                self._producer.poll(0)
        except BufferError as error:
            failures.append(error)
        if self._producer.flush(_TIMEOUT) or failures:
            reason = failures[0] if failures else "no answer"
            raise OutputError(f"Kafka at {self._address.servers!r} does not take results ({reason}); check it")

    def position(self) -> None:
        return None

    def close(self) -> None:
        self._producer.flush(_TIMEOUT)


def _library() -> Any:
    try:
        import confluent_kafka
    except ImportError as error:
        raise MissingDependencyError("Kafka needs confluent-kafka: pip install 'tsae[kafka]'") from error
    return confluent_kafka
