"""Files that a command is about to write."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tsae.errors import ParameterError

__all__ = ["check_apart", "check_outputs", "check_scores"]


def check_outputs(outputs: Iterable[Path | None], inputs: Iterable[str | Path]) -> None:
    """Find out before the work starts whether all outputs can be written, and no input would be lost.

    Raises
    ------
    ParameterError
        If an output is also an input or another output.
    OutputError
        If one cannot be written.
    """
    from tsae.store import check_writable

    paths = [path for path in outputs if path is not None]
    check_apart(paths, inputs)
    for path in paths:
        check_writable(path)


def check_apart(outputs: Iterable[Path], inputs: Iterable[str | Path]) -> None:
    """Raise a `ParameterError` if an output is also an input or another output."""
    taken = {Path(each).resolve(): "an input" for each in inputs if each != "-"}
    for path in outputs:
        where = path.resolve()
        if where in taken:
            raise ParameterError(f"output path {str(path)!r} is also {taken[where]}; choose another path")
        taken[where] = "another output"


def check_scores(path: Path | None) -> None:
    """Raise a `ParameterError` if scores are to be written to a file of an unknown format."""
    if path is not None and path.suffix.lower() not in (".csv", ".parquet"):
        raise ParameterError(f"`--output` (={str(path)!r}) must end in .csv or .parquet")
