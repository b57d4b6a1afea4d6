"""What a single cell of a text table is: a number, a time, a switch word, missing, or some other text."""

from __future__ import annotations

import re
from typing import Literal

__all__ = ["MISSING", "SEPARATORS", "SWITCH_WORDS", "WORD_VALUES", "CellKind", "cell_kind", "reads_as_number"]

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
    if reads_as_number(cell):
        return "number"
    if cell.lower() in WORD_VALUES:
        return "word"
    return "time" if _TIME.fullmatch(cell) else "text"
