"""A small plant in CSV files, and the command line in this process or in one of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from typer.testing import CliRunner, Result

from tsae.cli.app import app

COMMAND = [sys.executable, "-c", "from tsae.cli import main; main()"]
"""The real command; the installed script does no more."""
QUICK = ["--window-size", "16", "--max-steps", "60"]
"""A model that is trained in no time; the plant is so regular that it finds what is coarse."""
HEADERS = ["flow [l/s]", "pressure [bar]", "temperature [degC]", "running"]
CHANNELS = ["flow", "pressure", "temperature", "running"]
FAULT = slice(60, 70)
N_LATER = 130


def plant(n_rows: int, *, seed: int = 0, start: str = "2026-11-02", freq: str = "min") -> pd.DataFrame:
    """A cycle of 24 rows in three sensors and a switch."""
    rng = np.random.default_rng(seed)
    phase = 2 * np.pi * np.arange(n_rows) / 24
    values = np.column_stack(
        [10 + np.sin(phase), 3 + 0.5 * np.cos(phase), 20 + np.sin(phase + 1), np.sin(phase) > -0.5]
    )
    values[:, :3] += rng.normal(scale=0.05, size=(n_rows, 3))
    index = pd.date_range(start, periods=n_rows, freq=freq, name="timestamp")
    return pd.DataFrame(values.round(4), index=index, columns=HEADERS)


def later() -> pd.DataFrame:
    """What comes after, with a pressure fault, missing values, a short gap and a long one."""
    frame = plant(N_LATER, seed=1, start="2026-11-24")
    frame.iloc[FAULT, 1] += 2.0
    frame.iloc[30:33, 0] = np.nan
    return frame.drop(frame.index[[45, 46, *range(95, 110)]])


def write(frame: pd.DataFrame, path: Path, **options: Any) -> str:
    frame.to_csv(path, **options)
    return str(path)


def tsae(*arguments: object, stdin: str | bytes | None = None) -> Result:
    """Run a command in this process."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def refused(code: int, *arguments: object, stdin: str | bytes | None = None) -> str:
    """Run a command that must end with this exit code; its one line of error."""
    result = tsae(*arguments, stdin=stdin)
    assert result.exit_code == code, result.output
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    return line
