"""One HTML file that shows which pictures are unusual, and where: it opens without a network, and prints."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from tsae.detection.detecting import ImageDetection
from tsae.detection.images.detector import ImageAnomalyDetector
from tsae.images.reading import ImageTable
from tsae.report.heatmap import heatmap_png, picture_png
from tsae.report.templates import environment
from tsae.report.wording import amount, percent
from tsae.store import write_atomically

__all__ = ["render_gallery", "write_gallery"]

MAX_SHOWN = 40


@dataclass(frozen=True)
class Exhibit:
    """A picture as the page shows it; images are data URIs."""

    name: str
    score: float
    is_flagged: bool
    severity: float
    picture: str
    rebuilt: str
    heatmap: str


def write_gallery(
    path: str | Path, detector: ImageAnomalyDetector, pictures: ImageTable, found: ImageDetection, *, title: str
) -> None:
    """Write the page of `render_gallery` into a file; an older file stays as it was if that fails.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    page = render_gallery(detector, pictures, found, title=title)
    write_atomically(path, page.encode("utf-8", errors="replace"))


def render_gallery(detector: ImageAnomalyDetector, pictures: ImageTable, found: ImageDetection, *, title: str) -> str:
    """Show the pictures with the highest scores: as they are, as they were rebuilt, and with their heatmap.

    Parameters
    ----------
    detector
        Has scored the pictures.
    pictures, found
        The pictures, and what was found in them.
    title
        Headline.
    """
    threshold = detector.learned_threshold_
    facts = {
        "threshold": amount(found.threshold),
        "learned from": f"{threshold.n_rows:,} held-out pictures" if threshold.n_rows else "as stated",
        "false alarms": "as stated"
        if threshold.false_alarm_rate is None
        else f"{percent(threshold.false_alarm_rate)} of normal pictures may be flagged",
    }
    exhibits = [_exhibit(detector, pictures, found, int(number)) for number in found.worst_first[:MAX_SHOWN]]
    return (
        environment()
        .get_template("gallery.html.j2")
        .render(title=title, facts=facts, exhibits=exhibits, n=len(found.names), n_flagged=int(found.labels.sum()))
    )


def _exhibit(detector: ImageAnomalyDetector, pictures: ImageTable, found: ImageDetection, number: int) -> Exhibit:
    picture, scale = pictures.values[number : number + 1], detector.model_.network.scale
    heat = detector.heatmaps(picture)[0]
    return Exhibit(
        name=found.names[number],
        score=float(found.scores[number]),
        is_flagged=bool(found.labels[number]),
        severity=float(found.severities[number]),
        picture=_uri(picture_png(picture[0], scale)),
        rebuilt=_uri(picture_png(detector.reconstruct(picture)[0], scale)),
        heatmap=_uri(heatmap_png(picture[0], heat, detector.heat_level_, scale)),
    )


def _uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
