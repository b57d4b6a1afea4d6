"""What every receiver of results can do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from tsae.streaming.records import Record

__all__ = ["Sink"]


class Sink(Protocol):
    """Results to outside."""

    def open(self, position: Any) -> None:
        """Begin; a sink that can take back what it wrote after an earlier `position()` does so."""

    def write(self, records: Sequence[Record]) -> None:
        """Send records; they are out when it returns.

        Raises
        ------
        OutputError
            If they are not all out; the caller tries again with the same records.
        """

    def position(self) -> Any:
        """Where the records written so far end, JSON-able; `None` if the sink cannot take back.

        Raises
        ------
        OutputError
            If they cannot be made to last; the caller tries again.
        """

    def close(self) -> None:
        """Let go."""
