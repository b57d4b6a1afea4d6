"""Parts of every command: options that come in groups, `--debug`, errors in one line, notices."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Annotated, Any, get_type_hints

import typer
from typer.core import TyperCommand
from typer.models import OptionInfo

from tsae.cli.console import error, notice
from tsae.cli.errors import ExitCode, exit_code_of, in_options
from tsae.errors import TsaeError

__all__ = ["Command", "command"]

_DEBUG = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


class Command(TyperCommand):
    """A command whose help may name the threshold learners, which are only known once NumPy is loaded."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        for option in self.params:
            text = getattr(option, "help", None) or ""
            if "{learners}" in text:
                from tsae.alarms.thresholds import METHODS

                option.help = text.replace("{learners}", ", ".join(METHODS))  # type: ignore[attr-defined]
        super().format_help(ctx, formatter)


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Return a function as a command for typer.

    A parameter whose annotation is a dataclass becomes one option per field, and the function receives the dataclass.
    """
    plain = signature(function, eval_str=True)
    groups = {name: parameter.annotation for name, parameter in plain.parameters.items() if _is_group(parameter)}

    @wraps(function)
    def run(*, debug: bool, **values: Any) -> None:
        with _reported(options, debug=debug), _notices():
            for name, group in groups.items():
                values[name] = group(**{field.name: values.pop(field.name) for field in fields(group)})
            function(**values)

    parameters = [part for parameter in plain.parameters.values() for part in _expanded(parameter)]
    options = _options(parameters)
    parameters.append(Parameter("debug", Parameter.KEYWORD_ONLY, default=False, annotation=_DEBUG))
    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    # The help would keep the line ends of the docstring, which are made for the source and not for the terminal.
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


def _options(parameters: Iterable[Parameter]) -> dict[str, str]:
    """Return the options of a command, by the parameters of the library that they set.

    A parameter of the library has the name of the command's, unless its annotation names it: a text after the option.
    """
    options: dict[str, str] = {}
    for parameter in parameters:
        about = getattr(parameter.annotation, "__metadata__", ())
        for option in about:
            if isinstance(option, OptionInfo):
                names = [option.default, *(option.param_decls or ())]  # in an annotation, the default is the first name
                stated = [name.split("/")[0] for name in names if isinstance(name, str) and name.startswith("--")]
                name = stated[0] if stated else f"--{parameter.name.replace('_', '-')}"
                options |= dict.fromkeys([parameter.name, *(text for text in about if isinstance(text, str))], name)
    return options


@contextmanager
def _reported(options: Mapping[str, str], *, debug: bool) -> Iterator[None]:
    """Report errors that a user can act on in one line, with an exit code."""
    try:
        yield
    except (TsaeError, ValueError) as problem:
        if debug:
            raise
        error(in_options(str(problem), options))
        raise typer.Exit(exit_code_of(problem)) from problem
    except KeyboardInterrupt as interrupt:
        if debug:
            raise
        error("interrupted; every file is complete, old or new")
        raise typer.Exit(ExitCode.INTERRUPTED) from interrupt


@contextmanager
def _notices() -> Iterator[None]:
    """Show each warning of the toolkit once, in one line; hide those of its libraries."""
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
