"""From one model to the next in a running stream."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tsae.errors import ModelFileError
from tsae.streaming.answers import StreamScores
from tsae.streaming.fleet import Fleet
from tsae.streaming.scorer import StreamScorer

__all__ = ["check_channels", "hand_over", "n_with_full_windows"]


def check_channels(before: StreamScorer, after: StreamScorer) -> None:
    """Whether `hand_over` can be.

    Raises
    ------
    ModelFileError
        If the new model has other channels.
    """
    if list(after.channels) != list(before.channels):
        raise ModelFileError(
            f"the new model has other channels than the stream ({list(before.channels)[:8]}); score with a model of "
            "these, or begin another stream with a state of its own"
        )


def hand_over(before: StreamScorer, after: StreamScorer) -> StreamScores:
    """Settle the rows that wait by the old model, and let the new one, which has no rows yet, go on behind them.

    Open events are closed, thresholds and drift begin anew. The new scorer takes the raw rows that the old one still
    has as context: they are not told again, but rows that follow have windows, as far as they reach, and keep the
    numbers of their entities.
    """
    drained = before.drain()
    old, new = before.fleet, after.fleet
    contexts = {name: old.rows.there(entity.lane)[0].copy() for name, entity in before.entities.items()}
    flushed = before.flush()
    new.counts = old.counts
    places: list[tuple[int, NDArray[np.float64]]] = []
    for name, entity in before.entities.items():
        own = new.open(name)
        for fact in ("n_rows", "zone"):
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
    """Entities whose next row has a full window of every member."""
    n_rows = scorer.fleet.lanes.rings["n_rows"][: len(scorer.fleet.entities)]
    return int((n_rows >= scorer.warm_up).sum())


def _replay(fleet: Fleet, places: list[tuple[int, NDArray[np.float64]]]) -> None:
    """Step through the rows of all lanes side by side."""
    for row in range(max((len(values) for _, values in places), default=0)):
        lanes, values = zip(*[(lane, rows[row]) for lane, rows in places if row < len(rows)], strict=True)
        fleet.take_context(np.array(lanes), np.stack(values))
