"""Column names and the units written in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from tsae.errors import DataError

__all__ = ["is_unit", "refuse_duplicates", "split_units"]

_IN_BRACKETS = re.compile(r"(?P<name>.*\S)\s*\[(?P<unit>[^\[\]]*)\]")
_IN_PARENTHESES = re.compile(r"(?P<name>.*\S)\s*\((?P<unit>[^()]*)\)")
_PREFIX = "(?:da|[yzafpnuµμmcdhkMGTP])?"
_ATOM = (
    "%|‰|ppm|ppb|°|°C|°F|degC|degF|deg|rpm|bara|barg|Pa|bar|psi|mmHg|Wh|W|VA|var|VAr|V|A|Ω|Ohm|ohm|Hz|"
    "Nm|N|J|K|C|F|L|l|gal|mol|g|lb|oz|m|ft|mi|lm|lx|cd|rad|S|T|B|b|pH|min|h|hr|d|s|sec|kn|mph|RH|NTU|t"
)
_POWER = r"(?:\^?-?\d|[²³])?"
_UNIT = re.compile(rf"(?:1\s*/\s*)?{_PREFIX}(?:{_ATOM}){_POWER}(?:\s*[/*·. ]\s*{_PREFIX}(?:{_ATOM}){_POWER})*")


def is_unit(text: str) -> bool:
    """Whether a text is built from the usual unit symbols, as in "m³/h", "°C", "kWh", "mm/s^2".

    Examples
    --------
    >>> [is_unit(text) for text in ("l/min", "% RH", "inlet", "2")]
    [True, True, False, False]
    """
    return _UNIT.fullmatch(text.strip()) is not None


def split_units(headers: Sequence[str]) -> tuple[list[str], dict[int, str]]:
    """Take the units out of headers such as `name [unit]` and `name (unit)`.

    What stands in brackets is a unit by custom; what stands in parentheses only if it looks like one, since
    "pressure (inlet)" is a name. Where names would become equal without their units, they stay whole.

    Raises
    ------
    DataError
        If a header occurs twice.

    Returns
    -------
    names : list of str
        One per header.
    units : dict
        Unit by position in `headers`.

    Examples
    --------
    >>> split_units(["flow [l/s]", "pressure (inlet)", "T (°C)"])
    (['flow', 'pressure (inlet)', 'T'], {0: 'l/s', 2: '°C'})
    """
    whole = [" ".join(header.split()) for header in headers]
    refuse_duplicates(whole)
    split = [_split(header) for header in whole]
    uses = Counter(name for name, _ in split)
    names: list[str] = []
    units: dict[int, str] = {}
    for position, (header, (name, unit)) in enumerate(zip(whole, split, strict=True)):
        clashes = uses[name] > 1
        names.append(header if clashes else name)
        if unit not in ("", "-") and not (clashes and header.endswith(")")):  # "pump (A)", "pump (B)"
            units[position] = unit
    return (names, units) if len(set(names)) == len(set(whole)) else (whole, units)


def _split(header: str) -> tuple[str, str]:
    match = _IN_BRACKETS.fullmatch(header)
    if match is None:
        match = _IN_PARENTHESES.fullmatch(header)
        if match is None or not is_unit(match["unit"]):
            return header, ""
    return match["name"], match["unit"].strip()


def refuse_duplicates(headers: Sequence[str]) -> None:
    """Raise a `DataError` that names the headers which occur more than once."""
    places: dict[str, list[int]] = {}
    for position, header in enumerate(headers, start=1):
        places.setdefault(header, []).append(position)
    twice = {header: where for header, where in places.items() if header and len(where) > 1}
    if twice:
        named = "; ".join(f"{header!r} in columns {', '.join(map(str, where))}" for header, where in twice.items())
        raise DataError(f"column names must be unique, but the header repeats {named}; rename them")
