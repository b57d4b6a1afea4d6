"""Folders of pictures as the commands take them, and options that do not go with them."""

from __future__ import annotations

import re
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from tsae.errors import ParameterError

__all__ = ["folder_name", "is_folder", "option_name", "parse_size", "refuse_options", "stated_options"]


def is_folder(source: str) -> bool:
    """Whether a command is given a folder and not a table."""
    return source != "-" and Path(source).is_dir()


def folder_name(folder: str) -> str:
    """Name to call results after; that of the current folder for "."."""
    return Path(folder).resolve().name or "pictures"


def parse_size(text: str | None) -> tuple[int, int] | None:
    """Height and width of a size as it is written.

    >>> parse_size("64x48"), parse_size(None)
    ((64, 48), None)
    """
    if text is None:
        return None
    sides = re.fullmatch(r"\s*(\d+)\s*[xX×]\s*(\d+)\s*", text)
    if sides is None or not all(map(int, sides.groups())):
        raise ParameterError(f"`--size` (={text!r}) must be height x width in pixels, such as 64x48")
    return int(sides[1]), int(sides[2])


def stated_options(group: Any) -> list[str]:
    """Names of a group's options that differ from their defaults, as they are typed."""
    return [
        option_name(field.name)
        for field in fields(group)
        if field.default is not MISSING and getattr(group, field.name) not in (field.default, [])
    ]


def option_name(parameter: str) -> str:
    """How a parameter is typed: `window_size` → `--window-size`."""
    return f"--{parameter.replace('_', '-')}"


def refuse_options(source: str, names: list[str]) -> None:
    """Say that options for one kind of source were stated for the other."""
    if not names:
        return
    kind, other = ("a folder of pictures", "tables") if is_folder(source) else ("a table", "folders of pictures")
    listed = ", ".join(f"`{name}`" for name in names)
    verb = "is" if len(names) == 1 else "are"
    raise ParameterError(f"{listed} {verb} for {other}, and {source!r} is {kind}; leave {listed} out")
