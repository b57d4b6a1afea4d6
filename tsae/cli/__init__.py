"""The command line: one file per command. Nothing heavy is imported before a command runs."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run `tsae` with the arguments of the process."""
    try:
        from tsae.cli.app import app
    except KeyboardInterrupt:
        raise SystemExit(130) from None  # nothing has begun

    app(prog_name="tsae")
