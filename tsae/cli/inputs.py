"""Tables, exclusions and models as the commands take them, and checks of the paths that they are given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tsae.cli.console import progress
from tsae.cli.options import Reading
from tsae.errors import ParameterError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tsae.alarms import AnnotationKind
    from tsae.alarms.annotations import Annotations
    from tsae.detection.detector import AnomalyDetector
    from tsae.detection.images.detector import ImageAnomalyDetector
    from tsae.detection.labels.annotated import AnnotatedRows
    from tsae.series.exclusions import Exclusions
    from tsae.series.reading import SensorTable

__all__ = [
    "annotated",
    "check_apart",
    "check_outputs",
    "exclusion_files",
    "exclusion_masks",
    "exclusions_of",
    "folder_name",
    "image_detector",
    "is_folder",
    "open_annotations",
    "read_input",
    "refuse_options",
    "table_detector",
]

_OF_PICTURES = "ImageAnomalyDetector"


def read_input(source: str, reading: Reading) -> SensorTable:
    """Read a table, and say what the reader had to work out."""
    from tsae.series.reading import read_table

    table = read_table(source, reading.read_options())
    for note in table.notes:
        progress(note)
    return table


def exclusion_files(exclude: Iterable[str] | None) -> list[str]:
    """Return the files among the values of `--exclude`; the others are recurring times."""
    if not exclude:
        return []
    from tsae.series.schedules import looks_like_schedule  # loads pandas, which a stream does without

    return [value for value in exclude if not looks_like_schedule(value)]


def exclusions_of(exclude: Sequence[str], *, time_zone: str | None = None) -> Exclusions:
    """Return what the values of `--exclude` leave out; `time_zone` is that of times without one."""
    from tsae.series.exclusions import Exclusions, read_exclusions

    files = exclusion_files(exclude)
    found = Exclusions.recurring(*(value for value in exclude if value not in files), time_zone=time_zone)
    for file in files:
        found |= read_exclusions(file, time_zone=time_zone)
    return found


def exclusion_masks(exclude: Sequence[str], table: SensorTable, reading: Reading) -> dict[str, NDArray[np.bool_]]:
    """Return which rows the values of `--exclude` leave out, by entity."""
    exclusions = exclusions_of(exclude, time_zone=reading.time_zone)
    masks = {entity: exclusions.mask(frame.index) for entity, frame in table.frames.items()}
    n_excluded = sum(int(mask.sum()) for mask in masks.values())
    progress(f"{n_excluded:,} of {table.n_rows:,} rows are excluded by {', '.join(exclude)}")
    return masks


def open_annotations(path: Path | None) -> Annotations | None:
    """Open a file of annotations, which must be there; `None` without a path."""
    from tsae.alarms.annotations import Annotations

    return None if path is None else Annotations.existing(path)


def annotated(notes: Annotations, table: SensorTable, effects: Mapping[str, Sequence[AnnotationKind]]) -> AnnotatedRows:
    """Find the rows that annotations speak of, and say for each effect how many rows and intervals have it.

    `effects` names what becomes of rows, such as "leave training", and the kinds of annotations that do it.
    """
    from tsae.detection.labels.annotated import annotated_rows

    found = annotated_rows(notes, [frame.index for frame in table.frames.values()], list(table.frames))
    for effect, kinds in effects.items():
        counts = {kind: found.counts(kind) for kind in kinds}
        parts = [f"{kind} {rows:,} in {n} interval{'s' if n > 1 else ''}" for kind, (rows, n) in counts.items() if n]
        n_rows = sum(rows for rows, _ in counts.values())
        listed = f": {', '.join(parts)}" if parts else ""
        progress(f"{n_rows:,} of {table.n_rows:,} rows {effect} by {notes.path}{listed}")
    if found.n_returned:
        progress(f"{found.n_returned:,} of the normal rows had been left out by an earlier annotation")
    return found


def table_detector(path: Path) -> AnomalyDetector:
    """Load a model of tables; refuse one of pictures by name."""
    from tsae.detection.loading import load
    from tsae.store import read_manifest

    if read_manifest(path).get("kind") == _OF_PICTURES:
        raise ParameterError(
            f"model {str(path)!r} was fitted on images and cannot score tables; score a folder of pictures with it, or "
            "fit a model on a table"
        )
    return cast("AnomalyDetector", load(path))


def image_detector(path: Path) -> ImageAnomalyDetector:
    """Load a model of pictures; refuse one of tables by name."""
    from tsae.detection.loading import load
    from tsae.store import read_manifest

    if read_manifest(path).get("kind") != _OF_PICTURES:
        raise ParameterError(
            f"model {str(path)!r} was fitted on tables and cannot score images; score a table with it, or "
            "fit a model on pictures, such as with `tsae fit FOLDER`"
        )
    return cast("ImageAnomalyDetector", load(path))


def is_folder(source: str) -> bool:
    """Return whether a command is given a folder and not a table."""
    return source != "-" and Path(source).is_dir()


def folder_name(folder: str) -> str:
    """Return the name to call results after; that of the current folder for "."."""
    return Path(folder).resolve().name or "pictures"


def refuse_options(source: str, names: Iterable[str]) -> None:
    """Refuse options for one kind of source that were stated for the other; nothing is refused without names."""
    listed = ", ".join(f"`{name}`" for name in names)
    if listed:
        kind, other = ("a folder of pictures", "tables") if is_folder(source) else ("a table", "folders of pictures")
        verb = "are" if "," in listed else "is"
        raise ParameterError(f"{listed} {verb} for {other}, and {source!r} is {kind}; leave {listed} out")


def check_outputs(outputs: Iterable[Path | None], inputs: Iterable[str | Path | None]) -> None:
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


def check_apart(outputs: Iterable[Path], inputs: Iterable[str | Path | None]) -> None:
    """Raise a `ParameterError` if an output is also an input or another output."""
    taken = {Path(each).resolve(): "an input" for each in inputs if each not in (None, "-")}
    for path in outputs:
        where = path.resolve()
        if where in taken:
            raise ParameterError(f"output path {str(path)!r} is also {taken[where]}; choose another path")
        taken[where] = "another output"
