"""MQTT 3.1.1 and 5, as a source and as a sink."""

from __future__ import annotations

import json
import logging
import os
import queue
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from tsae.errors import MissingDependencyError, OutputError, ParameterError
from tsae.streaming.records import Record
from tsae.streaming.sources.source import Message

__all__ = ["MqttAddress", "MqttSink", "MqttSource", "entity_pattern", "mqtt_address"]

_logger = logging.getLogger(__name__)
_MOST_AT_ONCE = 500
_MOST_WAITING = 2000
_MOST_IN_FLIGHT = 200  # what comes again after a crash must be known again by its times
_LONGEST_DELAY = 30  # seconds between tries to connect
_TIMEOUT = 10.0  # seconds until a message must be acknowledged


@dataclass(frozen=True)
class MqttAddress:
    """`mqtt://host:port/topic`, or `mqtts://` with TLS.

    User and password come from the environment, TSAE_MQTT_USER and TSAE_MQTT_PASSWORD; with TLS a certificate authority
    other than the system's may be named in TSAE_MQTT_CA.
    """

    host: str
    port: int
    topic: str
    tls: bool = False
    version: str = "3.1.1"
    """"3.1.1" or "5"."""
    client_id: str = "tsae"
    """Under which the broker keeps what was not acknowledged; one for each process."""


def mqtt_address(url: str) -> MqttAddress:
    """Read an address.

    Examples
    --------
    >>> mqtt_address("mqtt://broker/plant/{entity}/row?version=5&client=line-3").topic
    'plant/{entity}/row'
    """
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise ParameterError("an MQTT address must not hold a password; set TSAE_MQTT_USER and TSAE_MQTT_PASSWORD")
    stated = dict(pair.partition("=")[::2] for pair in parts.query.split("&") if pair)
    unknown = set(stated) - {"version", "client"}
    topic = unquote(parts.path.lstrip("/"))
    try:
        port = parts.port
    except ValueError as error:
        raise ParameterError(f"MQTT address {url!r}: {error}") from error
    if unknown or not parts.hostname or not topic or stated.get("version", "5") not in ("3.1.1", "5"):
        raise ParameterError(
            f"MQTT address {url!r} must be mqtt://host[:port]/topic[?version=3.1.1|5&client=NAME], with {{entity}} "
            "where the topic names the machine"
        )
    tls = parts.scheme == "mqtts"
    more = {name: stated[key] for name, key in (("version", "version"), ("client_id", "client")) if key in stated}
    return MqttAddress(parts.hostname, port or (8883 if tls else 1883), topic, tls, **more)


def entity_pattern(topic: str) -> tuple[str, re.Pattern[str] | None]:
    """The filter to subscribe to, and what finds the entity in a topic.

    >>> filter, pattern = entity_pattern("plant/{entity}/row")
    >>> filter, pattern.fullmatch("plant/pump-3/row")["entity"]
    ('plant/+/row', 'pump-3')
    """
    levels = topic.split("/")
    if any("{entity}" in level and level != "{entity}" for level in levels) or levels.count("{entity}") > 1:
        raise ParameterError(f"topic {topic!r}: {{entity}} must stand alone between two slashes, and once")
    subscribed = topic.replace("{entity}", "+")
    if "{entity}" not in levels:
        return subscribed, None
    regex = {"{entity}": "(?P<entity>[^/]+)", "+": "[^/]*", "#": ".*"}
    return subscribed, re.compile("/".join(regex.get(level, re.escape(level)) for level in levels), re.DOTALL)


class MqttSource:
    """Messages of a topic at QoS 1, acknowledged when they are dealt with.

    The broker keeps what was not acknowledged for this client id, over its own restarts too if it is persistent. Until
    then it sends no more than its in-flight limit, which is all that ever waits here.
    """

    replayable = False

    def __init__(self, address: MqttAddress) -> None:
        self._address = address
        self._topic, self._pattern = entity_pattern(address.topic)
        self._queue: queue.Queue[Any] = queue.Queue(maxsize=_MOST_WAITING)
        self._polled: list[Any] = []
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
        return [Message(each.payload, self._entity_of(each.topic), each.topic[:200]) for each in batch]

    def position(self) -> None:
        return None

    def commit(self) -> None:
        for message in self._polled:
            self._client.ack(message.mid, message.qos)
        self._polled.clear()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def on_connect(self, client: Any) -> None:
        self.n_connections += 1
        client.subscribe(self._topic, qos=1)

    def on_message(self, _client: Any, _userdata: Any, message: Any) -> None:
        self._queue.put(message)

    def _entity_of(self, topic: str) -> str | None:
        found = None if self._pattern is None else self._pattern.fullmatch(topic)
        return None if found is None else found["entity"]


class MqttSink:
    """Every record to a topic at QoS 1; `{entity}` in it becomes the record's entity."""

    def __init__(self, address: MqttAddress) -> None:
        self._address = address
        entity_pattern(address.topic)

    def open(self, position: Any) -> None:
        self._client = connected_client(self._address, None)

    def write(self, records: Sequence[Record]) -> None:
        sent = [self._client.publish(self._topic_of(record), json.dumps(record), qos=1) for record in records]
        deadline = time.monotonic() + _TIMEOUT
        for each in sent:
            try:
                each.wait_for_publish(max(0.0, deadline - time.monotonic()))
                done = each.is_published()
            except (RuntimeError, ValueError):
                done = False
            if not done:
                raise OutputError(f"the MQTT broker at {self._address.host!r} does not take results; check it")

    def position(self) -> None:
        return None

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _topic_of(self, record: Record) -> str:
        entity = re.sub(r"[/+#\x00]", "_", str(record.get("entity", "all")))
        return self._address.topic.replace("{entity}", entity)


class _Outages:
    """Tells once that a broker cannot be reached or refuses; the client goes on trying."""

    def __init__(self, address: MqttAddress, source: MqttSource | None) -> None:
        self._where, self._source = f"{address.host}:{address.port}", source
        self._is_told = False

    def on_connect(self, client: Any, _userdata: Any, _flags: Any, reason: Any, *_: Any) -> None:
        if reason.is_failure:
            self._tell(f"the MQTT broker at {self._where} refuses the connection ({reason})")
            return
        self._is_told = False
        if self._source is not None:
            self._source.on_connect(client)

    def on_connect_fail(self, *_: Any) -> None:
        self._tell(f"cannot reach the MQTT broker at {self._where}")

    def _tell(self, problem: str) -> None:
        if not self._is_told:
            _logger.warning("%s; trying again", problem)
        self._is_told = True


def connected_client(address: MqttAddress, source: MqttSource | None) -> Any:
    """A client that connects, and connects again with growing delays, in a thread of its own."""
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
        client.tls_set(ca_certs=os.environ.get("TSAE_MQTT_CA"))
    client.reconnect_delay_set(1, _LONGEST_DELAY)
    tells = _Outages(address, source)
    client.on_connect, client.on_connect_fail = tells.on_connect, tells.on_connect_fail
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
