"""`tsae demo`: the main job on the bundled pump station."""

from __future__ import annotations

import csv
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from tsae.cli.console import print_events, print_table, results
from tsae.cli.fit import fit_detector
from tsae.cli.inputs import read_input
from tsae.cli.options import Reading, Settings
from tsae.cli.score import Targets, detect, write_results
from tsae.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tsae.alarms.event import Event

__all__ = ["demo"]


@dataclass(frozen=True)
class _Fault:
    """A labelled fault."""

    start: datetime
    end: datetime
    kind: str
    sensors: tuple[str, ...]
    visible: bool

    def found_by(self, events: Sequence[Event]) -> Event | None:
        """The gravest event that overlaps it."""
        overlapping = [event for event in events if event.start <= self.end and event.stop >= self.start]
        return max(overlapping, key=lambda event: event.peak_score, default=None)


def demo(
    *,
    folder: Annotated[Path, typer.Option("--folder", help="Where model, scores, events and report go.")] = Path("demo"),
    settings: Settings,
) -> None:
    """Learn a pump station from four weeks of normal operation, and find the faults of the two weeks after."""
    from tsae.series.bundled import bundled_dataset

    started = time.monotonic()
    targets = _targets(folder)
    data = bundled_dataset("pump")
    detector = fit_detector(read_input(str(data.train), Reading()), None, settings, Reading())
    detector.save(folder / "pump.tsae")
    reading = Reading(label="label")
    later = read_input(str(data.later), reading)
    results_by_entity = detect(detector, later, targets, [str(data.maintenance)], reading)
    write_results(targets, detector, later, results_by_entity, None, title="Pump station")
    found = results_by_entity[""].events
    faults = _read_faults(data.faults)
    _print_comparison(faults, found)
    others = [event for event in found if not any(fault.found_by([event]) for fault in faults)]
    if others:
        print_events(others, title="Events where no fault is labelled")
    next_steps = (
        f"Done in {time.monotonic() - started:.0f} s. Open {folder / 'report.html'} in a browser; scores and events "
        f"are beside it.\nNext: tsae score {folder / 'pump.tsae'} {data.later}"
    )
    results().print(Text(next_steps))


def _targets(folder: Path) -> Targets:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot make the folder {str(folder)!r}: {error.strerror}; choose another `--folder`"
        ) from error
    targets = Targets(folder / "scores.csv", folder / "events.csv", folder / "report.html")
    targets.check()
    return targets


def _read_faults(path: Path) -> list[_Fault]:
    from tsae.series.cells import split_units

    with path.open(encoding="utf-8", newline="") as file:
        return [
            _Fault(
                start=datetime.fromisoformat(line["start"]),
                end=datetime.fromisoformat(line["end"]),
                kind=line["kind"],
                sensors=tuple(split_units(line["sensor"].split(";"))[0]),
                visible=line["visible"] == "yes",
            )
            for line in csv.DictReader(file)
        ]


def _print_comparison(faults: Sequence[_Fault], events: Sequence[Event]) -> None:
    from tsae.report.wording import interval, moment

    rows = []
    for fault in faults:
        event = fault.found_by(events)
        visible = "yes" if fault.visible else "hardly"
        cells: list[str | Text] = [moment(fault.start), fault.kind, ", ".join(fault.sensors), visible]
        if event is None:
            cells += [Text("no", style="red"), "", "", ""]
        else:
            first = event.sensors[0].sensor
            named = Text(first, style="green" if first in fault.sensors else "yellow")
            cells += [Text("yes", style="green"), interval(event), f"{event.severity:.0f}", named]
        rows.append(cells)
    n_found = sum(fault.found_by(events) is not None for fault in faults)
    print_table(
        f"{n_found} of {len(faults)} labelled faults are found",
        ["Fault", "Kind", "Sensors", "To be seen", "Found", "Event", "Severity", "First sensor"],
        rows,
    )
