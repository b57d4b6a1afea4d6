"""What a stream answers."""

from __future__ import annotations

from typing import NamedTuple

from tsae.streaming.drift_watch import DriftNotice
from tsae.streaming.event_watch import EventChange
from tsae.streaming.row_scores import RowScores

__all__ = ["StreamScores"]


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
    """Entities that have come to differ from training, told once until they no longer do."""
