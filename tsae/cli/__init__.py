"""The command line: one file per command. Nothing heavy is imported before a command runs."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run `tsae` with the arguments of the process."""
    from tsae.cli.app import app

    app(prog_name="tsae")
