"""A false-alarm budget in the user's words: "1/week", "0.1%", "2 per 10000 rows"."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from tsae.errors import ParameterError

__all__ = ["Budget", "parse_budget"]

_SECONDS = {
    "second": 1.0,
    "minute": 60.0,
    "hour": 3600.0,
    "day": 86_400.0,
    "week": 604_800.0,
    "month": 30 * 86_400.0,
    "year": 365 * 86_400.0,
}
_MOST_EPISODES = 0.1  # per row; more of them run into each other
_NUMBER = r"(\d+(?:[.,]\d+)?(?:e[+-]?\d+)?)"
_SHARE = re.compile(rf"{_NUMBER}\s*(%?)(?:\s*(?:of\s+)?rows)?", re.IGNORECASE)
_COUNT = re.compile(
    rf"{_NUMBER}\s*(?:/|per\b|an?\b|every\b|in\b)\s*(?:{_NUMBER}\s*)?(row|{'|'.join(_SECONDS)})s?", re.I
)


@dataclass(frozen=True)
class Budget:
    """How many false alarms are acceptable.

    Shares ("0.1%") count flagged rows. Counts per time or rows ("1/week") count alarms: a run of flagged rows,
    however long, is one.
    """

    counts: Literal["rows", "episodes"]
    amount: float
    """A share of normal rows, or a number of episodes …"""
    per: float = 1.0
    """… per so many …"""
    unit: str = "row"
    """… "row", or "second" to "year" (a month has 30 days, a year 365)."""

    def rate(self, period: float | None) -> float:
        """Rows to flag per normal row, or episodes per normal row.

        Parameters
        ----------
        period
            Sampling period in seconds; `None` for rows without a clock.

        Raises
        ------
        ParameterError
            If the budget speaks of time and there is no clock, or allows more than one episode in ten rows.
        """
        if self.unit == "row":
            return self.amount / self.per
        if period is None:
            raise ParameterError(
                f"the budget of false alarms (={str(self)!r}) speaks of time, but the rows have no clock; pass "
                'timestamps, or count rows, such as "1 per 10000 rows"'
            )
        rate = self.amount * period / (self.per * _SECONDS[self.unit])
        if rate > _MOST_EPISODES:
            raise ParameterError(
                f"the budget of false alarms (={str(self)!r}) comes to {rate:.3g} alarms a row (a row every "
                f"{period:g} s); it must stay below {_MOST_EPISODES:g}"
            )
        return rate

    def __str__(self) -> str:
        if self.counts == "rows":
            return f"{100 * self.amount:.12g}%"
        per = "" if self.per == 1 else f"{self.per:.12g} "
        plural = "s" if self.per != 1 else ""
        return f"{self.amount:.12g} per {per}{self.unit}{plural}"


def parse_budget(words: object) -> Budget:
    """Read a budget.

    Parameters
    ----------
    words
        A number between 0 and 1 or a percentage: the share of normal rows that may be flagged. Or a count of alarms
        "per", "/", "a", "every" or "in" some rows, seconds, minutes, hours, days, weeks, months or years.

    Raises
    ------
    ParameterError
        If it cannot be read, or allows no or more than one false alarm in ten rows.

    Examples
    --------
    >>> parse_budget("0.1%").rate(None)
    0.001
    >>> parse_budget("2 per 10000 rows")
    Budget(counts='episodes', amount=2.0, per=10000.0, unit='row')
    >>> str(parse_budget("1/week"))
    '1 per week'
    """
    if isinstance(words, Budget):
        return words
    if isinstance(words, int | float) and not isinstance(words, bool):
        return _share(float(words), words)
    text = words.strip() if isinstance(words, str) else ""
    if found := _SHARE.fullmatch(text):
        return _share(_number(found[1]) / (100 if found[2] else 1), words)
    found = _COUNT.fullmatch(text)
    if not found:
        raise _unreadable(words)
    budget = Budget("episodes", _number(found[1]), _number(found[2] or "1"), found[3].lower())
    positive = budget.amount > 0 and budget.per > 0 and math.isfinite(budget.amount / budget.per)
    if not positive or (budget.unit == "row" and budget.amount / budget.per > _MOST_EPISODES):
        raise _unreadable(words)
    return budget


def _share(share: float, words: object) -> Budget:
    if not 0 < share < 1:
        raise _unreadable(words)
    return Budget("rows", share)


def _number(text: str) -> float:
    return float(text.replace(",", "."))


def _unreadable(words: object) -> ParameterError:
    return ParameterError(
        f'`false_alarm_rate` (={words!r}) must lie between 0 and 1, such as 0.001 or "0.1%" of the rows, or count '
        'alarms by hours, days, weeks, months, years or rows, such as "1/week" or "2 per 10000 rows" (at most one in '
        "ten rows)"
    )
