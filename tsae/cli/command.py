"""What all commands share: options that come in groups, `--debug`, errors in one line, notices."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Annotated, Any, get_type_hints

import typer

from tsae.cli.console import error, notice
from tsae.cli.errors import ExitCode, exit_code_of
from tsae.errors import TsaeError

__all__ = ["command"]

_DEBUG = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Turn a function into what typer wants.

    A parameter whose annotation is a dataclass becomes one option a field, and the function gets the dataclass.
    """
    plain = signature(function, eval_str=True)
    groups = {name: parameter.annotation for name, parameter in plain.parameters.items() if _is_group(parameter)}

    @wraps(function)
    def run(*, debug: bool, **values: Any) -> None:
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in fields(group)})
        with _reported(debug=debug), _notices():
            function(**values)

    parameters = [part for parameter in plain.parameters.values() for part in _expanded(parameter)]
    parameters.append(Parameter("debug", Parameter.KEYWORD_ONLY, default=False, annotation=_DEBUG))
    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    # The help keeps the line ends of a docstring, which are those of the source and not of the terminal.
    run.__doc__ = "\n\n".join(" ".join(part.split()) for part in (function.__doc__ or "").split("\n\n"))
    return run


def _is_group(parameter: Parameter) -> bool:
    return isinstance(parameter.annotation, type) and is_dataclass(parameter.annotation)


def _expanded(parameter: Parameter) -> list[Parameter]:
    if not _is_group(parameter):
        return [parameter.replace(kind=Parameter.KEYWORD_ONLY)]
    hints = get_type_hints(parameter.annotation, include_extras=True)
    return [
        Parameter(
            field.name,
            Parameter.KEYWORD_ONLY,
            default=Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(parameter.annotation)
    ]


@contextmanager
def _reported(*, debug: bool) -> Iterator[None]:
    """Turn errors that a user can do something about into one line and an exit code."""
    try:
        yield
    except (TsaeError, ValueError) as problem:
        if debug:
            raise
        error(str(problem))
        raise typer.Exit(exit_code_of(problem)) from problem
    except KeyboardInterrupt as interrupt:
        if debug:
            raise
        error("interrupted; what was there before is as it was")
        raise typer.Exit(ExitCode.INTERRUPTED) from interrupt


@contextmanager
def _notices() -> Iterator[None]:
    """Show what the toolkit warns of as one line, once; what its libraries warn of is not for the user."""
    shown: set[str] = set()

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        if str(message) not in shown:
            shown.add(str(message))
            notice(str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("always", category=UserWarning)
        warnings.showwarning = show
        yield
