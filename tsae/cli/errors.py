"""Errors as a script sees them: an exit code, and one line on standard error."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from tsae.errors import DataError, ModelFileError, OutputError, ParameterError, TsaeError

__all__ = ["EXIT_CODES_HELP", "ExitCode", "exit_code_of", "in_options"]


class ExitCode(IntEnum):
    """Exit code of a command."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    DATA = 3
    MODEL = 4
    OUTPUT = 5
    EVENTS = 10
    INTERRUPTED = 130


EXIT_CODES_HELP = (
    "Exit codes: 0 done · 1 failed · 2 wrong usage · 3 bad data · 4 bad model file · 5 cannot write · "
    "10 events found, with --fail-on-events · 130 interrupted"
)
_CODES: tuple[tuple[type[Exception], ExitCode], ...] = (
    (ParameterError, ExitCode.USAGE),
    (DataError, ExitCode.DATA),
    (ModelFileError, ExitCode.MODEL),
    (OutputError, ExitCode.OUTPUT),
    (TsaeError, ExitCode.FAILURE),
    (ValueError, ExitCode.DATA),  # scikit-learn's, on tables
)


def exit_code_of(error: Exception) -> ExitCode:
    """Return the exit code of an error.

    >>> exit_code_of(DataError("the file is empty")).name
    'DATA'
    """
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.FAILURE)


def in_options(message: str, options: Mapping[str, str]) -> str:
    """Name the options of a command in place of the parameters in a message.

    >>> in_options("`window_size` (=2) must be at least 4", {"window_size": "--window-size"})
    '`--window-size` (=2) must be at least 4'
    """
    for parameter, option in options.items():
        message = message.replace(f"`{parameter}`", f"`{option}`")
    return message
