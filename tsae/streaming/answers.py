"""What a stream answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from tsae.alarms.drift import Drift
from tsae.alarms.events.watch import EventChange
from tsae.streaming.row_scores import RowScores

__all__ = ["DriftNotice", "StreamScores"]


@dataclass(frozen=True)
class DriftNotice:
    """The rows of an entity have come to differ from training."""

    row: int
    """Number of the last settled row."""
    drift: Drift
    entity: str = ""


class StreamScores(NamedTuple):
    """What one call brought."""

    immediate: RowScores = RowScores()
    """Scores at lag 0 of the rows just taken, in their order; a dropped row has none, one that waits to be put in
    order gets it later."""
    settled: RowScores = RowScores()
    """Scores of the oldest rows not yet returned; of each entity no row comes twice, none is left out."""
    dropped: tuple[int, ...] = ()
    """Places of rows among those handed in that were dropped, because they were late or repeated."""
    events: tuple[EventChange, ...] = ()
    """What happened to events, which are made of settled rows."""
    drifts: tuple[DriftNotice, ...] = ()
    """Entities that have come to differ from training, reported once until they no longer do."""
