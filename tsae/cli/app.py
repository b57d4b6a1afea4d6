"""`tsae`: the commands together."""

from __future__ import annotations

from typing import Annotated

import typer

from tsae.cli.bench import bench
from tsae.cli.check import check
from tsae.cli.command import Command, command
from tsae.cli.demo import demo
from tsae.cli.errors import EXIT_CODES_HELP
from tsae.cli.export import export
from tsae.cli.fit import fit
from tsae.cli.inspect import inspect
from tsae.cli.recalibrate import recalibrate
from tsae.cli.score import score
from tsae.cli.watch import watch

__all__ = ["app"]

app = typer.Typer(
    help="Find anomalies in sensor tables: learn what is normal, then tell when, how bad, and which sensors.",
    epilog=EXIT_CODES_HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for function in (demo, check, fit, score, recalibrate, watch, export, inspect, bench):
    app.command(cls=Command)(command(function))


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
