"""From one model to the next in a running stream."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tsae.errors import ModelFileError
from tsae.streaming.answers import StreamScores
from tsae.streaming.entity import Entity
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
    contexts = {name: entity.recent.values for name, entity in before.entities.items() if entity.in_segment}
    flushed = before.flush()
    after.counts = before.counts
    places: list[tuple[Entity, NDArray[np.float64]]] = []
    for name, entity in before.entities.items():
        own = after.entities[name] = after.new_entity(name, after.lanes.open())
        own.n_rows, own.n_arrived = entity.n_rows, entity.n_arrived
        own.clock.restore(entity.clock.state())
        if len(contexts.get(name, ())):
            places.append((own, contexts[name]))
    _replay(after, places)
    return StreamScores(
        immediate=drained.immediate + flushed.immediate,
        settled=drained.settled + flushed.settled,
        events=drained.events + flushed.events,
        drifts=drained.drifts + flushed.drifts,
    )


def n_with_full_windows(scorer: StreamScorer) -> int:
    """Entities whose next row has a full window of every member."""
    lanes = [entity.lane for entity in scorer.entities.values()]
    return int((scorer.lanes.arrays["n_rows"][lanes] >= scorer.warm_up).sum())


def _replay(scorer: StreamScorer, places: list[tuple[Entity, NDArray[np.float64]]]) -> None:
    """Step through the rows of all entities side by side."""
    for row in range(max((len(values) for _, values in places), default=0)):
        entities = [(entity, values[row]) for entity, values in places if row < len(values)]
        lanes = np.array([entity.lane for entity, _ in entities])
        step = scorer.lanes.step(lanes, np.stack([values for _, values in entities]))
        for (entity, values), is_settled in zip(entities, step.is_settled, strict=True):
            entity.in_segment = True
            entity.recent.push(values)
            entity.waiting.append(None)
            if is_settled:
                entity.waiting.popleft()
