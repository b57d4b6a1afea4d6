"""The cells of a text table (a number, a time, a switch word, missing, or other text), and its header with units."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from tsae.errors import DataError

__all__ = [
    "MISSING",
    "SEPARATORS",
    "SWITCH_WORDS",
    "WORD_VALUES",
    "CellKind",
    "cell_kind",
    "reads_as_number",
    "split_units",
]

CellKind = Literal["number", "time", "word", "missing", "text"]

MISSING: frozenset[str] = frozenset(
    spelling
    for word in ("na", "nan", "null", "none", "n/a", "#n/a", "#na", "<na>", "nat")
    for spelling in (word, word.upper(), word.capitalize())
) | {"", "-", "--", "NaN", "NaT", "-nan", "-NaN", "#NV"}
"""Spellings of a missing value; what a system writes on a fault ("Bad", "#REF!") is not among them."""

SWITCH_WORDS: tuple[dict[str, float], ...] = (
    {"true": 1.0, "false": 0.0},
    {"on": 1.0, "off": 0.0},
    {"yes": 1.0, "no": 0.0},
    {"wahr": 1.0, "falsch": 0.0},
    {"ein": 1.0, "aus": 0.0},
    {"an": 1.0, "aus": 0.0},
    {"ja": 1.0, "nein": 0.0},
    {"vrai": 1.0, "faux": 0.0},
    {"oui": 1.0, "non": 0.0},
)
"""Pairs of words that stand for 1 and 0, in lower case, in languages that write decimal commas, too."""

WORD_VALUES: dict[str, float] = {word: value for pair in SWITCH_WORDS for word, value in pair.items()}
"""1 or 0 by word, for the words of all pairs."""

SEPARATORS = (",", ";", "\t", "|")
"""Characters that may stand between the cells of a text table, the usual ones first."""

_NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?", re.IGNORECASE)
_CLOCK = (
    r"(?:(?:T\d{2}(?:\d{2}){0,2}|(?:T| +|, ?)\d{1,2}(?::\d{2}){1,2})(?:[.,]\d{1,9})?"
    r"\s*(?:[AaPp][Mm])?\s*(?:[Zz]|[+-]\d{2}(?::?\d{2})?)?)?"
)
_TIME = re.compile(
    rf"(?:\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}{_CLOCK}"  # 2026-11-24T10:00
    rf"|\d{{8}}{_CLOCK}"  # 20261124T1000
    rf"|\d{{1,2}}[./-]\d{{1,2}}[./-](?:\d{{4}}|\d{{2}}){_CLOCK}"  # 24.11.2026 10:00
    rf"|\d{{1,2}}[-/ ][A-Za-z]{{3}}[-/ ](?:\d{{4}}|\d{{2}}){_CLOCK}"  # 24-Nov-2026 10:00
    r"|\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?)"  # 10:00:00
)

_IN_BRACKETS = re.compile(r"(?P<name>.*\S)\s*\[(?P<unit>[^\[\]]*)\]")
_IN_PARENTHESES = re.compile(r"(?P<name>.*\S)\s*\((?P<unit>[^()]*)\)")
_PREFIX = "(?:da|[yzafpnuµμmcdhkMGTP])?"
_ATOM = (
    "%|‰|ppm|ppb|°|°C|°F|degC|degF|deg|rpm|bara|barg|Pa|bar|psi|mmHg|Wh|W|VA|var|VAr|V|A|Ω|Ohm|ohm|Hz|"
    "Nm|N|J|K|C|F|L|l|gal|mol|g|lb|oz|m|ft|mi|lm|lx|cd|rad|S|T|B|b|pH|min|h|hr|d|s|sec|kn|mph|RH|NTU|t"
)
_POWER = r"(?:\^?-?\d|[²³])?"
_UNIT = re.compile(rf"(?:1\s*/\s*)?{_PREFIX}(?:{_ATOM}){_POWER}(?:\s*[/*·. ]\s*{_PREFIX}(?:{_ATOM}){_POWER})*")


def reads_as_number(cell: str) -> bool:
    """Whether a stripped cell reads as a number, with a decimal point or a decimal comma."""
    return _NUMBER.fullmatch(cell) is not None


def cell_kind(cell: str) -> CellKind:
    """Tell what a cell looks like.

    Examples
    --------
    >>> [cell_kind(cell) for cell in ("1,5", "24.11.2026 10:00", "ON", "n/a", "Bad")]
    ['number', 'time', 'word', 'missing', 'text']
    """
    cell = cell.strip()
    if cell in MISSING:
        return "missing"
    if _NUMBER.fullmatch(cell):
        return "number"
    if cell.lower() in WORD_VALUES:
        return "word"
    return "time" if _TIME.fullmatch(cell) else "text"


def split_units(headers: Sequence[str]) -> tuple[list[str], dict[int, str]]:
    """Take the units out of headers such as `name [unit]` and `name (unit)`.

    What stands in brackets is a unit by custom; what stands in parentheses only if it is built from the usual unit
    symbols ("m³/h", "°C", "% RH", "mm/s^2"), since "pressure (inlet)" is a name. Where names would become equal without
    their units, they stay whole.

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
    places: dict[str, list[int]] = {}
    for position, header in enumerate(whole, start=1):
        places.setdefault(header, []).append(position)
    twice = {header: where for header, where in places.items() if header and len(where) > 1}
    if twice:
        named = "; ".join(f"{header!r} in columns {', '.join(map(str, where))}" for header, where in twice.items())
        raise DataError(f"column names must be unique, but the header repeats {named}; rename them")
    split = []
    for header in whole:
        match = _IN_BRACKETS.fullmatch(header) or _IN_PARENTHESES.fullmatch(header)
        if match and (header.endswith("]") or _UNIT.fullmatch(match["unit"].strip())):
            split.append((match["name"], match["unit"].strip()))
        else:
            split.append((header, ""))
    uses = Counter(name for name, _ in split)
    names: list[str] = []
    units: dict[int, str] = {}
    for position, (header, (name, unit)) in enumerate(zip(whole, split, strict=True)):
        clashes = uses[name] > 1
        names.append(header if clashes else name)
        if unit not in ("", "-") and not (clashes and header.endswith(")")):  # "pump (A)", "pump (B)"
            units[position] = unit
    return (names, units) if len(set(names)) == len(set(whole)) else (whole, units)
