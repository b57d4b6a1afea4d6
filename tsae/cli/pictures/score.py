"""`tsae score` on a folder of pictures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from tsae.cli.console import notice, progress, results
from tsae.cli.errors import ExitCode
from tsae.cli.models import image_detector
from tsae.cli.paths import check_outputs, check_scores
from tsae.cli.pictures.sources import folder_name
from tsae.cli.tables import pictures_table
from tsae.errors import OutputError, ParameterError

if TYPE_CHECKING:
    from tsae.detection.detecting import ImageDetection
    from tsae.detection.images.detector import ImageAnomalyDetector
    from tsae.images.reading import ImageTable

__all__ = ["PictureTargets", "score_pictures"]

_MOST_LISTED = 20


@dataclass(frozen=True)
class PictureTargets:
    """What to write; `None` for none."""

    scores: Path | None
    report: Path | None
    heatmaps: Path | None
    """A folder."""

    def check(self, folder: str, *inputs: Path) -> None:
        """Find out before the work starts whether all of them can be written."""
        from tsae.store import check_writable

        check_outputs((self.scores, self.report), inputs)
        check_scores(self.scores)
        if self.heatmaps is None:
            return
        if self.heatmaps.resolve() == Path(folder).resolve():
            raise ParameterError(f"`--heatmaps` (={str(self.heatmaps)!r}) is the folder of the pictures; name another")
        try:
            self.heatmaps.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot make {str(self.heatmaps)!r}: {error.strerror}; choose another path") from error
        check_writable(self.heatmaps / "heatmap.png")


def score_pictures(model: Path, folder: str, targets: PictureTargets, *, as_json: bool, fail_on_events: bool) -> None:
    """Score all pictures of a folder: print those that are flagged, and write what is wanted."""
    from tsae.images.reading import read_images

    if targets.scores is None and not as_json:
        targets = PictureTargets(Path(f"{folder_name(folder)}.scores.csv"), targets.report, targets.heatmaps)
    targets.check(folder, model)
    detector = image_detector(model)
    pictures = read_images(folder, size=detector.size, channels=detector.image_shape_[0])
    progress(f"scoring {len(pictures.names):,} pictures …")
    found = detector.detect(pictures)
    _write(targets, detector, pictures, found, title=f"{model.stem}: {folder_name(folder)}")
    if as_json:
        _print_json(found)
    else:
        _print(found, targets)
    if fail_on_events and found.labels.any():
        raise typer.Exit(ExitCode.EVENTS)


def _write(
    targets: PictureTargets,
    detector: ImageAnomalyDetector,
    pictures: ImageTable,
    found: ImageDetection,
    *,
    title: str,
) -> None:
    from tsae.cli.outputs import pictures_frame, write_frame
    from tsae.report.gallery import write_gallery
    from tsae.report.heatmap import write_heatmaps

    if targets.scores is not None:
        write_frame(pictures_frame(found), targets.scores)
    if targets.heatmaps is not None:
        write_heatmaps(targets.heatmaps, detector, pictures)
    if targets.report is not None:
        write_gallery(targets.report, detector, pictures, found, title=title)


def _print(found: ImageDetection, targets: PictureTargets) -> None:
    n, n_flagged = len(found.names), int(found.labels.sum())
    of = f"{n:,} picture{'' if n == 1 else 's'}"
    worst = [number for number in found.worst_first[:_MOST_LISTED] if found.labels[number]]
    if worst:
        results().print(pictures_table(found, worst, title=f"{n_flagged:,} of {of} flagged"))
    else:
        results().print(f"No picture of {n:,} flagged.")
    if n_flagged > len(worst):
        notice(f"the {len(worst)} worst are listed; all are in {targets.scores}")
    written = ", ".join(str(path) for path in (targets.scores, targets.heatmaps, targets.report) if path)
    progress(f"threshold {found.threshold:.3g}; written: {written}")


def _print_json(found: ImageDetection) -> None:
    answer: dict[str, Any] = {
        "n_pictures": len(found.names),
        "n_flagged": int(found.labels.sum()),
        "threshold": found.threshold,
        "pictures": [
            {
                "file": name,
                "score": float(found.scores[number]),
                "label": int(found.labels[number]),
                "severity": round(float(found.severities[number]), 1),
            }
            for number, name in enumerate(found.names)
        ],
    }
    typer.echo(json.dumps(answer, indent=2, ensure_ascii=False, allow_nan=False))
