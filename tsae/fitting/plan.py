"""Plan of the members: window lengths, strides and steps, from the size of the series alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

from tsae.errors import DataError
from tsae.nn.architectures import ARCHITECTURES, WIDE

__all__ = ["PRESETS", "SHORTEST_WINDOW", "MemberPlan", "plan_members"]

PRESETS = ("alone", "fast", "balanced", "best")
SHORTEST_WINDOW = 4
_LENGTHS = (16, 64)
_LENGTH_ONE_CHANNEL = 100  # one channel alone says more in a longer window
_LONG_LENGTH_ONE_CHANNEL = 400  # of a member that stays linear
_BLOCKS_OF_LONG = 6
_FAST = 1 / 3  # of the training steps
_WIDEST_MASKED = 3000  # the operator of a masked member grows with the square of the window's numbers


@dataclass(frozen=True)
class MemberPlan:
    """Plan of one member: its windows, its network and its cost."""

    window_size: int
    stride: int
    n_last: int
    """Rows at the end of a window that the immediate error looks at."""
    max_steps: int
    """Training steps; 0 keeps a masked member linear."""
    block: int | None = None
    """Rows a hidden block of a masked member; `None` for a member that rebuilds the window."""
    architecture: str | None = None
    """The member's architecture, if it is not the one asked for."""


def plan_members(
    window_size: str | int | Sequence[int],
    max_steps: str | int,
    *,
    preset: str,
    architecture: str,
    n_rows: int,
    longest_run: int,
    n_channels: int,
) -> list[MemberPlan]:
    """The members: those that rebuild windows, the shortest first, then those that predict hidden blocks.

    "auto" takes windows of 16 and 64 rows, for a single channel also 100, none longer than an eighth of the
    training rows (but at least 8) or half of the longest run without a gap. Lengths taken from the
    period of the series were tried and detect less well. "alone" stays with these; "balanced" adds masked members of
    the same lengths; "fast" leaves those linear, in closed form, and trains the others for a third of the steps; "best"
    adds to "balanced" members that rebuild windows by another architecture.

    `n_rows` and `longest_run` are the training rows in all and in the longest segment, `n_channels` the channels that
    the network sees.
    """
    if window_size == "auto":
        most = max(SHORTEST_WINDOW, min(max(8, n_rows // 8), longest_run // 2))
        lengths = [*_LENGTHS, *([_LENGTH_ONE_CHANNEL] if n_channels == 1 else [])]
        sizes = sorted({min(length, most) for length in lengths})
    else:
        sizes = [window_size] if isinstance(window_size, int) else sorted(set(cast(Sequence[int], window_size)))
    too_long = [size for size in sizes if size > longest_run]
    if too_long:
        raise DataError(
            f"`window_size` (={too_long[0]}) exceeds the longest run of training rows without a gap "
            f"(={longest_run}); pass a longer series or a smaller window"
        )
    fast = preset == "fast"
    own = partial(_rebuilding, n_channels=n_channels, max_steps=max_steps, share=_FAST if fast else 1.0)
    plans = [own(size, architecture) for size in sizes]
    if preset == "best":
        other = ARCHITECTURES[architecture].beside
        plans += [replace(own(size, other), architecture=other) for size in sizes]
    if window_size == "auto" and preset != "alone":
        steps = 0 if fast else max_steps
        plans += [_masked(size, n_channels, steps) for size in sizes if size * n_channels <= _WIDEST_MASKED]
        if n_channels == 1 and most >= _BLOCKS_OF_LONG:
            plans.append(_long_linear(most))
    return plans


def _rebuilding(size: int, architecture: str, *, n_channels: int, max_steps: str | int, share: float) -> MemberPlan:
    wide = size * n_channels >= WIDE
    steps = 200 if wide else 300 if size <= 16 else 600
    return MemberPlan(
        size,
        stride=ARCHITECTURES[architecture].stride(size, n_channels),
        n_last=max(1, size // 4),
        max_steps=round(share * steps) if isinstance(max_steps, str) else max_steps,
    )


def _masked(size: int, n_channels: int, max_steps: str | int) -> MemberPlan:
    block = max(1, size // (4 if size <= 32 else 8 if size < 100 else 5))
    size = size // block * block
    wide = size * n_channels >= WIDE
    steps = 300 if wide else 400 if size <= 16 else 800
    return MemberPlan(
        size,
        stride=block if wide else max(1, block // 2),
        n_last=block,
        max_steps=steps if isinstance(max_steps, str) else max_steps,
        block=block,
    )


def _long_linear(longest: int) -> MemberPlan:
    block = min(_LONG_LENGTH_ONE_CHANNEL, longest) // _BLOCKS_OF_LONG
    return MemberPlan(_BLOCKS_OF_LONG * block, stride=max(1, block // 2), n_last=block, max_steps=0, block=block)
