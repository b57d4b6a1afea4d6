"""The results file: a CSV that grows by a line when a result is there, and can be taken up after any interruption."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from tsae.errors import DataError, OutputError

__all__ = ["COLUMNS", "KEY", "ResultsFile"]

KEY = ("family", "series", "model", "seed")
"""What a result is known by."""
_TEXT = ("family", "series", "model", "status", "checked", "error")
COLUMNS = (
    *KEY,
    "status",
    "n_train",
    "n_test",
    "n_channels",
    "anomaly_ratio",
    "vus_pr",
    "vus_roc",
    "auc_pr",
    "auc_roc",
    "flagged_normal",
    "event_recall",
    "fit_seconds",
    "score_seconds",
    "checked",
    "error",
)
"""In the order of the file. Figures that do not apply are empty."""


class ResultsFile:
    """Results on disk. A last line without its end was being written when the power went: it does not count."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_mended = False

    def read(self) -> pd.DataFrame:
        """All results, the latest one of each key.

        Raises
        ------
        DataError
            If the file is not a results file.
        """
        content = self._whole_lines()
        header = content.split(b"\n", 1)[0].decode(errors="replace").split(",")
        if content and tuple(header) != COLUMNS:
            raise DataError(f"{self._path} is not a results file of this version; name another file")
        table = pd.read_csv(
            io.BytesIO(content or ",".join(COLUMNS).encode()),
            dtype=dict.fromkeys(_TEXT, "str"),
            keep_default_na=False,
            na_values={name: [""] for name in COLUMNS if name not in _TEXT},
        )
        return table.drop_duplicates([*KEY], keep="last", ignore_index=True)

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add results and see them onto the disk.

        Raises
        ------
        OutputError
            If they cannot be written.
        """
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        try:
            if not self._is_mended:
                self._mend()
            writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
            self._write(text.getvalue())
        except OSError as error:
            raise OutputError(f"cannot write {str(self._path)!r}: {error.strerror}; choose another path") from error

    def _mend(self) -> None:
        """Leave whole lines only, and at least the header."""
        length = len(self._whole_lines())
        with self._path.open("ab") as file:
            file.truncate(length)
        if not length:
            self._write(",".join(COLUMNS) + "\n")
        self._is_mended = True

    def _write(self, text: str) -> None:
        with self._path.open("ab") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())

    def _whole_lines(self) -> bytes:
        if not self._path.exists():
            return b""
        content = self._path.read_bytes()
        return content[: content.rfind(b"\n") + 1]


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return " ".join(value.split())
    return "" if value != value else value  # NaN is no figure
