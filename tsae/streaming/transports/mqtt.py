"""MQTT 3.1.1 and 5 topics as sources and sinks."""

from __future__ import annotations

import json
import logging
import os
import queue
import re
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unicodedata import category
from urllib.parse import unquote, urlsplit

from tsae.errors import MissingDependencyError, OutputError, ParameterError
from tsae.streaming.transports.transport import LONGEST_PAYLOAD, Message

if TYPE_CHECKING:
    from tsae.streaming.records import Record

__all__ = ["MqttAddress", "MqttSink", "MqttSource", "entity_pattern", "mqtt_address", "sink", "source"]

_logger = logging.getLogger(__name__)
_MOST_AT_ONCE = 500
_MOST_WAITING = 2000
_MOST_IN_FLIGHT = 200  # repeats after a crash must be recognised by their times
_LONGEST_DELAY = 30  # seconds between tries to connect
_TIMEOUT = 5.0  # seconds until a message must be acknowledged


@dataclass(frozen=True)
class MqttAddress:
    """`mqtt://host:port/topic`, or `mqtts://` with TLS.

    User and password are read from the environment, TSAE_MQTT_USER and TSAE_MQTT_PASSWORD; with TLS, TSAE_MQTT_CA may
    name a file with the certificates of another authority than the system's.
    """

    host: str
    port: int
    topic: str
    tls: bool = False
    version: str = "3.1.1"
    """"3.1.1" or "5"."""
    client_id: str = "tsae"
    """Name under which the broker keeps unacknowledged messages; one per process."""


def mqtt_address(url: str) -> MqttAddress:
    """Read an address.

    Raises
    ------
    ParameterError
        If it lacks a host or a topic, holds a password, or has an unknown option or version.

    Examples
    --------
    >>> mqtt_address("mqtt://broker/plant/{entity}/row?version=5&client=line-3").topic
    'plant/{entity}/row'
    """
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise ParameterError("an MQTT address must not contain a password; set TSAE_MQTT_USER and TSAE_MQTT_PASSWORD")
    stated = dict(pair.partition("=")[::2] for pair in parts.query.split("&") if pair)
    unknown = set(stated) - {"version", "client"}
    topic = unquote(parts.path.lstrip("/"))
    try:
        port = parts.port
    except ValueError as error:
        raise ParameterError(f"MQTT address {url!r}: {error}") from error
    if unknown or not parts.hostname or not topic or stated.get("version", "5") not in ("3.1.1", "5"):
        raise ParameterError(
            "MQTT address must be mqtt://host[:port]/topic[?version=3.1.1|5&client=NAME], with {entity} for the part "
            f"that names the entity, got {url!r}"
        )
    tls = parts.scheme == "mqtts"
    more = {name: stated[key] for name, key in (("version", "version"), ("client_id", "client")) if key in stated}
    return MqttAddress(parts.hostname, port or (8883 if tls else 1883), topic, tls, **more)


def entity_pattern(topic: str) -> tuple[str, re.Pattern[str] | None]:
    """Return the filter to subscribe to, and the pattern that finds the entity in a topic.

    Raises
    ------
    ParameterError
        If the topic is not a valid filter, or is shared among subscribers.

    >>> filter, pattern = entity_pattern("plant/{entity}/row")
    >>> filter, pattern.fullmatch("plant/pump-3/row")["entity"]
    ('plant/+/row', 'pump-3')
    """
    levels = topic.split("/")
    is_wrong = any(len(level) > 1 and set(level) & {"+", "#"} for level in levels) or "#" in levels[:-1]
    if is_wrong or levels[0] == "$share":
        rule = "+ and # must be alone between two slashes, # at the end; subscriptions cannot be shared"
        raise ParameterError(f"topic {topic!r}: {rule}")
    if any("{entity}" in level and level != "{entity}" for level in levels) or levels.count("{entity}") > 1:
        raise ParameterError(f"topic {topic!r}: {{entity}} must be alone between two slashes, and occur once")
    subscribed = topic.replace("{entity}", "+")
    if "{entity}" not in levels:
        return subscribed, None
    regex = {"{entity}": "(?P<entity>[^/]+)", "+": "[^/]*", "#": ".*"}
    return subscribed, re.compile("/".join(regex.get(level, re.escape(level)) for level in levels), re.DOTALL)


class MqttSource:
    """Messages of a topic at QoS 1, acknowledged when they are finished.

    The broker keeps unacknowledged messages for this client id, over its own restarts too if it is persistent. It
    sends no more of them than its in-flight limit, so the memory taken here is bounded.
    """

    replayable = False

    def __init__(self, address: MqttAddress) -> None:
        self._address = address
        self._topic, self._pattern = entity_pattern(address.topic)
        self._queue: queue.Queue[Any] = queue.Queue(maxsize=_MOST_WAITING)
        self._polled: list[tuple[int, Any]] = []  # number of the connection, and the message
        self.n_connections = 0

    def open(self, position: Any) -> None:
        self._client = connected_client(self._address, self)

    def poll(self, timeout: float) -> list[Message] | None:
        try:
            batch = [self._queue.get(timeout=timeout)]
        except queue.Empty:
            return []
        while len(batch) < _MOST_AT_ONCE:
            try:
                batch.append(self._queue.get_nowait())
            except queue.Empty:
                break
        self._polled += batch
        return [Message(each.payload, self._entity_of(each.topic), each.topic[:200]) for _, each in batch]

    def position(self) -> None:
        return None

    def commit(self) -> None:
        for connection, message in self._polled:
            if connection == self.n_connections:  # otherwise it is sent again, and its number may be reused
                self._client.ack(message.mid, message.qos)
        self._polled.clear()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def on_connect(self, client: Any) -> None:
        self.n_connections += 1
        client.subscribe(self._topic, qos=1)

    def on_message(self, _client: Any, _userdata: Any, message: Any) -> None:
        message.payload = message.payload[: LONGEST_PAYLOAD + 1]
        self._queue.put((self.n_connections, message))

    def _entity_of(self, topic: str) -> str | None:
        found = None if self._pattern is None else self._pattern.fullmatch(topic)
        return None if found is None else found["entity"]


class MqttSink:
    """Sink that sends every record to a topic at QoS 1; `{entity}` in it becomes the record's entity."""

    def __init__(self, address: MqttAddress) -> None:
        entity_pattern(address.topic)
        if set(address.topic) & {"+", "#"}:
            raise ParameterError(f"topic of results must not contain + or #, got {address.topic!r}; name one topic")
        self._address = address
        self._n_out = 0  # of the records that are being written
        self._sent: set[int] = set()  # numbers of those that the client has, and repeats by itself
        self._answers: dict[int, Any] = {}
        self._answered = threading.Condition()

    def open(self, position: Any) -> None:
        self._client = connected_client(self._address, None)
        self._client.on_publish = self._on_publish

    def write(self, records: Sequence[Record]) -> None:
        while self._n_out < len(records):
            part = records[self._n_out : self._n_out + _MOST_AT_ONCE]
            self._sent = self._sent or {self._publish(record) for record in part}
            self._wait()
            self._n_out += len(part)
        self._n_out = 0

    def position(self) -> None:
        return None

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _publish(self, record: Record) -> int:
        # Characters with a meaning in topics, and those that may make a broker close the connection, are replaced.
        name = str(record.get("entity", "all"))
        level = "".join("_" if each in "/+#" or category(each) in ("Cc", "Cn") else each for each in name)
        sent = self._client.publish(self._address.topic.replace("{entity}", level), json.dumps(record), qos=1)
        return int(sent.mid)

    def _on_publish(self, _client: Any, _userdata: Any, number: int, answer: Any, *_: Any) -> None:
        with self._answered:
            self._answers[number] = answer
            self._answered.notify()

    def _wait(self) -> None:
        where = f"the MQTT broker at {self._address.host!r}"
        with self._answered:
            if not self._answered.wait_for(lambda: self._answers.keys() >= self._sent, _TIMEOUT):
                raise OutputError(f"{where} does not accept results; check it")
            refusals = [answer for answer in self._answers.values() if answer.is_failure]
            self._answers.clear()
        self._sent = set()
        if refusals:
            raise OutputError(f"{where} rejected results ({refusals[0]}); check its permissions")


class _Outages:
    """Reporter of why a broker cannot be reached or refuses, each reason once; the client goes on trying."""

    def __init__(self, address: MqttAddress, source: MqttSource | None) -> None:
        self._where, self._source = f"{address.host}:{address.port}", source
        self._reported = ""

    def on_connect(self, client: Any, _userdata: Any, _flags: Any, reason: Any, *_: Any) -> None:
        if reason.is_failure:
            self._report(f"the MQTT broker at {self._where} refused the connection ({reason})")
            return
        self._reported = ""
        if self._source is not None:
            self._source.on_connect(client)

    def on_connect_fail(self, *_: Any) -> None:
        self._report(f"cannot reach the MQTT broker at {self._where} ({sys.exception() or 'no answer'})")

    def on_disconnect(self, _client: Any, _userdata: Any, _flags: Any, reason: Any, *_: Any) -> None:
        if reason.is_failure:
            way_out = "if another process has the same `?client=`, give it one of its own"
            self._report(f"lost the connection to the MQTT broker at {self._where} ({reason}); {way_out}")

    def on_subscribe(self, _client: Any, _userdata: Any, _number: int, answers: Any, *_: Any) -> None:
        for answer in answers:
            if answer.is_failure:
                _logger.error(
                    "the MQTT broker at %s rejected the subscription (%s); no rows will be received",
                    self._where,
                    answer,
                )

    def _report(self, problem: str) -> None:
        if problem != self._reported:
            _logger.warning("%s; trying again", problem)
        self._reported = problem


def connected_client(address: MqttAddress, source: MqttSource | None) -> Any:
    """Return a client that connects, and reconnects with growing delays, in a thread of its own."""
    try:
        import paho.mqtt.client as paho
        from paho.mqtt.enums import CallbackAPIVersion
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties
    except ImportError as error:
        raise MissingDependencyError("MQTT needs paho-mqtt: pip install 'tsae[mqtt]'") from error
    is_5 = address.version == "5"
    role = "in" if source is not None else "out"
    keep: dict[str, Any] = {} if is_5 else {"clean_session": source is None}
    client: Any = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id=f"{address.client_id}-{role}",
        protocol=paho.MQTTv5 if is_5 else paho.MQTTv311,
        manual_ack=source is not None,
        **keep,
    )
    if os.environ.get("TSAE_MQTT_USER"):
        client.username_pw_set(os.environ["TSAE_MQTT_USER"], os.environ.get("TSAE_MQTT_PASSWORD"))
    if address.tls:
        authority = os.environ.get("TSAE_MQTT_CA")
        try:
            client.tls_set(ca_certs=authority)
        except OSError as error:
            raise ParameterError(
                "TSAE_MQTT_CA must name a file with the certificates of an authority, got "
                f"{authority!r} ({error.strerror})"
            ) from error
    client.reconnect_delay_set(1, _LONGEST_DELAY)
    outages = _Outages(address, source)
    client.on_connect, client.on_connect_fail = outages.on_connect, outages.on_connect_fail
    client.on_disconnect, client.on_subscribe = outages.on_disconnect, outages.on_subscribe
    if source is not None:
        client.on_message = source.on_message
    session: dict[str, Any] = {}
    if is_5:
        properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        if source is not None:
            properties.SessionExpiryInterval = 0xFFFFFFFF
            properties.ReceiveMaximum = _MOST_IN_FLIGHT
        session = {"clean_start": source is None, "properties": properties}
    client.connect_async(address.host, address.port, **session)
    client.loop_start()
    return client


def source(address: str, _follow: bool) -> MqttSource:
    """Open the source at an address."""
    return MqttSource(mqtt_address(address))


def sink(address: str) -> MqttSink:
    """Open the sink at an address."""
    return MqttSink(mqtt_address(address))
