"""What "auto" means: window lengths, strides, steps and code sizes from the series alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tsae.errors import DataError, ParameterError

__all__ = ["SHORTEST_WINDOW", "MemberPlan", "plan_members"]

SHORTEST_WINDOW = 4
_LENGTHS = (16, 64)
_LENGTH_ONE_CHANNEL = 100  # one channel alone says more in a longer window
_WIDE = 700  # numbers in a window from which steps and strides are cut to keep the cost down


@dataclass(frozen=True)
class MemberPlan:
    """Window length and effort of one member."""

    window_size: int
    stride: int
    max_steps: int


def plan_members(
    window_size: str | int | Sequence[int],
    max_steps: str | int,
    *,
    n_rows: int,
    longest_run: int,
    n_channels: int,
) -> list[MemberPlan]:
    """The members, shortest window first.

    "auto" takes windows of 16 and 64 rows, for a single channel also 100, none longer than an eighth of the
    training rows (but at least 8) or half of the longest run without a gap. Lengths taken from the
    period of the series were tried and detect less well.

    Parameters
    ----------
    n_rows, longest_run
        Training rows in all, and in the longest segment.
    n_channels
        Channels that the network sees.
    """
    if window_size == "auto":
        most = max(SHORTEST_WINDOW, min(max(8, n_rows // 8), longest_run // 2))
        lengths = [*_LENGTHS, *([_LENGTH_ONE_CHANNEL] if n_channels == 1 else [])]
        sizes = sorted({min(length, most) for length in lengths})
    else:
        given = [window_size] if isinstance(window_size, int) else list(window_size)
        sizes = sorted({_checked(size) for size in given})
    too_long = [size for size in sizes if size > longest_run]
    if too_long:
        raise DataError(
            f"`window_size` (={too_long[0]}) exceeds the longest run of training rows without a gap "
            f"(={longest_run}); pass a longer series or a smaller window"
        )
    return [_plan(size, size * n_channels, max_steps) for size in sizes]


def _checked(size: object) -> int:
    if isinstance(size, bool) or not hasattr(size, "__index__") or int(size) < SHORTEST_WINDOW:
        raise ParameterError(f'`window_size` (={size!r}) must be "auto" or at least {SHORTEST_WINDOW} rows')
    return int(size)


def _plan(size: int, width: int, max_steps: str | int) -> MemberPlan:
    wide = width >= _WIDE
    if max_steps == "auto":
        steps = 200 if wide else 300 if size <= 16 else 600
    elif isinstance(max_steps, str) or max_steps < 1:
        raise ParameterError(f'`max_steps` (={max_steps!r}) must be "auto" or at least 1')
    else:
        steps = max_steps
    return MemberPlan(size, max(1, min(4, size // 4)) if wide else 1, steps)
