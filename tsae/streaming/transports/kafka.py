"""Kafka topics as sources and sinks."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from tsae.errors import MissingDependencyError, OutputError, ParameterError
from tsae.streaming.transports.transport import Message

if TYPE_CHECKING:
    from tsae.streaming.records import Record

__all__ = ["KafkaAddress", "KafkaSink", "KafkaSource", "kafka_address", "sink", "source"]

_MOST_AT_ONCE = 500
_TIMEOUT = 5.0  # seconds until records must be acknowledged
_QUIET = {"log_level": 2}  # its messages arrive as errors too
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

    Raises
    ------
    ParameterError
        If it lacks a server or a topic.

    Examples
    --------
    >>> kafka_address("kafka://localhost:9092/rows?group=line-3&security.protocol=ssl").settings
    {'security.protocol': 'ssl'}
    """
    parts = urlsplit(url)
    topic = parts.path.strip("/")
    if not parts.netloc or not topic or "/" in topic:
        raise ParameterError(f"Kafka address must be kafka://host:port[,host:port]/topic[?group=NAME], got {url!r}")
    settings = dict(parse_qsl(parts.query))
    return KafkaAddress(parts.netloc, topic, settings.pop("group", "tsae"), settings)


class KafkaSource:
    """Messages of a topic; the key of a message names the entity.

    Offsets are committed to the group after results are out and the state is saved. A saved state takes precedence over
    the offsets of the group: partitions continue where the state ends.
    """

    replayable = True

    def __init__(self, address: KafkaAddress) -> None:
        self._address = address
        self._outages = _Outages(address)
        self._offsets: dict[int, int] = {}

    def open(self, position: Any) -> None:
        self._kafka = _library()
        if position is not None and position.get("topic") == self._address.topic:  # not the offsets of another one
            self._offsets = {int(partition): offset for partition, offset in position["offsets"].items()}
        settings = {
            "group.id": self._address.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
        self._consumer = _client_of(self._kafka.Consumer, self._address, self._outages, settings)
        self._consumer.subscribe([self._address.topic], on_assign=self._assigned)

    def poll(self, timeout: float) -> list[Message] | None:
        first = self._consumer.poll(timeout)
        if first is None:
            return []
        messages = []
        for each in [first, *self._consumer.consume(_MOST_AT_ONCE - 1, 0.0)]:
            if each.error() is not None:
                self._outages.report(each.error())
                continue
            self._outages.end()
            self._offsets[each.partition()] = each.offset() + 1
            key = each.key()
            entity = None if key is None else key.decode("utf-8", errors="replace")
            place = f"{each.topic()}[{each.partition()}]@{each.offset()}"
            messages.append(Message(each.value() or b"", entity, place))
        return messages

    def position(self) -> Any:
        return {"topic": self._address.topic, "offsets": {str(part): end for part, end in self._offsets.items()}}

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
            _logger.warning("Kafka did not accept the offsets (%s); they are committed again later", error)

    def close(self) -> None:
        self._consumer.close()

    def _assigned(self, consumer: Any, partitions: list[Any]) -> None:
        for partition in partitions:
            if partition.partition in self._offsets:
                partition.offset = self._offsets[partition.partition]
        consumer.assign(partitions)


class KafkaSink:
    """Sink that writes every record to a topic, keyed by its entity."""

    def __init__(self, address: KafkaAddress) -> None:
        self._address = address
        self._outages = _Outages(address)
        self._n_out = 0  # of the records that are being written
        self._is_sent = False  # the client has the next ones, and repeats them by itself
        self._failures: list[Any] = []

    def open(self, position: Any) -> None:
        self._kafka = _library()
        settings = {"enable.idempotence": True}
        self._producer = _client_of(self._kafka.Producer, self._address, self._outages, settings)

    def write(self, records: Sequence[Record]) -> None:
        while self._n_out < len(records):
            part = records[self._n_out : self._n_out + _MOST_AT_ONCE]
            if not self._is_sent:
                for record in part:
                    self._produce(record)
                self._is_sent = True
            if self._producer.flush(_TIMEOUT):
                raise self._not_accepted("no answer")
            failures, self._failures, self._is_sent = self._failures, [], False
            if failures:
                raise self._not_accepted(failures[0])
            self._outages.end()
            self._n_out += len(part)
        self._n_out = 0

    def position(self) -> None:
        return None

    def close(self) -> None:
        self._producer.purge()  # records that are not out are not remembered

    def _produce(self, record: Record) -> None:
        """Pass a record to the client; one that is too long is dropped, because it would be refused for ever."""

        def done(error: Any, _message: Any = None) -> None:
            if error is None:
                return
            if getattr(error, "code", lambda: None)() == self._kafka.KafkaError.MSG_SIZE_TOO_LARGE:
                _logger.error("Kafka rejected %s (%s); it is not sent again", record["id"], error)
            else:
                self._failures.append(error)

        try:
            key = str(record.get("entity", ""))
            self._producer.produce(self._address.topic, json.dumps(record), key=key, on_delivery=done)
        except self._kafka.KafkaException as error:
            done(error.args[0])
        except BufferError as error:
            done(error)

    def _not_accepted(self, reason: Any) -> OutputError:
        return OutputError(f"Kafka at {self._address.servers!r} does not accept results ({reason}); check it")


class _Outages:
    """Reporter of problems with the servers, each once; the client goes on trying."""

    def __init__(self, address: KafkaAddress) -> None:
        self._where = address.servers
        self._reported: set[int] = set()

    def report(self, error: Any) -> None:
        if error.code() not in self._reported:
            _logger.warning("Kafka at %r: %s; trying again", self._where, error.str())
        self._reported.add(error.code())

    def end(self) -> None:
        self._reported.clear()


def _client_of(kind: Any, address: KafkaAddress, outages: _Outages, settings: dict[str, Any]) -> Any:
    """Return a consumer or producer; settings in the address take precedence over these."""
    whole = {"bootstrap.servers": address.servers, **_QUIET, **settings, **address.settings}
    try:
        return kind({**whole, "error_cb": outages.report})
    except _library().KafkaException as error:
        raise ParameterError(
            f"Kafka's client rejected its settings ({error.args[0].str()}); correct the address"
        ) from error


def _library() -> Any:
    try:
        import confluent_kafka
    except ImportError as error:
        raise MissingDependencyError("Kafka needs confluent-kafka: pip install 'tsae[kafka]'") from error
    return confluent_kafka


def source(address: str, _follow: bool) -> KafkaSource:
    """Open the source at an address."""
    return KafkaSource(kafka_address(address))


def sink(address: str) -> KafkaSink:
    """Open the sink at an address."""
    return KafkaSink(kafka_address(address))
