"""What is good and bad about a sensor table, as facts, grades and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from tsae.series.clock import Clock, infer_clock, timestamps_ns
from tsae.series.measuring import SensorFacts, find_copies, measure
from tsae.series.table import SensorTable

__all__ = ["Gap", "Grade", "SensorQuality", "TableQuality", "check_table"]

Grade = Literal["A", "B", "C", "D", "E", "F"]
"""From "A", nothing to remark, to "F", of no use."""

_Finding = tuple[Grade, str]

_MAX_GAPS = 5
_FEW_ROWS = 1_000
_TOO_FEW_ROWS = 200
_MISSING: dict[Grade, float] = {"B": 0.005, "C": 0.05, "D": 0.2, "E": 0.5}
_NEARLY_CONSTANT = 0.99
_MANY_SPIKES, _SECOND_MODE = 0.01, 0.05  # what is off more often than that is no spike
_DRIFT, _STRONG_DRIFT = 1.5, 2.0  # a straight line from start to end has 2.2
_COPY_ROWS = 20_000  # evenly spaced, are enough to see that two sensors are the same


@dataclass(frozen=True)
class SensorQuality:
    """One sensor."""

    name: str
    unit: str
    facts: SensorFacts
    grade: Grade
    reasons: tuple[str, ...]
    """One sentence per remark, the gravest first; empty for grade A."""


@dataclass(frozen=True)
class Gap:
    """A stretch without rows."""

    start: pd.Timestamp
    """Time of the last row before it."""
    seconds: float
    entity: str = ""


@dataclass(frozen=True)
class TableQuality:
    """A whole table."""

    n_rows: int
    start: Any
    """First time, or first row number."""
    end: Any
    clock: Clock
    """Of the entity with most rows."""
    gaps: tuple[Gap, ...]
    """The longest ones, the longest first."""
    longest_run: int
    """Rows of the longest stretch without a gap, of any entity."""
    sensors: tuple[SensorQuality, ...]
    grade: Grade
    advice: tuple[str, ...]
    notes: tuple[str, ...]
    """From reading."""


def check_table(table: SensorTable, *, window_sizes: Sequence[int] = ()) -> TableQuality:
    """Check a table before a detector is trained on it.

    Parameters
    ----------
    table : SensorTable
        What was read.
    window_sizes : sequence of int
        Windows that a detector would use, in rows, to be told in time and held against the longest run.

    Examples
    --------
    >>> import pandas as pd
    >>> table = SensorTable({"": pd.DataFrame({"level": [2.0, 2.0, 2.0]})})
    >>> check_table(table).sensors[0].reasons
    ('it never changes (2): all that can be noticed is a change',)
    """
    frames = list(table.frames.values())
    largest = max(frames, key=len)
    clock = infer_clock(largest.index)
    gaps, longest_run = _find_gaps(table)
    sensors = _check_sensors(table, clock)
    findings = [*_check_rows(len(largest), clock), *_check_windows(window_sizes, longest_run, clock)]
    grades = sorted(sensor.grade for sensor in sensors)
    return TableQuality(
        n_rows=table.n_rows,
        start=min(frame.index[0] for frame in frames),
        end=max(frame.index[-1] for frame in frames),
        clock=clock,
        gaps=gaps,
        longest_run=longest_run,
        sensors=sensors,
        grade=max([grades[len(grades) // 2], *(grade for grade, _ in findings)]),
        advice=(*(sentence for _, sentence in findings), *_advise_on_sensors(sensors)),
        notes=table.notes,
    )


def _find_gaps(table: SensorTable) -> tuple[tuple[Gap, ...], int]:
    gaps: list[Gap] = []
    longest_run = 0
    for entity, frame in table.frames.items():
        period = infer_clock(frame.index).period
        if period is None or not isinstance(frame.index, pd.DatetimeIndex):
            longest_run = max(longest_run, len(frame))
            continue
        seconds = np.diff(timestamps_ns(frame.index)) / 1e9
        before = np.flatnonzero(seconds > 1.5 * period)
        ends = np.concatenate([[-1], before, [len(frame) - 1]])
        longest_run = max(longest_run, int(np.diff(ends).max()))
        longest = before[np.argsort(-seconds[before], kind="stable")][:_MAX_GAPS]
        gaps += [Gap(frame.index[row], float(seconds[row]), entity) for row in longest]
    return tuple(sorted(gaps, key=lambda gap: -gap.seconds)[:_MAX_GAPS]), longest_run


def _check_rows(n_rows: int, clock: Clock) -> list[_Finding]:
    findings: list[_Finding] = []
    if n_rows < _FEW_ROWS:
        grade: Grade = "E" if n_rows < _TOO_FEW_ROWS else "C"
        findings.append((grade, f"too few rows: {n_rows}; a detector wants at least {_FEW_ROWS} normal ones"))
    if clock.period is None and clock.regularity > 0:
        share = f"{100 * clock.regularity:.3g} % of the steps are near the median one"
        findings.append(("C", f"the rows have no regular clock ({share}); resample them to a fixed period"))
    return findings


def _check_windows(window_sizes: Sequence[int], longest_run: int, clock: Clock) -> list[_Finding]:
    if not window_sizes:
        return []
    told = " and ".join(f"{size} rows{_lasting(size, clock)}" for size in sorted(window_sizes))
    if max(window_sizes) <= longest_run:
        return [("A", f"windows would be {told}")]
    return [("E", f"windows would be {told}, but the longest run without a gap has {longest_run} rows")]


def _lasting(n_rows: int, clock: Clock) -> str:
    if clock.period is None:
        return ""
    seconds = n_rows * clock.period
    unit, length = next((u, s) for u, s in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 0)) if seconds >= s)
    return f" ({seconds / (length or 1):.3g} {unit})"


def _check_sensors(table: SensorTable, clock: Clock) -> tuple[SensorQuality, ...]:
    parts = [frame.to_numpy() for frame in table.frames.values()]
    stride = max(1, table.n_rows // _COPY_ROWS)
    copies = find_copies(np.concatenate([part[::stride] for part in parts]))
    sensors = []
    for position, name in enumerate(table.channels):
        facts = measure([part[:, position] for part in parts])
        copy_of = table.channels[copies[position]] if position in copies else None
        findings = sorted(_judge(facts, copy_of, table, clock), key=lambda finding: finding[0], reverse=True)
        sensors.append(
            SensorQuality(
                name=name,
                unit=table.units.get(name, ""),
                facts=facts,
                grade=findings[0][0] if findings else "A",
                reasons=tuple(sentence for _, sentence in findings),
            )
        )
    return tuple(sensors)


def _judge(facts: SensorFacts, copy_of: str | None, table: SensorTable, clock: Clock) -> Iterator[_Finding]:
    if facts.n_distinct == 0:
        yield "F", "it has no value in any row"
        return
    if facts.missing > _MISSING["B"]:
        grade = max(grade for grade, share in _MISSING.items() if facts.missing > share)
        yield grade, f"{_percent(facts.missing)} of its values are missing"
    if facts.n_distinct == 1:
        yield "C", f"it never changes ({facts.flat_value:g}): all that can be noticed is a change"
        return
    if copy_of is not None:
        yield "B", f"it is a copy of {copy_of!r}: while they agree, one of the two tells nothing"
    if facts.is_switch:
        return
    if facts.usual_share > _NEARLY_CONSTANT:
        yield "B", f"it nearly never changes: {_percent(facts.usual_share)} of its values are the same"
    elif _is_stuck(facts, table):
        where = list(table.frames.values())[facts.flat_entity].index[facts.flat_start]
        stood = f"{facts.flat_rows} rows{_lasting(facts.flat_rows, clock)} from {where}"
        yield "C", f"it stood still at {facts.flat_value:g} for {stood}: was it stuck?"
    if 0 < facts.spikes < _SECOND_MODE:
        yield (
            "C" if facts.spikes > _MANY_SPIKES else "B",
            f"{_percent(facts.spikes)} of its values are far off (10 robust standard deviations)",
        )
    if abs(facts.drift) > _DRIFT:
        way = "up" if facts.drift > 0 else "down"
        size = f"{abs(facts.drift):.1f} standard deviations"
        yield "C" if abs(facts.drift) > _STRONG_DRIFT else "B", f"its level went {way} by {size} from start to end"


def _is_stuck(facts: SensorFacts, table: SensorTable) -> bool:
    """Whether the longest flat run is far longer than chance makes it when values repeat as often as here."""
    if facts.changes in (0.0, 1.0) or facts.flat_at_limit:
        return False
    by_chance = np.log(table.n_rows * facts.changes) / -np.log1p(-facts.changes)
    return bool(facts.flat_rows > 5 * max(10.0, by_chance))


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.995 else f"{100 * share:.4g} %"


def _advise_on_sensors(sensors: Sequence[SensorQuality]) -> Iterator[str]:
    bad = [sensor.name for sensor in sensors if sensor.grade >= "D"]
    if bad:
        yield f"repair or leave out {', '.join(map(repr, bad))}: too many of their values are missing"
