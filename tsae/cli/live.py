"""The answers of `tsae watch` for one machine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tsae.cli.lines import StreamRow
from tsae.detection.detector import AnomalyDetector
from tsae.streaming.scorer import RowScore, StreamScorer, StreamScores

__all__ = ["Answer", "LiveSeries"]

_MOST_SENSORS = 3
Record = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What there is to say after a row; false if that is nothing."""

    about: Record
    """The entity, if there are several."""
    row: Record | None = None
    """The row just handed in."""
    settled: tuple[Record, ...] = ()

    def __bool__(self) -> bool:
        return self.row is not None or bool(self.settled)

    def alarms(self) -> Answer:
        """The part that alarms."""
        row = self.row if self.row is not None and self.row.get("label") else None
        return replace(self, row=row, settled=tuple(record for record in self.settled if record["label"]))

    def record(self) -> Record:
        """All of it, to be printed as JSON."""
        return {**self.about, **(self.row or {}), **({"settled": list(self.settled)} if self.settled else {})}


class LiveSeries:
    """One machine: its scorer, and the times of the rows that wait, as they were written."""

    def __init__(self, detector: AnomalyDetector, entity: str) -> None:
        self.scorer = StreamScorer(detector)
        self._about: Record = {"entity": entity} if entity else {}
        self._times: dict[int, str] = {}

    def take(self, row: StreamRow) -> Answer:
        """Score a row."""
        scores = self.scorer.update(row.values, row.timestamp)
        if not scores.immediate:
            return Answer(
                self._about, {"timestamp": row.time, "dropped": "its time is not after that of the row before"}
            )
        (now,) = scores.immediate
        if row.time is not None:
            self._times[now.row] = row.time
        return Answer(self._about, self._record(now, row.time), self._settled(scores))

    def finish(self) -> Answer:
        """Settle what still waits."""
        return Answer(self._about, None, self._settled(self.scorer.flush()))

    def _settled(self, scores: StreamScores) -> tuple[Record, ...]:
        return tuple(self._record(each, self._times.pop(each.row, None)) for each in scores.settled)

    def _record(self, score: RowScore, time: str | None) -> Record:
        record: Record = {"row": score.row} if time is None else {"row": score.row, "timestamp": time}
        record |= {"score": float(f"{score.score:.7g}"), "label": score.label}
        if score.label and score.errors is not None:
            record["sensors"] = self._shares(score)
        return record

    def _shares(self, score: RowScore) -> dict[str, float]:
        """The sensors with the largest parts of the error above the usual."""
        excess = np.maximum(np.nan_to_num(score.errors, nan=0.0) - 1, 0)  # type: ignore[arg-type]
        total = excess.sum()
        if not total > 0:
            return {}
        largest = np.argsort(-excess, kind="stable")[:_MOST_SENSORS]
        return {self.scorer.channels[i]: round(float(excess[i] / total), 4) for i in largest if excess[i] > 0}
