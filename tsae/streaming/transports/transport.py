"""Protocols of sources and sinks, and the entry by which a transport is known to the registry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from tsae.streaming.records import Record

__all__ = ["LONGEST_PAYLOAD", "Message", "Sink", "Source", "Transport"]

LONGEST_PAYLOAD = 2**20
"""Bytes; a longer payload is refused by its size, so that no sender can fill the memory."""


class Message(NamedTuple):
    """One row as received."""

    payload: bytes
    entity: str | None = None
    """Sender, if the transport names it (in a topic or a key)."""
    place: str = ""
    """Origin of the message, for reports about it."""


class Source(Protocol):
    """Rows from outside.

    Messages returned by `poll` count as unfinished until `commit`: a source that can rewind (`replayable`) returns them
    again when it is opened at the `position` of the last commit; otherwise its server sends them again.
    """

    replayable: bool

    def open(self, position: Any) -> None:
        """Begin at an earlier `position()`, or at the start of the source (`None`)."""

    def poll(self, timeout: float) -> list[Message] | None:
        """Return the next messages, at most a few thousand; empty after `timeout` idle seconds, `None` at the end."""

    def position(self) -> Any:
        """Return the end of the messages polled so far, JSON-able."""

    def commit(self) -> None:
        """Mark all messages polled so far as finished."""

    def close(self) -> None:
        """Release the connection or file."""


class Sink(Protocol):
    """Results to outside."""

    def open(self, position: Any) -> None:
        """Begin; a sink that can take back records removes those written after an earlier `position()`."""

    def write(self, records: Sequence[Record]) -> None:
        """Send records; they are out when it returns.

        Raises
        ------
        OutputError
            If some are not out; the caller tries again with the same records.
        """

    def position(self) -> Any:
        """Return the end of the records written so far, JSON-able; `None` if the sink cannot take records back.

        Raises
        ------
        OutputError
            If the records cannot be made durable; the caller tries again.
        """

    def close(self) -> None:
        """Release the connection or file."""


@dataclass(frozen=True)
class Transport:
    """One kind of address, with its source, its sink or both."""

    schemes: tuple[str, ...]
    """Parts of an address before `://`; "-" for the address `-`, "" for a path."""
    address: str
    """Form of the addresses, for help and error texts."""
    about: str
    """Paragraph for the help, with rich's markup."""
    source: Callable[[str, bool], Source] | None = None
    """Opens an address, and says whether to wait for more at its end."""
    sink: Callable[[str], Sink] | None = None
