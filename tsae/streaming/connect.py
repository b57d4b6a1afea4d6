"""Addresses as a user writes them → sources and sinks."""

from __future__ import annotations

from pathlib import Path

from tsae.errors import ParameterError
from tsae.streaming.sinks.lines import FileSink, StdoutSink
from tsae.streaming.sinks.sink import Sink
from tsae.streaming.sinks.webhook import WebhookSink
from tsae.streaming.sources.followed_file import FollowedFile
from tsae.streaming.sources.source import Source
from tsae.streaming.sources.stdin import StdinSource

__all__ = ["file_of", "sink_of", "source_of"]


def source_of(address: str, *, follow: bool = True) -> Source:
    """`-` is standard input; `mqtt://`, `mqtts://` and `kafka://` are brokers; anything else is a file to follow.

    Raises
    ------
    ParameterError
        If the address cannot be read.
    MissingDependencyError
        If the client of a broker is not installed.

    Examples
    --------
    >>> type(source_of("today.csv")).__name__
    'FollowedFile'
    """
    scheme = _scheme(address)
    if address == "-":
        return StdinSource()
    if scheme in ("mqtt", "mqtts"):
        from tsae.streaming.sources.mqtt import MqttSource, mqtt_address

        return MqttSource(mqtt_address(address))
    if scheme == "kafka":
        from tsae.streaming.sources.kafka import KafkaSource, kafka_address

        return KafkaSource(kafka_address(address))
    if scheme:
        raise ParameterError(f"source {address!r} is unknown; use -, a file, mqtt://, mqtts:// or kafka://")
    return FollowedFile(address, follow=follow)


def sink_of(address: str) -> Sink:
    """`-` is standard output; `http(s)://` a web hook; brokers as for `source_of`; anything else is a file."""
    scheme = _scheme(address)
    if address == "-":
        return StdoutSink()
    if scheme in ("http", "https"):
        return WebhookSink(address)
    if scheme in ("mqtt", "mqtts"):
        from tsae.streaming.sources.mqtt import MqttSink, mqtt_address

        return MqttSink(mqtt_address(address))
    if scheme == "kafka":
        from tsae.streaming.sources.kafka import KafkaSink, kafka_address

        return KafkaSink(kafka_address(address))
    if scheme:
        raise ParameterError(f"sink {address!r} is unknown; use -, a file, http(s)://, mqtt://, mqtts:// or kafka://")
    return FileSink(address)


def file_of(address: str) -> Path | None:
    """The file that an address names; `None` if it names something else."""
    return None if address == "-" or _scheme(address) else Path(address)


def _scheme(address: str) -> str:
    scheme, found, _ = address.partition("://")
    return scheme.lower() if found else ""
