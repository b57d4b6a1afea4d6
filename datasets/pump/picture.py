"""Draw the README's picture: an event that a detector finds in the pump data.

Run with `python datasets/pump/picture.py demo/pump.tsae` after `tsae demo`; writes `event.svg` beside this file.
"""

from __future__ import annotations

import sys
from pathlib import Path

import tsae
from tsae.report.picture import event_picture
from tsae.series.exclusions import read_exclusions
from tsae.series.options import ReadOptions

KIND_SHOWN = "stuck sensor"


def main(model: str) -> None:
    """Score the later rows and draw the event that overlaps the fault shown."""
    import pandas as pd

    data = tsae.bundled_dataset("pump")
    later = tsae.read_table(data.later, ReadOptions(label="label"))
    table = later.frames[""]
    detector = tsae.load(model)
    found = detector.detect(table, excluded=read_exclusions(data.maintenance).mask(table.index))
    faults = pd.read_csv(data.faults, parse_dates=["start", "end"]).set_index("kind")
    start, end = faults.loc[KIND_SHOWN, ["start", "end"]]
    event = next(event for event in found.events if event.start <= end and event.stop >= start)
    svg = event_picture(table, found, event, units=later.units, expected=detector.reconstruct(table))
    Path(__file__).with_name("event.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
