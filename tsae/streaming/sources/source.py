"""What every source of rows can do."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

__all__ = ["LONGEST_PAYLOAD", "Message", "Source"]

LONGEST_PAYLOAD = 2**20
"""Bytes; a longer payload is refused by its size, so that no sender can fill the memory."""


class Message(NamedTuple):
    """One row as it came in."""

    payload: bytes
    entity: str | None = None
    """Whom it is from, if the transport says so (a topic, a key)."""
    place: str = ""
    """Where it stood, for messages about it."""


class Source(Protocol):
    """Rows from outside.

    What `poll` returned counts as unfinished until `commit`: a source that can rewind (`replayable`) hands it out again
    when it is opened at the `position` of the last commit, another one has its server hand it out again.
    """

    replayable: bool

    def open(self, position: Any) -> None:
        """Begin, at an earlier `position()`, or where the source begins (`None`)."""

    def poll(self, timeout: float) -> list[Message] | None:
        """The next messages, at most some thousands; empty after `timeout` seconds without one, `None` at the end."""

    def position(self) -> Any:
        """Where the messages polled so far end, JSON-able."""

    def commit(self) -> None:
        """All messages polled so far are dealt with."""

    def close(self) -> None:
        """Let go."""
