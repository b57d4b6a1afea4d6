"""How to read a sensor table: everything that reading works out by itself and a caller can state instead."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Any, Literal, get_args

from tsae.errors import ParameterError

__all__ = ["Decimal", "OnText", "ReadOptions"]

Decimal = Literal[".", ","]
OnText = Literal["drop", "error"]


@dataclass(frozen=True)
class ReadOptions:
    """What to take as given when reading; `None` is worked out from the file.

    Columns are named as in the header, with or without the unit (`"flow [l/s]"` or `"flow"`).

    Examples
    --------
    >>> ReadOptions(separator=";", decimal=",", timestamp="Zeit", timestamp_format="%d.%m.%Y %H:%M").decimal
    ','
    """

    separator: str | None = None
    """One character between cells."""
    decimal: Decimal | None = None
    """Decimal sign of numbers that are text."""
    encoding: str | None = None
    """Text encoding, a superset of ASCII such as "utf-8" or "cp1252"."""
    header: bool | None = None
    """Whether the first line names the columns."""
    units_row: bool | None = None
    """Whether the line below the header holds units."""
    timestamp: str | Literal[False] | None = None
    """Column of the time; `False` if there is none: the rows are then numbered."""
    timestamp_format: str | None = None
    """"iso", "s", "ms", "us", "ns" (since 1970, UTC), or a `strptime` pattern such as "%d/%m/%Y %H:%M"."""
    time_zone: str | None = None
    """Zone of times that carry none, such as "Europe/Berlin"; they become UTC."""
    entity: str | None = None
    """Column that tells the machines of a fleet apart."""
    label: str | None = None
    """Column of known labels, kept apart from the sensors."""
    columns: tuple[str, ...] | None = None
    """The only sensors to keep; each must be readable."""
    drop: tuple[str, ...] = ()
    """Columns to leave out."""
    missing: tuple[str, ...] = ()
    """Further spellings of a missing value, such as "Bad"."""
    on_text: OnText | None = None
    """Sensors with text in them: "drop" leaves all of them out, "error" refuses all of them.

    By default a column without any number is left out with a note, and one where text stands among numbers
    is an error.
    """

    def __post_init__(self) -> None:
        if self.separator is not None and len(self.separator) != 1:
            raise ParameterError(f"`separator` (={self.separator!r}) must be one character, such as ';'")
        if self.decimal is not None and self.decimal == self.separator == ".":
            raise ParameterError("`decimal` and `separator` are both '.'; state what stands between cells")
        for name, choices in (("decimal", get_args(Decimal)), ("on_text", get_args(OnText))):
            if getattr(self, name) not in (None, *choices):
                listed = " or ".join(map(repr, choices))
                raise ParameterError(f"`{name}` (={getattr(self, name)!r}) must be {listed}")
        for name, look_up, example in (("encoding", codecs.lookup, "cp1252"), ("time_zone", _zone, "Europe/Berlin")):
            value = getattr(self, name)
            try:
                if value is not None:
                    look_up(value)
            except (LookupError, ValueError, OSError) as error:
                raise ParameterError(f"`{name}` (={value!r}) is unknown; state one such as {example!r}") from error
        for name in ("columns", "drop", "missing"):
            value = getattr(self, name)
            if isinstance(value, str):
                raise ParameterError(f"`{name}` (={value!r}) must be a tuple of strings; write ({value!r},)")


def _zone(name: str) -> Any:
    from zoneinfo import ZoneInfo  # slow to load, and the options are loaded for every help page

    return ZoneInfo(name)
