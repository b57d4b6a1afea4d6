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
