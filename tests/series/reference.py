"""Slow and obvious twins of what `tsae.series` computes."""

from __future__ import annotations

from fractions import Fraction


def loop_grid_steps(times: list[int], period: float | None, max_fill: int) -> list[int]:
    """Go from row to row; a row is `count` periods on when it is nearest to that, ties to the lower count."""
    steps = []
    for row, time in enumerate(times):
        if row == 0:
            steps.append(0)
            continue
        if period is None:
            steps.append(1)
            continue
        elapsed = Fraction(time - times[row - 1], round(period * 10**9))
        count = 1
        while elapsed - count > Fraction(1, 2) and count <= max_fill + 1:
            count += 1
        steps.append(0 if elapsed < 0 or count > max_fill + 1 else count)
    return steps


def loop_sort_rows(times: list[int]) -> tuple[list[int], int, int]:
    """Keep the first row of each time, in order of time; count the repeats and the late rows."""
    first: dict[int, int] = {}
    n_late = 0
    for row, time in enumerate(times):
        n_late += any(earlier > time for earlier in times[:row])
        first.setdefault(time, row)
    return [first[time] for time in sorted(first)], len(times) - len(first), n_late


def loop_longest_flat_run(values: list[float]) -> tuple[int, int]:
    """Try every start and go on while the value stays."""
    best = (0, 0)
    for start, value in enumerate(values):
        length = 0
        while start + length < len(values) and values[start + length] == value:
            length += 1
        if length > best[1]:
            best = (start, length)
    return best


def loop_mask(intervals: list[tuple[int, int]], rows: list[int]) -> list[bool]:
    """Hold every row against every interval, both ends included."""
    return [any(start <= row <= end for start, end in intervals) for row in rows]
