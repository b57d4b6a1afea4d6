"""The report of a training run."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FitReport"]


@dataclass(frozen=True)
class FitReport:
    """Steps and held-out losses of a training run."""

    n_steps: int
    best_step: int
    """Step whose weights were kept; the last one when nothing was held out."""
    held_out_loss: float | None
    """Loss of the kept weights on the held-out examples."""
    history: tuple[tuple[int, float], ...]
    """Held-out loss by step."""
