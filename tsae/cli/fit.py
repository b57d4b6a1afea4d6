"""`tsae fit`: learn what is normal from a table, or from a folder of pictures."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tsae.alarms import AnnotationKind
from tsae.cli.console import notice, print_facts, progress
from tsae.cli.inputs import (
    annotated,
    check_outputs,
    exclusion_files,
    exclusion_masks,
    folder_name,
    is_folder,
    open_annotations,
    read_input,
    refuse_options,
)
from tsae.cli.options import (
    AnnotationFile,
    Exclude,
    Reading,
    Running,
    Settings,
    Size,
    Table,
    option_name,
    parse_size,
    stated_options,
)
from tsae.errors import ParameterError
from tsae.series.formats.registry import stem_of

if TYPE_CHECKING:
    from tsae.alarms.annotations import Annotations
    from tsae.detection.detector import AnomalyDetector
    from tsae.detection.images.detector import ImageAnomalyDetector
    from tsae.series.reading import SensorTable

__all__ = ["fit", "fit_detector"]

_EFFECTS: dict[str, tuple[AnnotationKind, ...]] = {
    "leave training": ("real", "maintenance", "ignore"),
    "are training rows": ("new normal", "false alarm"),
}


def fit(
    table: Table,
    *,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Model file; TABLE's name with .tsae unless stated.", show_default=False),
    ] = None,
    exclude: Exclude = None,
    annotations: AnnotationFile = None,
    running: Running = None,
    size: Size = None,
    settings: Settings,
    reading: Reading,
) -> None:
    """Learn what is normal from a table of normal operation, and write a model file.

    TABLE may also be a folder of normal pictures. With --annotations, real faults, maintenance and rows to ignore leave
    training, and rows of a new normal state join it.
    """
    if is_folder(table):
        of_tables = {"--exclude": exclude, "--annotations": annotations, "--running": running}
        refuse_options(table, [*(name for name, value in of_tables.items() if value), *stated_options(reading)])
        _fit_pictures(table, output, parse_size(size), settings)
        return
    if size:
        refuse_options(table, ["--size"])
    if output is None and table == "-":
        raise ParameterError("standard input has no name to call the model after; state `--output`")
    path = output or Path(f"{stem_of(table)}.tsae")
    check_outputs([path], [table, annotations, *exclusion_files(exclude)])
    notes = open_annotations(annotations)
    started = time.monotonic()
    rows = read_input(table, reading)
    detector = fit_detector(rows, exclude, settings, reading, notes, running=running)
    detector.save(path)
    print_facts(_facts(detector, rows, path, time.monotonic() - started))
    if detector.learned_threshold_.note:
        notice(detector.learned_threshold_.note)


def fit_detector(
    table: SensorTable,
    exclude: Sequence[str] | None,
    settings: Settings,
    reading: Reading,
    notes: Annotations | None = None,
    *,
    running: str | None = None,
) -> AnomalyDetector:
    """Fit on a table, of one machine or of a fleet."""
    from tsae.detection.detector import AnomalyDetector

    masks = None if not exclude else list(exclusion_masks(exclude, table, reading).values())
    frames = list(table.frames.values())
    is_fleet = len(frames) > 1
    if notes is not None:
        annotated(notes, table, _EFFECTS)
    detector = AnomalyDetector(**settings.parameters())
    progress(f"training on {table.n_rows:,} rows of {len(table.channels)} sensors …")
    detector.fit(
        frames if is_fleet else frames[0],
        excluded=masks[0] if masks and not is_fleet else masks,
        running=running,
        units=table.units,
        annotations=notes,
        entity=list(table.frames) if is_fleet else next(iter(table.frames)),
    )
    return detector


def _left_out(detector: AnomalyDetector) -> dict[str, str]:
    """What a robust fit left out, if it was one."""
    if not detector.robust:
        return {}
    runs = [run for of_series in detector.rejected_ for run in of_series]
    n_rows = sum(last - first + 1 for first, last in runs)
    stretches = f"{len(runs)} stretches that are" if runs[1:] else "one stretch that is"
    return {"left out": f"{n_rows:,} rows in {stretches} likely faulty" if runs else "nothing"}


def _not_running(detector: AnomalyDetector, table: SensorTable) -> dict[str, str]:
    """Return how many rows the condition of a running plant leaves out, if there is one."""
    from tsae.series.running import Running

    running = detector.model_.running
    if running is None:
        return {}
    condition, channels = Running.parse(running), detector.channels_
    frames = (frame[channels].to_numpy() for frame in table.frames.values())
    n_off = sum(int(condition.off(values, channels).sum()) for values in frames)
    return {"runs if": f"{running}; {n_off:,} other rows are not trained on, and such rows never alarm"}


def _followed(detector: AnomalyDetector) -> dict[str, str]:
    """Where the threshold of rows in time order begins, which follows their scores."""
    from tsae.alarms.thresholds import following_threshold, known_scores
    from tsae.alarms.thresholds.threshold import cluster_peaks

    learned = detector.thresholds_
    calibration = learned.judged_of(detector.calibration_)
    following = following_threshold(learned, calibration, detector.model_.ensemble.longest.window_size)
    if following is None:
        return {}
    n_seen = len(cluster_peaks(known_scores(calibration), following.first))
    news = f"an alarm is a score above {following.first:.3g} that is news, more at the start of a table or stream"
    return {"in time order": f"{news}; held-out rows exceed it in {n_seen} runs, {learned.used.budget} is allowed"}


def _facts(detector: AnomalyDetector, table: SensorTable, path: Path, seconds: float) -> dict[str, str]:
    from tsae.report.wording import duration
    from tsae.series.grid import infer_clock

    threshold = detector.learned_threshold_
    sizes = sorted({member.window_size for member in detector.model_.ensemble.members})
    how = "as stated"
    if threshold.false_alarm_rate is not None:
        how = f"{threshold.method}, false alarms {threshold.budget}; learned from {threshold.n_rows:,} held-out rows"
        how += f", {threshold.n_clusters} independent high runs"
    clocks = {str(infer_clock(frame.index)) for frame in table.frames.values()}
    period = detector.period_
    return {
        "model": f"{path} ({path.stat().st_size / 1e6:.1f} MB)",
        "rows": f"{table.n_rows:,} of {len(table.channels)} sensors"
        + (f", {len(table.frames)} machines" if len(table.frames) > 1 else ""),
        **_left_out(detector),
        **_not_running(detector, table),
        "clock": clocks.pop() if len(clocks) == 1 else f"{detector.period_ or 'no'} s, differing by machine",
        "windows": ", ".join(
            f"{size} rows" + (f" ({duration(size * period, size)})" if period else "") for size in sizes
        ),
        "lag": f"{detector.lag_} rows" + (f" ({duration(detector.lag_ * period, 0)})" if period else ""),
        "threshold": f"{threshold.value:.3g} ({how})",
        **_followed(detector),
        "time": duration(seconds, 0),
    }


def _fit_pictures(folder: str, output: Path | None, size: tuple[int, int] | None, settings: Settings) -> None:
    from tsae.detection.images.detector import ImageAnomalyDetector
    from tsae.images.reading import read_images
    from tsae.report.wording import duration
    from tsae.store import check_writable

    known = {*(name.rpartition("__")[2] for name in ImageAnomalyDetector().get_params()), "kind", "seed"}
    refuse_options(folder, [name for name in stated_options(settings) if name not in map(option_name, known)])
    parameters = {name: value for name, value in settings.parameters("images").items() if name in known}
    path = output or Path(f"{folder_name(folder)}.tsae")
    check_writable(path)
    started = time.monotonic()
    pictures = read_images(folder, size=size)
    n, channels, height, width = pictures.values.shape
    progress(f"training on {n:,} pictures of {height} x {width} pixels …")
    detector = ImageAnomalyDetector(size=size, **parameters).fit(pictures)
    detector.save(path)
    facts = {"pictures": f"{n:,} of {height} x {width} pixels, {'grey' if channels == 1 else 'in colour'}"}
    print_facts(_facts_of_pictures(detector, path) | facts | {"time": duration(time.monotonic() - started, 0)})
    learned = detector.learned_threshold_
    if learned.note:  # a threshold of pictures has no other
        shown = f"a rate of {learned.false_alarm_rate:g} is finer than {learned.n_rows} held-out pictures can show"
        notice(f"{shown}; treat the threshold as a guess")


def _facts_of_pictures(detector: ImageAnomalyDetector, path: Path) -> dict[str, str]:
    from tsae.report.wording import percent

    threshold, compression = detector.learned_threshold_, detector.compression()
    how = "as stated"
    if threshold.false_alarm_rate is not None:
        how = f"{threshold.method}, {percent(threshold.false_alarm_rate)} of normal pictures may exceed it"
        how += f", learned from {threshold.n_rows:,} held-out pictures"
    return {
        "model": f"{path} ({path.stat().st_size / 1e6:.1f} MB)",
        "code": f"{detector.latent_dim_} numbers, {compression.ratio:.3g} times fewer than pixel values",
        "rebuilt": f"{percent(1 - min(compression.unexplained, 1.0))} of the variance of held-out pictures",
        "threshold": f"{threshold.value:.3g} ({how})",
    }
