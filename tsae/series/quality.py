"""What is good and bad about a sensor table, as facts, grades and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsae.series.grid import Clock, infer_clock, timestamps_ns
from tsae.series.reading import SensorTable

__all__ = [
    "Gap",
    "Grade",
    "SensorFacts",
    "SensorQuality",
    "TableQuality",
    "check_table",
    "find_copies",
    "longest_flat_run",
    "measure",
]

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
_SPIKE = 10.0  # robust standard deviations
_COPY = 0.9999  # correlation


@dataclass(frozen=True)
class SensorFacts:
    """What the values of one sensor look like; shares are in [0, 1]."""

    missing: float
    """Share of rows without a value."""
    n_distinct: int
    is_switch: bool
    """Whether all values are 0 or 1, and both occur."""
    usual_share: float
    """Share of the most frequent value among the values, where that is above a half; else 0."""
    flat_rows: int
    """Rows of the longest run of one and the same value."""
    flat_start: int
    """Row where it starts, counted within its entity."""
    flat_entity: int
    """Position of its entity."""
    flat_value: float
    flat_at_limit: bool
    """Whether that value is the lowest or the highest of all, as of a closed valve or a machine at rest."""
    changes: float
    """Share of steps from value to value that change it."""
    spikes: float
    """Share of values more than ten robust standard deviations from the median; 0 for switches."""
    drift: float
    """Median of the last fifth minus that of the first, in robust standard deviations; 0 for switches.

    Of several entities, the one that moved most.
    """


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
    findings = _check_rows(len(largest), clock, window_sizes, longest_run)
    advice = [sentence for _, sentence in findings]
    bad = [sensor.name for sensor in sensors if sensor.grade >= "D"]
    if bad:
        advice.append(f"repair or leave out {', '.join(map(repr, bad))}: too many of their values are missing")
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
        advice=tuple(advice),
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


def _check_rows(n_rows: int, clock: Clock, window_sizes: Sequence[int], longest_run: int) -> list[_Finding]:
    findings: list[_Finding] = []
    if n_rows < _FEW_ROWS:
        grade: Grade = "E" if n_rows < _TOO_FEW_ROWS else "C"
        findings.append((grade, f"too few rows: {n_rows}; a detector wants at least {_FEW_ROWS} normal ones"))
    if clock.period is None and clock.regularity > 0:
        share = f"{100 * clock.regularity:.3g} % of the steps are near the median one"
        findings.append(("C", f"the rows have no regular clock ({share}); resample them to a fixed period"))
    if window_sizes:
        windows = "windows would be " + " and ".join(f"{n} rows{_lasting(n, clock)}" for n in sorted(window_sizes))
        too_long = f"{windows}, but the longest run without a gap has {longest_run} rows"
        findings.append(("A", windows) if max(window_sizes) <= longest_run else ("E", too_long))
    return findings


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


def measure(parts: Sequence[NDArray[np.float64]]) -> SensorFacts:
    """Measure one sensor.

    Parameters
    ----------
    parts : sequence of ndarray, each of shape (n_timesteps,)
        Its values, one array per entity, NaN where missing.
    """
    values = parts[0] if len(parts) == 1 else np.concatenate(parts)
    observed = values[~np.isnan(values)]
    runs = [longest_flat_run(part) for part in parts]
    entity = int(np.argmax([length for _, length in runs]))
    start, length = runs[entity]
    flat_value = float(parts[entity][start]) if length else np.nan
    distinct = pd.unique(observed)
    is_switch = len(distinct) == 2 and set(distinct.tolist()) == {0.0, 1.0}
    middle = float(np.median(observed)) if len(observed) else np.nan
    usual = float(np.mean(observed == middle)) if len(observed) else 0.0
    sigma = 0.0 if is_switch or len(distinct) < 2 else _robust_sigma(observed, middle)
    steps = np.concatenate([np.diff(part) for part in parts])
    n_known, n_equal = np.count_nonzero(~np.isnan(steps)), np.count_nonzero(steps == 0)
    return SensorFacts(
        missing=1 - len(observed) / max(1, len(values)),
        n_distinct=len(distinct),
        is_switch=is_switch,
        usual_share=usual if usual > 0.5 else 0.0,
        flat_rows=length,
        flat_start=start,
        flat_entity=entity,
        flat_value=flat_value,
        flat_at_limit=bool(len(observed)) and flat_value in (observed.min(), observed.max()),
        changes=float(1 - n_equal / n_known) if n_known else 0.0,
        spikes=float(np.mean(np.abs(observed - middle) > _SPIKE * sigma)) if sigma else 0.0,
        drift=max((_drift(part) / sigma for part in parts), key=abs) if sigma else 0.0,
    )


def longest_flat_run(values: NDArray[np.float64]) -> tuple[int, int]:
    """Start and length of the longest run of equal values in `values` `(n_timesteps,)`; NaN ends a run.

    Examples
    --------
    >>> import numpy as np
    >>> longest_flat_run(np.array([3.0, 5.0, 5.0, np.nan, 5.0]))
    (1, 2)
    """
    if np.isnan(values).all():
        return 0, 0
    ends = np.append(np.flatnonzero(~(values[1:] == values[:-1])), len(values) - 1)
    starts = np.append(0, ends[:-1] + 1)
    lengths = np.where(np.isnan(values[starts]), 0, ends - starts + 1)
    longest = int(np.argmax(lengths))
    return int(starts[longest]), int(lengths[longest])


def _robust_sigma(observed: NDArray[np.float64], middle: float) -> float:
    """Standard deviation by the middle half of the values, or the plain one if those are equal.

    The larger of the two usual estimates: with two modes of operation the median deviation sees only one.
    """
    deviation = float(np.median(np.abs(observed - middle)))
    low, high = np.quantile(observed, [0.25, 0.75])
    return max(1.4826 * deviation, float(high - low) / 1.349) or float(np.std(observed))


def _drift(part: NDArray[np.float64]) -> float:
    fifth = max(1, len(part) // 5)
    first, last = part[:fifth], part[-fifth:]
    first, last = first[~np.isnan(first)], last[~np.isnan(last)]
    return float(np.median(last) - np.median(first)) if len(first) and len(last) else 0.0


def find_copies(values: NDArray[np.float64]) -> dict[int, int]:
    """Find channels that are the same as an earlier one, up to scale and offset.

    Parameters
    ----------
    values : ndarray, shape (n_timesteps, n_channels)
        NaN where missing.

    Returns
    -------
    dict
        From the copy to the first channel that it correlates with by more than .9999.
    """
    known = ~np.isnan(values)
    counts = np.maximum(1, known.sum(axis=0))
    centred = np.where(known, values, 0.0)
    centred = np.where(known, centred - centred.sum(axis=0) / counts, 0.0)
    scale = np.sqrt((centred**2).sum(axis=0) / counts)
    centred /= np.where(scale > 0, scale, np.inf)
    weights = known.astype(np.float64)
    both = np.sqrt((centred**2).T @ weights * (weights.T @ centred**2))
    correlation = centred.T @ centred / np.where(both > 0, both, np.inf)
    pairs = np.argwhere(np.triu(correlation > _COPY, k=1))
    return {int(later): int(earlier) for earlier, later in pairs[::-1]}
