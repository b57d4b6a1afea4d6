"""What watches constant channels and switches, for many lanes, a row each at a time."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from tsae.scoring.constants import MEMORY as CONSTANT_MEMORY
from tsae.scoring.rings import LaneArrays
from tsae.scoring.switch_habits import MEMORY as HABIT_MEMORY
from tsae.scoring.switch_habits import unusual
from tsae.scoring.switches import MEMORY as SWITCH_MEMORY
from tsae.scoring.switches import SwitchModel, clipped, errors_of, features_of, surprise_of, term_of
from tsae.series.channels import ChannelScaler

__all__ = ["LaneConstants", "LaneSwitches"]

FloatArray = NDArray[np.float64]


class LaneConstants:
    """See `tsae.scoring.constants.ConstantWatch`."""

    def __init__(self, scaler: ChannelScaler, arrays: LaneArrays) -> None:
        self.channels = scaler.constant_channels
        self._arrays = arrays
        arrays.add("constants", (CONSTANT_MEMORY, len(self.channels)), np.float32, empty=np.nan)

    def step(self, part: Any, scaled: NDArray[np.float32]) -> FloatArray:
        """Errors of the constant channels, `(m, n_constant)`, NaN where missing."""
        values = scaled[:, self.channels]
        rows = self._arrays.shift_in("constants", part, values)
        errors = values.astype(np.float64)
        moved = np.nan_to_num(rows).any(axis=(1, 2))
        if moved.any():
            ranked = np.sort(rows[moved], axis=1)  # NaN last
            n_known = (~np.isnan(ranked)).sum(axis=1)
            low, high = (n_known - 1).clip(0) // 2, n_known.clip(1) // 2
            middle = [np.take_along_axis(ranked, place[:, None], axis=1)[:, 0] for place in (low, high)]
            medians = (middle[0].astype(np.float64) + middle[1]) / 2
            errors[moved] = np.square(errors[moved] - medians)
        return errors


class LaneSwitches:
    """See `tsae.scoring.switches.SwitchWatch`."""

    def __init__(self, scaler: ChannelScaler, model: SwitchModel | None, arrays: LaneArrays) -> None:
        self.channels, self._model, self._arrays = scaler.switch_channels, model, arrays
        shapes = {"switches.analog": len(scaler.network_channels), "switches.surprise": len(self.channels)}
        for name, n_columns in shapes.items():
            n_columns = n_columns if model is not None else 0
            arrays.add(name, (SWITCH_MEMORY, n_columns))
            arrays.add(f"{name}_known", (SWITCH_MEMORY, n_columns))
        arrays.add("switches.state", (n_columns,), np.int8)
        arrays.add("switches.stay", (n_columns,), np.int64)
        arrays.add("switches.changes", (HABIT_MEMORY, n_columns), np.int64)

    def step(self, part: Any, filled: NDArray[np.float32], values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Surprise over the worst of training `(m, n_switches)`, NaN where missing, and the term in nats `(m,)`."""
        states = values[:, self.channels]
        if self._model is None:
            return np.full(states.shape, np.nan), np.zeros(len(states))
        now = clipped(filled)
        means = self._trailing("switches.analog", part, now, np.ones_like(now))
        known = ~np.isnan(states)
        surprise = surprise_of(self._model, features_of(filled, means, states), states)
        averaged = self._trailing("switches.surprise", part, np.where(known, surprise, 0.0), known.astype(np.float64))
        errors = errors_of(self._model, averaged, self._unusual(part, states), states)
        return errors, term_of(self._model, errors)

    def _unusual(self, part: Any, values: FloatArray) -> FloatArray:
        """See `tsae.scoring.switch_habits.HabitWatch`."""
        before = self._arrays["switches.state"][part]
        is_first = self._arrays["switches.stay"][part] == 0
        now = np.where(np.isnan(values), np.maximum(before, 0), np.nan_to_num(values) > 0.5).astype(np.int8)
        changed = (now != before) & ~is_first
        stay = np.where(changed, 1, self._arrays["switches.stay"][part] + 1)
        changes = self._arrays.shift_in("switches.changes", part, changed).sum(axis=1)
        self._arrays["switches.state"][part], self._arrays["switches.stay"][part] = now, stay
        return unusual(cast(SwitchModel, self._model).habits, now > 0, stay, changes)

    def _trailing(self, name: str, part: Any, values: FloatArray, known: FloatArray) -> FloatArray:
        total = self._arrays.shift_in(name, part, values).sum(axis=1)
        mass = self._arrays.shift_in(f"{name}_known", part, known).sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(mass > 0, total / mass, np.nan)
