"""One sensor column while it is read: its numbers, and what stood there instead of numbers."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tsae.series.cells import MISSING, SWITCH_WORDS, WORD_VALUES

__all__ = ["SensorColumn"]

# Small arrays that are kept cost their pool for good; arrays of a megabyte go back to the system when let go.
_MERGE_ROWS = 2**17
_FEW_TEXTS = 3  # more than a switch has


class SensorColumn:
    """Collects a column block by block as float64, and remembers the first cell that is no number.

    Examples
    --------
    >>> column = SensorColumn("level", decimal=".", missing=())
    >>> column.add(pa.array(["1.5", None, "Bad"]))
    >>> column.n_numbers, column.n_text, column.first_text
    (1, 1, (2, 'Bad'))
    """

    def __init__(self, name: str, *, decimal: str, missing: tuple[str, ...]) -> None:
        self.name = name
        self.n_rows = 0
        self.n_numbers = 0
        self.n_text = 0
        """Cells that are neither a number nor missing; words such as "on" are among them."""
        self.first_text: tuple[int, str] | None = None
        """Row (from 0) and cell."""
        self.first_infinite: tuple[int, str] | None = None
        self.texts: set[str] = set()
        """The distinct cells of that kind, three of them at most."""
        self._words: set[str] = set()
        self._n_words = 0
        self._blocks: list[NDArray[np.float64]] = []
        self._chunks: list[NDArray[np.float64]] = []
        self._decimal = decimal
        self._missing = MISSING | set(missing)

    @property
    def is_switch(self) -> bool:
        """Whether all there is are the two words of one pair such as on/off; they are read as 1 and 0."""
        only_words = self.n_numbers == 0 and 0 < self._n_words == self.n_text
        return only_words and any(self._words <= pair.keys() for pair in SWITCH_WORDS)

    def add(self, cells: Any) -> None:
        """Take the next block, a pyarrow array of text or numbers."""
        values = self._cast(cells)
        if values is None:
            values = self._read_each(cells)
        else:
            self.n_numbers += int(np.count_nonzero(~np.isnan(values)))
        infinite = np.isinf(values)
        if infinite.any() and self.first_infinite is None:
            row = int(np.flatnonzero(infinite)[0])
            self.first_infinite = self.n_rows + row, str(cells[row].as_py())
        self.n_rows += len(values)
        self._chunks.append(values)
        if sum(map(len, self._chunks)) >= _MERGE_ROWS:
            self._blocks.append(np.concatenate(self._chunks))
            self._chunks = []

    def values(self) -> NDArray[np.float64]:
        """All rows so far, shape `(n_rows,)`; NaN where a cell is missing or text."""
        values = np.empty(self.n_rows)
        self.move_into(values)
        self._blocks = [values]
        return values

    def move_into(self, values: NDArray[np.float64]) -> None:
        """Write all rows to `values` `(n_rows,)` and let go of them here."""
        np.concatenate([*self._blocks, *self._chunks], out=values)
        self._blocks, self._chunks = [], []

    def _cast(self, cells: Any) -> NDArray[np.float64] | None:
        """Read a block in which all is well; `None` if some cell is no number."""
        if pa.types.is_temporal(cells.type) or pa.types.is_nested(cells.type):
            return None
        try:
            if self._is_text(cells) and self._decimal == ",":
                # A point is no part of a number here, unless it separates thousands, and then it is unclear.
                cells = pc.replace_substring(pc.replace_substring(cells, ".", "?"), ",", ".")
            numbers = cells.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return None
        return cast("NDArray[np.float64]", numbers)

    @staticmethod
    def _is_text(cells: Any) -> bool:
        return bool(pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type))

    def _read_each(self, cells: Any) -> NDArray[np.float64]:
        present: list[str | None] = []
        for cell in cells.to_pylist():
            text = "" if cell is None else str(cell).strip()
            present.append(None if text in self._missing else text)
        points = [cell and self._with_point(cell) for cell in present]
        values = pd.to_numeric(pd.Series(points, dtype=object), errors="coerce").to_numpy(np.float64, copy=True)
        self.n_numbers += int(np.count_nonzero(~np.isnan(values)))
        other = [row for row in np.flatnonzero(np.isnan(values)) if present[row] is not None]
        for row in other:
            word = str(present[row]).lower()
            if word in WORD_VALUES:
                values[row] = WORD_VALUES[word]
                self._words.add(word)
                self._n_words += 1
            if len(self.texts) < _FEW_TEXTS:
                self.texts.add(str(present[row]))
        if other and self.first_text is None:
            self.first_text = self.n_rows + int(other[0]), str(present[other[0]])
        self.n_text += len(other)
        return values

    def _with_point(self, cell: str) -> str:
        return cell.replace(".", "?").replace(",", ".") if self._decimal == "," else cell
