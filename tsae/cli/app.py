"""`tsae`: the commands together, with `--debug`, errors in one line, and notices.

Nothing heavy is imported before a command runs.
"""

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

from tsae.cli.annotate import annotate
from tsae.cli.bench import bench
from tsae.cli.check import check
from tsae.cli.console import ExitCode, error, exit_code_of, notice
from tsae.cli.demo import demo
from tsae.cli.export import export
from tsae.cli.fit import fit
from tsae.cli.inspect import inspect
from tsae.cli.recalibrate import recalibrate
from tsae.cli.score import score
from tsae.cli.watch import watch
from tsae.errors import TsaeError

__all__ = ["app"]

_DEBUG = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
_EXIT_CODES = (
    "Exit codes: 0 done · 1 failed · 2 wrong usage · 3 bad data · 4 bad model file · 5 cannot write · "
    "10 events found, with --fail-on-events · 130 interrupted"
)

app = typer.Typer(
    help="Find anomalies in sensor tables: learn what is normal, then tell when, how bad, and which sensors.",
    epilog=_EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


class _Command(TyperCommand):
    """A command whose help may name the threshold learners, which are only known once NumPy is loaded."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        for option in self.params:
            text = getattr(option, "help", None) or ""
            if "{learners}" in text:
                from tsae.alarms.thresholds import METHODS

                option.help = text.replace("{learners}", ", ".join(METHODS))  # type: ignore[attr-defined]
        super().format_help(ctx, formatter)


def _command(function: Callable[..., None]) -> Callable[..., None]:
    """Return a function as a command for typer.

    A parameter whose annotation is a dataclass becomes one option per field, and the function receives the dataclass.
    """
    groups: dict[str, Any] = {}
    parameters: list[Parameter] = []
    for parameter in signature(function, eval_str=True).parameters.values():
        if is_dataclass(parameter.annotation):
            groups[parameter.name] = parameter.annotation
            parameters += _options_of_group(parameter.annotation)
        else:
            parameters.append(parameter.replace(kind=Parameter.KEYWORD_ONLY))
    names = _option_names(parameters)

    @wraps(function)
    def run(*, debug: bool, **values: Any) -> None:
        try:
            with _notices():
                for name, group in groups.items():
                    values[name] = group(**{field.name: values.pop(field.name) for field in fields(group)})
                function(**values)
        except (TsaeError, ValueError) as problem:
            if debug:
                raise
            error(_in_options(str(problem), names))
            raise typer.Exit(exit_code_of(problem)) from problem
        except KeyboardInterrupt as interrupt:
            if debug:
                raise
            error("interrupted; every file is complete, old or new")
            raise typer.Exit(ExitCode.INTERRUPTED) from interrupt

    parameters.append(Parameter("debug", Parameter.KEYWORD_ONLY, default=False, annotation=_DEBUG))
    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    # The help would keep the line ends of the docstring, which are made for the source and not for the terminal.
    run.__doc__ = "\n\n".join(" ".join(part.split()) for part in (function.__doc__ or "").split("\n\n"))
    return run


def _options_of_group(group: Any) -> list[Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        Parameter(
            field.name,
            Parameter.KEYWORD_ONLY,
            default=Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(group)
    ]


def _option_names(parameters: Iterable[Parameter]) -> dict[str, str]:
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


def _in_options(message: str, options: Mapping[str, str]) -> str:
    """Name the options of a command in place of the parameters in a message.

    >>> _in_options("`window_size` (=2) must be at least 4", {"window_size": "--window-size"})
    '`--window-size` (=2) must be at least 4'
    """
    for parameter, option in options.items():
        message = message.replace(f"`{parameter}`", f"`{option}`")
    return message


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


for function in (demo, check, fit, score, annotate, recalibrate, watch, export, inspect, bench):
    app.command(cls=_Command)(_command(function))


def _show_version(value: bool) -> None:
    if value:
        from tsae import __version__

        typer.echo(f"tsae {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass
