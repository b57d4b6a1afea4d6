"""Condition under which a plant runs, such as "speed > 10"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsae.errors import ParameterError

__all__ = ["Comparison", "Running"]

_COMPARE = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
}
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_COMPARISON = re.compile(
    rf'\s*(?:"(?P<quoted>[^"]+)"|(?P<name>[^"<>=!]+?))\s*(?P<operator><=|>=|==|!=|<|>)\s*(?P<number>{_NUMBER})'
    r"\s*(?P<joint>\band\s|$)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Comparison:
    """Comparison of one sensor with a number."""

    sensor: str
    operator: str
    """One of <, <=, >, >=, == and !=."""
    number: float


@dataclass(frozen=True)
class Running:
    """Condition under which a plant runs: one comparison, or several that all have to hold.

    Examples
    --------
    >>> import numpy as np
    >>> running = Running.parse("speed > 10 and valve == 1")
    >>> running.off(np.array([[50.0, 1.0], [5.0, 1.0], [np.nan, 1.0]]), ["speed", "valve"]).tolist()
    [False, True, True]
    """

    text: str
    comparisons: tuple[Comparison, ...]

    @classmethod
    def parse(cls, text: str) -> Running:
        """Read a condition such as 'speed > 10 and valve == 1'.

        A sensor whose name contains <, >, = or ! must be in double quotes.

        Raises
        ------
        ParameterError
            If the text is not a condition.
        """
        found, place = list[Comparison](), 0
        joint = "and"
        while joint:
            match = _COMPARISON.match(text, place) if isinstance(text, str) else None
            if match is None:
                raise ParameterError(
                    f"`running` (={text!r}) must compare a sensor with a number by <, <=, >, >=, == or !=, and join "
                    "several comparisons by 'and'; write 'speed > 10', or 'speed > 10 and valve == 1'"
                )
            sensor = match["quoted"] or match["name"]
            found.append(Comparison(sensor, match["operator"], float(match["number"])))
            joint, place = match["joint"], match.end()
        return cls(text, tuple(found))

    def check_channels(self, channels: Sequence[str]) -> None:
        """Raise a `ParameterError` if a sensor is not among the channels."""
        for each in self.comparisons:
            if each.sensor not in channels:
                raise ParameterError(
                    f"`running` (={self.text!r}) names {each.sensor!r}, which is not a channel; choose one of "
                    f"{', '.join(map(str, channels))}"
                )

    def off(self, values: NDArray[np.floating], channels: Sequence[str]) -> NDArray[np.bool_]:
        """Return the rows in which the plant does not run, `(n_timesteps,)`.

        A row whose sensor is missing counts as one of them.

        Parameters
        ----------
        values
            `(n_timesteps, n_channels)`, in the sensors' units, NaN where missing.
        channels
            Names of the channels.
        """
        runs = np.ones(len(values), dtype=bool)
        for each in self.comparisons:
            column = values[:, channels.index(each.sensor)]
            runs &= _COMPARE[each.operator](column, each.number) & ~np.isnan(column)
        return ~runs
