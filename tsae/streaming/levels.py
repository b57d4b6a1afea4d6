"""The thresholds of one entity's rows: learned ones, or such that follow the rows before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from tsae.detection.stream_model import StreamModel
from tsae.detection.thresholds import FollowingThreshold, adaptive_threshold

__all__ = ["Levels", "judged_kinds"]


def judged_kinds(model: StreamModel, *, own_lag: bool) -> dict[str, str]:
    """Which of the model's scores "settled" and "immediate" ones are, as far as thresholds go.

    Parameters
    ----------
    own_lag
        Whether settled scores wait as long as the model's; otherwise they are immediate ones of a few rows later.
    """
    unsmoothed = model.thresholds.judged == "unsmoothed"
    immediate = "immediate_unsmoothed" if unsmoothed else "immediate"
    return {"settled": ("unsmoothed" if unsmoothed else "settled") if own_lag else immediate, "immediate": immediate}


class Levels:
    """Thresholds of settled and of immediate scores, handed in in time order.

    Parameters
    ----------
    kinds
        From `judged_kinds`.
    adapt
        Whether thresholds follow the rows before, unless the model's was stated.
    """

    def __init__(self, model: StreamModel, kinds: Mapping[str, str], *, adapt: bool) -> None:
        self._static = {name: getattr(model.thresholds, kind).value for name, kind in kinds.items()}
        self._adaptive: dict[str, FollowingThreshold] = {}
        for name, kind in kinds.items() if adapt else ():
            adaptive = adaptive_threshold(model.thresholds, model.calibration[kind])
            if adaptive is not None:
                self._adaptive[name] = adaptive

    def settled(self, score: float) -> float:
        """The threshold of the next settled row, which is learned afterwards."""
        return self._threshold("settled", score)

    def immediate(self, score: float) -> float:
        """The threshold of the next immediate score, which is learned afterwards."""
        return self._threshold("immediate", score)

    @property
    def now(self) -> float:
        """The threshold of the next immediate score; nothing is learned."""
        adaptive = self._adaptive.get("immediate")
        return self._static["immediate"] if adaptive is None else adaptive.value

    @property
    def settled_range(self) -> tuple[float, float]:
        """The threshold of settled scores at the start, and that of the next one."""
        adaptive, static = self._adaptive.get("settled"), self._static["settled"]
        return (static, static) if adaptive is None else (adaptive.first, adaptive.value)

    def state(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Everything that was learned, under names that begin with `prefix`; nothing if thresholds stand still."""
        return {
            f"{prefix}{name}.{part}": array
            for name, adaptive in self._adaptive.items()
            for part, array in adaptive.state().items()
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]], prefix: str) -> None:
        """Take up a state; what it does not hold stays fresh."""
        for name, adaptive in self._adaptive.items():
            start = f"{prefix}{name}."
            parts = {part: arrays[f"{start}{part}"] for part in adaptive.state() if f"{start}{part}" in arrays}
            if parts:
                adaptive.restore(parts)

    def _threshold(self, name: str, score: float) -> float:
        adaptive = self._adaptive.get(name)
        return self._static[name] if adaptive is None else adaptive.next(score)


def furthest_moved(levels: Mapping[str, Levels]) -> tuple[str, float] | None:
    """The entity whose threshold of settled scores has moved furthest, and by how much; `None` if none has."""
    ranges = {name: each.settled_range for name, each in levels.items()}
    moved = {name: last - first for name, (first, last) in ranges.items() if last != first}
    name = max(moved, key=lambda each: abs(moved[each]), default=None)
    return None if name is None else (name, moved[name])
