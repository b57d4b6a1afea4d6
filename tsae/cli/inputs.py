"""Tables and exclusions as the commands take them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tsae.cli.console import progress
from tsae.cli.options import Reading

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tsae.series.reading import SensorTable

__all__ = ["exclusion_masks", "read_input"]


def read_input(source: str, reading: Reading) -> SensorTable:
    """Read a table, and say what the reader had to work out."""
    from tsae.series.reading import read_table

    table = read_table(source, reading.read_options())
    for note in table.notes:
        progress(note)
    return table


def exclusion_masks(path: Path | None, table: SensorTable, reading: Reading) -> Mapping[str, NDArray[np.bool_] | None]:
    """Rows to leave out, by entity; `None` without a file of exclusions."""
    if path is None:
        return dict.fromkeys(table.frames)
    from tsae.series.exclusions import read_exclusions

    exclusions = read_exclusions(path, time_zone=reading.time_zone)
    masks = {entity: exclusions.mask(frame.index) for entity, frame in table.frames.items()}
    n_excluded = sum(int(mask.sum()) for mask in masks.values())
    progress(f"{n_excluded:,} of {table.n_rows:,} rows are excluded by {path}")
    return masks
