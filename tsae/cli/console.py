"""What a person sees: results on standard output, progress, notices and errors on standard error."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

__all__ = ["error", "notice", "notices", "progress", "results"]

_PIPED_WIDTH = 140  # wide enough that no cell of a table is broken in a log


def results() -> Console:
    """Where results go."""
    return _console(stderr=False)


def progress(text: str) -> None:
    """Say what is being done."""
    _say(text, "dim")


def notice(text: str) -> None:
    """Say what the user should know, though the work goes on."""
    _say(f"note: {text}", "yellow")


def notices(texts: Iterable[str]) -> None:
    """Say several such things."""
    for text in texts:
        notice(text)


def error(text: str) -> None:
    """Say why the work cannot go on."""
    _say(f"error: {text}", "bold red")


def _say(text: str, style: str) -> None:
    # One line whatever the terminal's width, so that it can be searched for.
    _console(stderr=True).print(Text(text, style=style), soft_wrap=True)


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr)
    return console if console.is_terminal else Console(stderr=stderr, width=_PIPED_WIDTH)
