"""Addresses of transports, and the texts about them."""

from __future__ import annotations

import sys

import pytest

from tests.cli.reference import tsae
from tsae.errors import MissingDependencyError, ParameterError
from tsae.streaming.transports.registry import TRANSPORTS, file_of, sink_of, source_of


@pytest.mark.parametrize(
    ("address", "source", "sink"),
    [
        ("-", "StdinSource", "StdoutSink"),
        ("rows.csv", "FollowedFile", "FileSink"),
        ("mqtt://broker/rows", "MqttSource", "MqttSink"),
        ("MQTTS://broker/rows", "MqttSource", "MqttSink"),
        ("kafka://broker:9092/rows", "KafkaSource", "KafkaSink"),
        ("https://host/hook", None, "WebhookSink"),
        ("ftp://host/rows", None, None),
    ],
)
def test_an_address_is_opened_by_its_transport_or_refused_with_all_others(
    address: str, source: str | None, sink: str | None
) -> None:
    for found, name, word in ((source_of, source, "source"), (sink_of, sink, "sink")):
        if name is not None:
            assert type(found(address)).__name__ == name
            continue
        with pytest.raises(ParameterError, match=f"{word} must be one of -, FILE, mqtt.*got '{address}'"):
            found(address)


def test_only_a_path_names_a_file() -> None:
    assert str(file_of("folder/rows.csv")) == "folder/rows.csv"
    assert [file_of(address) for address in ("-", "mqtt://broker/rows", "https://host/hook")] == [None] * 3


def test_no_scheme_is_of_two_transports() -> None:
    schemes = [scheme for each in TRANSPORTS for scheme in each.schemes]
    assert len(schemes) == len(set(schemes))
    assert all(each.has_source or each.has_sink for each in TRANSPORTS)


def test_the_help_of_watch_names_every_transport() -> None:
    words = "".join(character for character in tsae("watch", "--help").output if character not in "│\n ")
    assert all(each.address.replace(" ", "") in words for each in TRANSPORTS)


@pytest.mark.parametrize(
    ("client", "address", "extra"),
    [("paho.mqtt.client", "mqtt://broker/rows", "mqtt"), ("confluent_kafka", "kafka://broker:9092/rows", "kafka")],
)
def test_a_client_that_is_missing_is_named_with_what_to_install(
    client: str, address: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, client, None)
    for found in (source_of(address), sink_of(address)):
        with pytest.raises(MissingDependencyError, match=rf"pip install 'tsae\[{extra}\]'"):
            found.open(None)
