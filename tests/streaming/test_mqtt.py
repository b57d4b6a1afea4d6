"""What a broker, its other clients and its rules may do to a source and a sink."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from tests.streaming.brokers import Mosquitto, certificates, wait_for
from tsae.errors import OutputError, ParameterError
from tsae.streaming.transports import mqtt
from tsae.streaming.transports.mqtt import MqttSink, MqttSource, entity_pattern, mqtt_address

ENTITIES = ["a", "a\nb", "\uffff/+#", "насос", "a"]
RECORDS = [{"id": f"{entity}/{row}", "entity": entity} for row, entity in enumerate(ENTITIES)]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """Nobody may write below `secret`."""
    rules = tmp_path / "rules"
    rules.write_text("topic read secret/#\ntopic readwrite results/#\ntopic readwrite rows/#\n")
    rules.chmod(0o600)
    made = Mosquitto(tmp_path, f"acl_file {rules}")
    yield made
    made.stop()


@pytest.fixture
def received(broker: Mosquitto) -> Iterator[list[tuple[str, Any]]]:
    """What a subscriber gets that the broker knows over its restarts."""
    out: list[tuple[str, Any]] = []
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="reader", clean_session=False)
    client.on_message = lambda _client, _data, message: out.append((message.topic, json.loads(message.payload)))
    subscribed: list[int] = []
    client.on_subscribe = lambda *_: subscribed.append(1)
    client.reconnect_delay_set(0.1, 0.1)
    client.connect("127.0.0.1", broker.port)
    client.subscribe("results/#", qos=1)
    client.loop_start()
    wait_for(lambda: subscribed, "the subscription")
    yield out
    client.disconnect()
    client.loop_stop()


def test_results_that_wait_for_a_broker_are_sent_once(
    broker: Mosquitto, received: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "_MOST_AT_ONCE", 2)
    monkeypatch.setattr(mqtt, "_TIMEOUT", 0.05)
    broker.stop()
    sink = MqttSink(mqtt_address(f"mqtt://127.0.0.1:{broker.port}/results/{{entity}}"))
    sink.open(None)
    sink._client.reconnect_delay_set(0.1, 0.1)
    try:
        for _ in range(4):
            with pytest.raises(OutputError, match="does not accept results; check it"):
                sink.write(RECORDS)
        broker.start()
        monkeypatch.setattr(mqtt, "_TIMEOUT", 20.0)
        sink.write(RECORDS)
        wait_for(lambda: len(received) >= len(RECORDS), "results")
        topics = ["results/a", "results/a_b", "results/____", "results/насос", "results/a"]
        assert received == list(zip(topics, RECORDS, strict=True))
    finally:
        sink.close()


def test_results_that_may_not_be_published_are_not_out(broker: Mosquitto) -> None:
    sink = MqttSink(mqtt_address(f"mqtt://127.0.0.1:{broker.port}/secret/row?version=5"))
    sink.open(None)
    try:
        with pytest.raises(OutputError, match=r"rejected results \(Not authorized\); check its permissions"):
            sink.write(RECORDS[:1])
    finally:
        sink.close()


def test_a_second_client_of_the_same_name_is_told_of(broker: Mosquitto, caplog: pytest.LogCaptureFixture) -> None:
    sources = [MqttSource(mqtt_address(f"mqtt://127.0.0.1:{broker.port}/rows/#?client=same")) for _ in range(2)]
    try:
        for source in sources:
            source.open(None)
            wait_for(lambda source=source: source.n_connections, "the connection")
        wait_for(
            lambda: "if another process has the same `?client=`, give it one of its own" in caplog.text, "the warning"
        )
    finally:
        for source in sources:
            source.close()


@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket")  # the client leaves it to be collected
def test_why_there_is_no_trust_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    authority, certificate, key = certificates(tmp_path)
    files = [f"cafile {authority}", f"certfile {certificate}", f"keyfile {key}"]
    broker = Mosquitto(tmp_path, *files)
    source = MqttSource(mqtt_address(f"mqtts://127.0.0.1:{broker.port}/rows/#"))
    try:
        monkeypatch.setenv("TSAE_MQTT_CA", str(tmp_path / "nowhere"))
        with pytest.raises(ParameterError, match=r"must name a file with the certificates .*No such file"):
            source.open(None)
        monkeypatch.delenv("TSAE_MQTT_CA")  # nobody knows the authority
        source.open(None)
        wait_for(lambda: "certificate verify failed" in caplog.text, "the reason")
        source.close()
    finally:
        broker.stop()


class Acknowledged:
    """In place of a client: what it is asked to acknowledge."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def subscribe(self, topic: str, qos: int) -> None:
        pass

    def ack(self, number: int, _qos: int) -> None:
        self.numbers.append(number)


def test_what_came_by_an_earlier_connection_is_acknowledged_when_it_comes_again() -> None:
    source = MqttSource(mqtt_address("mqtt://127.0.0.1/rows/#"))
    source._client = Acknowledged()
    for numbers in ([1, 2], [2, 3]):
        source.on_connect(source._client)
        for number in numbers:
            message = paho.MQTTMessage(number, b"rows/a")
            message.payload = b" " * 2_000_000
            source.on_message(None, None, message)
        if numbers[0] == 1:
            polled = source.poll(0.0)
            assert polled is not None
            assert [len(each.payload) for each in polled] == [2**20 + 1] * 2  # enough to see that it is too long
    source.commit()
    assert source._client.numbers == []
    source.poll(0.0)
    source.commit()
    assert source._client.numbers == [2, 3]


def test_a_subscription_that_is_refused_is_told(caplog: pytest.LogCaptureFixture) -> None:
    address = mqtt_address("mqtt://broker/rows/#")
    answer = ReasonCode(PacketTypes.SUBACK, identifier=135)
    mqtt._Outages(address, None).on_subscribe(None, None, 1, [answer], None)
    assert (
        "the MQTT broker at broker:1883 rejected the subscription (Not authorized); no rows will be received"
        in caplog.text
    )


@pytest.mark.parametrize("topic", ["a/#/b", "a/b+/c", "a#", "{entity}/+x", "$share/g/plant/{entity}/row"])
def test_topics_that_no_broker_takes_are_refused(topic: str) -> None:
    with pytest.raises(ParameterError, match=r"\+ and # must be alone"):
        entity_pattern(topic)


@pytest.mark.parametrize("topic", ["results/%23", "results/+/{entity}"])
def test_results_go_to_one_topic(topic: str) -> None:
    with pytest.raises(ParameterError, match=r"of results must not contain \+ or #"):
        MqttSink(mqtt_address(f"mqtt://broker/{topic}"))
