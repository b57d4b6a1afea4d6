"""Registry of transports: addresses as a user writes them → sources and sinks, and texts about them."""

from __future__ import annotations

from pathlib import Path

from tsae.errors import ParameterError
from tsae.streaming.transports import file, kafka, mqtt, stdio, webhook
from tsae.streaming.transports.transport import Sink, Source, Transport

__all__ = ["SINK_ADDRESSES", "SOURCE_ADDRESSES", "TRANSPORTS", "file_of", "sink_of", "source_of"]

TRANSPORTS: tuple[Transport, ...] = (
    stdio.TRANSPORT,
    file.TRANSPORT,
    mqtt.TRANSPORT,
    kafka.TRANSPORT,
    webhook.TRANSPORT,
)
"""All transports; a new one is a file with a `TRANSPORT`, and a line here."""

_SOURCES = {scheme: each.source for each in TRANSPORTS if each.source for scheme in each.schemes}
_SINKS = {scheme: each.sink for each in TRANSPORTS if each.sink for scheme in each.schemes}
SOURCE_ADDRESSES = ", ".join(each.address for each in TRANSPORTS if each.source)
SINK_ADDRESSES = ", ".join(each.address for each in TRANSPORTS if each.sink)


def source_of(address: str, *, follow: bool = True) -> Source:
    """Return the source at an address; without `follow` a file ends at its end.

    Raises
    ------
    ParameterError
        If no source has addresses of this form, or the address cannot be read.

    Examples
    --------
    >>> type(source_of("today.csv")).__name__
    'FollowedFile'
    """
    source = _SOURCES.get(_scheme(address))
    if source is None:
        raise ParameterError(f"source must be one of {SOURCE_ADDRESSES}, got {address!r}")
    return source(address, follow)


def sink_of(address: str) -> Sink:
    """Return the sink at an address; raises as `source_of` does."""
    sink = _SINKS.get(_scheme(address))
    if sink is None:
        raise ParameterError(f"sink must be one of {SINK_ADDRESSES}, got {address!r}")
    return sink(address)


def file_of(address: str) -> Path | None:
    """Return the path that an address names; `None` if it is not one of a file."""
    return None if _scheme(address) else Path(address)


def _scheme(address: str) -> str:
    if address == "-":
        return address
    scheme, found, _ = address.partition("://")
    return scheme.lower() if found else ""
