"""Handover from one model to the next in a running stream."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tsae.errors import ModelFileError
from tsae.streaming.fleet import Fleet
from tsae.streaming.row_scores import StreamScores
from tsae.streaming.scorer import StreamScorer

__all__ = ["check_channels", "hand_over", "n_with_full_windows"]


def check_channels(before: StreamScorer, after: StreamScorer) -> None:
    """Check that a stream can change to the scorer of another model.

    Raises
    ------
    ModelFileError
        If the new model has other channels.
    """
    if list(after.channels) != list(before.channels):
        raise ModelFileError(
            f"the new model must have the channels of the stream ({list(before.channels)[:8]}); use such a model, or "
            "start another stream with a state of its own"
        )


def hand_over(before: StreamScorer, after: StreamScorer) -> StreamScores:
    """Settle the rows that wait with the old scorer, and continue after them with the new one, which has no rows yet.

    Open events are closed; thresholds and drift start afresh. The new scorer takes the raw rows that the old one still
    has as context: they are not reported again, but give the next rows as much of a window as they can. Rows continue
    the numbering of their entities.
    """
    drained = before.drain()
    old, new = before.fleet, after.fleet
    contexts = {name: old.rows.there(entity.lane)[0].copy() for name, entity in before.entities.items()}
    flushed = before.flush()
    new.counts = old.counts
    places: list[tuple[int, NDArray[np.float64]]] = []
    for name, entity in before.entities.items():
        own = new.open(name)
        for fact in ("n_rows", "zone", "blocked"):
            new.lasting[fact][own.lane] = old.lasting[fact][entity.lane]
        own.clock.restore(entity.clock.state())
        places.append((own.lane, contexts[name]))
    _replay(new, places)
    return StreamScores(
        immediate=drained.immediate + flushed.immediate,
        settled=drained.settled + flushed.settled,
        events=drained.events + flushed.events,
        drifts=drained.drifts + flushed.drifts,
    )


def n_with_full_windows(scorer: StreamScorer) -> int:
    """Return the number of entities whose next row has a full window of every member."""
    n_rows = scorer.fleet.lanes.rings["n_rows"][: len(scorer.fleet.entities)]
    return int((n_rows >= scorer.warm_up).sum())


def _replay(fleet: Fleet, places: list[tuple[int, NDArray[np.float64]]]) -> None:
    """Take the rows of all lanes as context, in step."""
    for row in range(max((len(values) for _, values in places), default=0)):
        lanes, values = zip(*[(lane, rows[row]) for lane, rows in places if row < len(rows)], strict=True)
        fleet.take_context(np.array(lanes), np.stack(values))
