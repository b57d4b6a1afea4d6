"""`Lessons`: what people said of earlier events, and how high a score must be to alarm again in the same way."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tsae.alarms.annotations import Annotation
from tsae.alarms.event import Event

__all__ = ["Lesson", "Lessons", "lessons_of"]

_ALIKE = 0.8  # cosine between the sensors' shares
_ABOVE = 3.0  # nats from the highest of the false alarms to the bar


@dataclass(frozen=True)
class Lesson:
    """One event that a person called a false alarm, or real."""

    is_real: bool
    shares: tuple[tuple[str, float], ...]
    """Sensors and their parts of the event, the most responsible first."""
    direction: str
    """Whether the first sensor lay "above" or "below" what was expected; empty if that is not known."""
    peak_score: float
    entity: str = ""
    """Entity that the lesson is about; empty for all."""

    def is_like(self, shares: Mapping[str, float], direction: str, entity: str) -> bool:
        """Return whether the same sensors are to blame in the same direction."""
        if self.entity and entity and self.entity != entity:
            return False
        if self.direction and direction and self.direction != direction:
            return False
        own, other = dict(self.shares), shares
        product = sum(share * other.get(sensor, 0.0) for sensor, share in own.items())
        lengths = (math.sqrt(sum(share**2 for share in shares.values())) for shares in (own, other))
        return product >= _ALIKE * math.prod(lengths)


@dataclass(frozen=True)
class Lessons:
    """Lessons of one model. An event that looks like false alarms is reported only above a bar.

    The bar lies three nats above the highest of these, and below every real event that looks alike.
    """

    lessons: tuple[Lesson, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.lessons)

    def bar(self, event: Event) -> float:
        """Return the score up to which the event is held back, −inf if it looks like no false alarm."""
        return self._bar({each.sensor: each.share for each in event.sensors}, event.direction, event.entity)

    def bars(self) -> dict[tuple[str, str, str], float]:
        """Return the highest bar by entity, leading sensor and direction, of events that repeat a false alarm."""
        found: dict[tuple[str, str, str], float] = {}
        for lesson in self.lessons:
            if not lesson.is_real:
                key = (lesson.entity, lesson.shares[0][0], lesson.direction)
                bar = self._bar(dict(lesson.shares), lesson.direction, lesson.entity)
                found[key] = max(found.get(key, -math.inf), bar)
        return found

    def _bar(self, shares: Mapping[str, float], direction: str, entity: str) -> float:
        alike = [lesson for lesson in self.lessons if lesson.is_like(shares, direction, entity)]
        false = [lesson.peak_score for lesson in alike if not lesson.is_real]
        if not false:
            return -math.inf
        real = min((lesson.peak_score for lesson in alike if lesson.is_real), default=math.inf)
        return min(max(false) + _ABOVE, math.nextafter(real, -math.inf))

    def holds_back(self, event: Event) -> bool:
        """Return whether the event looks like false alarms and does not exceed them by enough."""
        return bool(self.lessons) and event.peak_score <= self.bar(event)

    def pack(self) -> list[dict[str, Any]]:
        """Return the lessons as JSON-able facts."""
        return [{**vars(lesson), "shares": [list(pair) for pair in lesson.shares]} for lesson in self.lessons]

    @classmethod
    def unpack(cls, facts: Sequence[dict[str, Any]]) -> Lessons:
        """Return the lessons that `pack` took apart."""
        shares = [tuple((sensor, float(share)) for sensor, share in each["shares"]) for each in facts]
        return cls(tuple(Lesson(**{**each, "shares": part}) for each, part in zip(facts, shares, strict=True)))


def lessons_of(annotations: Iterable[Annotation]) -> Lessons:
    """Return the lessons of annotated events: those that say which sensors were to blame, and how high the score was.

    Parameters
    ----------
    annotations
        Those that count; intervals, and other kinds than "real" and "false alarm", teach nothing here.
    """
    found = []
    for each in annotations:
        if each.kind not in ("real", "false alarm") or not each.sensors or each.peak_score is None:
            continue
        shares = each.shares or tuple(1.0 if not place else 0.0 for place in range(len(each.sensors)))
        found.append(
            Lesson(
                is_real=each.kind == "real",
                shares=tuple(zip(each.sensors, shares, strict=True)),
                direction=each.directions[0] if each.directions else "",
                peak_score=each.peak_score,
                entity=each.entity,
            )
        )
    return Lessons(tuple(found))
