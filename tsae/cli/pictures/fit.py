"""`tsae fit` on a folder of pictures."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from tsae.cli.console import notice, progress, results
from tsae.cli.pictures.sources import folder_name, option_name, refuse_options, stated_options
from tsae.cli.tables import facts_table

if TYPE_CHECKING:
    from tsae.cli.fit_settings import Settings
    from tsae.detection.images.detector import ImageAnomalyDetector

__all__ = ["fit_pictures"]


def fit_pictures(folder: str, output: Path | None, size: tuple[int, int] | None, settings: Settings) -> None:
    """Learn what normal pictures look like, and write a model file."""
    from tsae.detection.images.detector import ImageAnomalyDetector
    from tsae.images.reading import read_images
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
    results().print(facts_table(_facts(detector, path) | facts | _seconds(started)))
    learned = detector.learned_threshold_
    if learned.note:  # a threshold of pictures has no other
        shown = f"a rate of {learned.false_alarm_rate:g} is finer than {learned.n_rows} held-out pictures can show"
        notice(f"{shown}; treat the threshold as a guess")


def _facts(detector: ImageAnomalyDetector, path: Path) -> dict[str, str]:
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


def _seconds(started: float) -> dict[str, str]:
    from tsae.report.wording import duration

    return {"time": duration(time.monotonic() - started, 0)}
