"""What a crash costs: nothing. Real processes that are killed, real brokers that restart."""

from __future__ import annotations

import json
import random
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import paho.mqtt.client as paho
import pytest

from tests.streaming.brokers import (
    Mosquitto,
    Watch,
    certificates,
    free_port,
    needed,
    publish,
    records_in,
    records_so_far,
    rows_for,
    settled_scores,
    uninterrupted,
    wait_for,
)
from tsae import AnomalyDetector
from tsae.streaming.records import SCHEMA
from tsae.streaming.transports.mqtt import MqttSource, mqtt_address

CHANNELS = ["flow", "pressure", "speed"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import pandas as pd

    path = tmp_path_factory.mktemp("model") / "m.tsae"
    rows = rows_for(400, ["a"], CHANNELS, seed=9)
    frame = pd.DataFrame([record for _, record in rows]).set_index("timestamp")
    frame.index = pd.to_datetime(frame.index)
    frame["flow"] = frame["flow"].where(frame["flow"] < 1.5, 0.0)
    AnomalyDetector(window_size=[8, 16], max_steps=20, threshold=6.0, random_state=0).fit(frame).save(path)
    return path


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    broker = Mosquitto(tmp_path)
    yield broker
    broker.stop()


def assert_equal(found: dict[str, dict[int, float]], expected: dict[str, dict[int, float]]) -> None:
    assert found.keys() == expected.keys()
    for entity, scores in expected.items():
        assert found[entity].keys() >= scores.keys()
        np.testing.assert_allclose([found[entity][row] for row in scores], list(scores.values()), rtol=1e-4)


def n_settled(path: Path) -> int:
    try:
        return path.read_text().count('"row": ')
    except OSError:
        return 0


def test_mqtt_rows_survive_a_broker_that_restarts_and_a_scorer_that_is_killed(
    model: Path, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    rows = rows_for(80, [f"pump-{number}" for number in range(8)], CHANNELS)
    out = tmp_path / "out.jsonl"
    address = f"mqtt://127.0.0.1:{mosquitto.port}/plant/{{entity}}/row?client=soak"
    watch = Watch(model, "--from", address, "--to", out, "--state", tmp_path / "state", log=tmp_path / "log")
    time.sleep(1)  # until it has subscribed
    messages = [(f"plant/{entity}/row", json.dumps(record).encode()) for entity, record in rows]
    publisher = threading.Thread(target=publish, args=(mosquitto.port, messages))
    publisher.start()
    dice = random.Random(0)
    for number in range(3):
        goal = len(rows) * (number + 1) // 5
        wait_for(lambda goal=goal: n_settled(out) >= goal, "results")
        watch.kill()
        if number == 1:
            mosquitto.stop()
            mosquitto.start()
        time.sleep(dice.random() / 5)
        watch.start()
    publisher.join()
    expected = uninterrupted(model, rows)
    n_expected = sum(map(len, expected.values()))
    wait_for(lambda: sum(map(len, settled_scores(records_so_far(out)).values())) >= n_expected, "all results")
    watch.stop()
    records = records_in(out)
    assert_equal(settled_scores(records), expected)
    told = [(record["id"], record.get("state"), record.get("version")) for record in records if record["kind"] == "row"]
    assert len(told) == len(set(told)) == len(rows)  # each exactly once into a file
    changes = [(record["id"], record["version"]) for record in records if record["kind"] == "event"]
    assert changes
    assert len(changes) == len(set(changes))


def test_a_file_that_is_rotated_is_followed_over_a_kill(model: Path, tmp_path: Path) -> None:
    rows = [record for _, record in rows_for(150, ["a"], CHANNELS)]
    lines = [json.dumps(record) + "\n" for record in rows]
    source, out = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    source.write_text("".join(lines[:60]))
    watch = Watch(model, "--from", source, "--to", out, "--state", tmp_path / "state", log=tmp_path / "log")
    try:
        wait_for(lambda: len(records_so_far(out)) >= 60, "the first rows")
        watch.kill()
        with source.open("a") as file:
            file.write("".join(lines[60:100]))
        watch.start()
        wait_for(lambda: n_rows_told(out) >= 100, "the next rows")
        source.rename(tmp_path / "rows.jsonl.1")
        source.write_text("".join(lines[100:]))
        wait_for(lambda: n_rows_told(out) >= 150, "the last rows")
        watch.stop()
    finally:
        watch.kill()
    told = [record["id"] for record in records_in(out) if record["kind"] == "row"]
    assert told == [f"/{row}" for row in range(150)]


def test_a_broker_that_is_not_there_or_refuses_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    source = MqttSource(mqtt_address(f"mqtt://127.0.0.1:{port}/plant/row"))
    source.open(None)
    try:
        wait_for(
            lambda: f"cannot reach the MQTT broker at 127.0.0.1:{port} ([Errno 111] Connection refused)" in caplog.text,
            "the warning",
        )
        time.sleep(3)  # it tries again in the meantime
        assert caplog.text.count("cannot reach") == 1
    finally:
        source.close()
    passwords = tmp_path / "passwords"
    passwords.touch(mode=0o600)
    broker = Mosquitto(tmp_path, "allow_anonymous false", f"password_file {passwords}")
    source = MqttSource(mqtt_address(f"mqtt://127.0.0.1:{broker.port}/plant/row"))
    source.open(None)
    try:
        wait_for(lambda: "refused the connection (Not authorized)" in caplog.text, "the refusal")
        assert source.n_connections == 0
    finally:
        source.close()
        broker.stop()


@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_tls_with_user_and_password_from_the_environment_and_what_senders_may_do(
    model: Path, tmp_path: Path, version: str
) -> None:
    passwords = tmp_path / "passwords"
    passwords.touch(mode=0o600)
    subprocess.run([needed("mosquitto_passwd"), "-b", passwords, "reader", "secret"], check=True, capture_output=True)
    authority, certificate, key = certificates(tmp_path)
    files = [f"cafile {authority}", f"certfile {certificate}", f"keyfile {key}"]
    broker = Mosquitto(tmp_path, "allow_anonymous false", f"password_file {passwords}", *files)
    address = f"mqtts://127.0.0.1:{broker.port}/plant/{{entity}}/row?version={version}"
    results = f"mqtts://127.0.0.1:{broker.port}/results/{{entity}}?version={version}"
    known = {"TSAE_MQTT_USER": "reader", "TSAE_MQTT_PASSWORD": "secret", "TSAE_MQTT_CA": str(authority)}
    watch = Watch(model, "--from", address, "--to", results, log=tmp_path / "log", environment=known)
    received: dict[str, Any] = {}
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.username_pw_set("reader", "secret")
    client.tls_set(ca_certs=str(authority))
    client.on_message = lambda _client, _data, message: received.update({message.topic: json.loads(message.payload)})
    client.connect("127.0.0.1", broker.port)
    client.subscribe("results/#", qos=1)
    client.loop_start()
    hostile = '..$(rm) "\u202e{x}'
    messages: list[tuple[str, Any]] = [
        ("pump", b"\xff\x00"),
        ("pump", "garbage"),
        ("pump", "1,2"),
        ("pump", b" " * 50_000_000),
        (hostile, '{"flow": 1, "pressure": 2}'),
        ("pump", "1,2,3"),
    ]
    try:

        def subscribed() -> bool:
            client.publish("plant/first/row", "1,2,3", qos=1)
            time.sleep(0.3)
            return "results/first" in received

        wait_for(subscribed, "the watch to subscribe")
        for name, payload in messages:
            client.publish(f"plant/{name}/row", payload, qos=1)
        wait_for(lambda: {"results/pump", f"results/{hostile}"} <= received.keys(), "results")
        assert received["results/pump"]["row"] == 0  # of all that was sent, one was a row
        assert received[f"results/{hostile}"]["entity"] == hostile
        assert received["results/pump"]["schema"] == SCHEMA
        watch.stop()
        log = (tmp_path / "log").read_text()
        reports = [json.loads(line) for line in log.splitlines() if line.startswith('{"at": ')]
        assert [report["at"] for report in reports] == ["plant/pump/row"] * 4
        assert "the message has more than 1,048,576 bytes" in reports[-1]["error"]
    finally:
        watch.kill()
        client.disconnect()
        client.loop_stop()
        broker.stop()


def test_counters_are_served_while_it_runs(model: Path, tmp_path: Path) -> None:
    import urllib.request

    source = tmp_path / "rows.jsonl"
    source.write_text("".join(json.dumps(record) + "\n" for _, record in rows_for(40, ["a"], CHANNELS)) + "bad\n")
    port = free_port()
    metrics = ("--metrics-port", port, "--metrics-host", "0.0.0.0")
    watch = Watch(model, "--from", source, "--to", tmp_path / "o", *metrics, log=tmp_path / "log")
    try:

        def text() -> str:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                return answer.read().decode()

        wait_for(lambda: "tsae_rows_total 40\n" in text(), "all rows")
        assert "tsae_bad_messages_total 1\n" in text()
        assert "tsae_entities 1\n" in text()
        assert "# TYPE tsae_threshold_moved gauge\n" in text()
        watch.stop()
    finally:
        watch.kill()


def n_rows_told(out: Path) -> int:
    return len({record["id"] for record in records_so_far(out) if record["kind"] == "row"})
