"""Registry of transports: addresses as a user writes them → sources and sinks, and texts about them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from tsae.errors import ParameterError

if TYPE_CHECKING:
    from tsae.streaming.transports.transport import Sink, Source

__all__ = ["SINK_ADDRESSES", "SOURCE_ADDRESSES", "TRANSPORTS", "file_of", "sink_of", "source_of"]


@dataclass(frozen=True)
class Transport:
    """One kind of address, with its source, its sink or both, in a module that is loaded when one is opened."""

    module: str
    """In this folder; its `source(address, follow)` and `sink(address)` open an address."""
    schemes: tuple[str, ...]
    """Parts of an address before `://`; "-" for the address `-`, "" for a path."""
    address: str
    """Form of the addresses, for help and error texts."""
    about: str
    """Paragraph for the help, with rich's markup."""
    has_source: bool = True
    has_sink: bool = True


TRANSPORTS: tuple[Transport, ...] = (
    Transport(
        "stdio",
        schemes=("-",),
        address="-",
        about="Standard input and standard output are [bold]-[/], with one row or result per line.",
    ),
    Transport(
        "file",
        schemes=("",),
        address="FILE",
        about="[bold]FILE[/] is followed over rotation and truncation; as a sink it holds each result once.",
    ),
    Transport(
        "mqtt",
        schemes=("mqtt", "mqtts"),
        address="mqtt(s)://HOST/TOPIC",
        about=(
            "[bold]mqtt://HOST/plant/{entity}/row?version=5&client=NAME[/] (mqtts:// for TLS): {entity} in the "
            "topic names the entity, NAME this process. User, password and certificate authority are read from "
            "TSAE_MQTT_USER, TSAE_MQTT_PASSWORD and TSAE_MQTT_CA in the environment."
        ),
    ),
    Transport(
        "kafka",
        schemes=("kafka",),
        address="kafka://HOST:PORT/TOPIC",
        about=(
            "[bold]kafka://HOST:PORT/TOPIC?group=NAME[/] takes further settings of librdkafka; the key of a "
            "message names its entity."
        ),
    ),
    Transport(
        "webhook",
        schemes=("http", "https"),
        address="http(s)://HOST/PATH",
        about="[bold]http(s)://HOST/PATH[/] is a web hook, which gets each record by POST, with an Idempotency-Key.",
        has_source=False,
    ),
)
"""All transports; a new one is a file in this folder and an entry here."""

_SOURCES = {scheme: each.module for each in TRANSPORTS if each.has_source for scheme in each.schemes}
_SINKS = {scheme: each.module for each in TRANSPORTS if each.has_sink for scheme in each.schemes}
SOURCE_ADDRESSES = ", ".join(each.address for each in TRANSPORTS if each.has_source)
SINK_ADDRESSES = ", ".join(each.address for each in TRANSPORTS if each.has_sink)


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
    module = _SOURCES.get(_scheme(address))
    if module is None:
        raise ParameterError(f"source must be one of {SOURCE_ADDRESSES}, got {address!r}")
    source: Source = import_module(f"{__package__}.{module}").source(address, follow)
    return source


def sink_of(address: str) -> Sink:
    """Return the sink at an address; raises as `source_of` does."""
    module = _SINKS.get(_scheme(address))
    if module is None:
        raise ParameterError(f"sink must be one of {SINK_ADDRESSES}, got {address!r}")
    sink: Sink = import_module(f"{__package__}.{module}").sink(address)
    return sink


def file_of(address: str) -> Path | None:
    """Return the path that an address names; `None` if it is not one of a file."""
    return None if _scheme(address) else Path(address)


def _scheme(address: str) -> str:
    if address == "-":
        return address
    scheme, found, _ = address.partition("://")
    return scheme.lower() if found else ""
