from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from tests.report.examples import UNITS, detection_of, event, expected_table, measured_table
from tsae.errors import DataError
from tsae.report.picture import event_picture, time_ticks, value_ticks

FAULT = (400, 460, "outlet pressure")
SVG = "{http://www.w3.org/2000/svg}"


def draw(index: pd.Index, fault: tuple[int, int, str] = FAULT, *, with_expected: bool = True) -> ElementTree.Element:
    expected = expected_table(index)
    table = measured_table(expected, [fault])
    detection = detection_of(table, expected, [fault])
    return ElementTree.fromstring(
        event_picture(table, detection, detection.events[0], units=UNITS, expected=expected if with_expected else None)
    )


def texts(picture: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in picture.iter(f"{SVG}text")]


def lines(picture: ElementTree.Element, style: str) -> list[str]:
    return [path.attrib["d"] for path in picture.iter(f"{SVG}path") if path.attrib["class"] == f"line {style}"]


def test_the_picture_tells_the_event() -> None:
    picture = draw(pd.date_range("2024-03-04", periods=1200, freq="min"))
    words = texts(picture)
    assert words[0].startswith("2024-03-04 06:40 to 07:40: severity ")
    assert "Anomaly score" in words
    assert "outlet pressure [bar]: 90 % of the error" in words
    assert "4 Mar 06:00" in words
    assert len(picture.findall(f"{SVG}g")) == 3
    assert len(lines(picture, "measured")) == len(lines(picture, "rebuilt")) == 4  # two lines, two legends
    assert len(lines(picture, "threshold")) == 2


def test_all_lines_lie_within_the_picture() -> None:
    picture = draw(pd.date_range("2024-03-04", periods=1200, freq="min"))
    width, height = float(picture.attrib["width"]), float(picture.attrib["height"])
    for style in ("score", "threshold", "measured", "rebuilt"):
        for path in lines(picture, style):
            points = path.replace("h0", "").replace("h20", "").replace("M", "L").split("L")[1:]
            x, y = np.array([point.split() for point in points], dtype=float).T
            assert 0 < x.min() <= x.max() < width
            assert 0 < y.min() <= y.max() < height


def test_without_expected_values_only_the_measured_are_drawn() -> None:
    picture = draw(pd.RangeIndex(1200), with_expected=False)
    assert not lines(picture, "rebuilt")
    assert "350" in texts(picture)


def test_a_gap_lifts_the_pen() -> None:
    expected = expected_table(pd.RangeIndex(1200))
    table = measured_table(expected, [FAULT])
    table.iloc[420:430, 0] = np.nan
    detection = detection_of(table, expected, [FAULT])
    source = event_picture(table, detection, detection.events[0], units={})
    pressure = lines(ElementTree.fromstring(source), "measured")[0]
    assert pressure.count("M") == 2


def test_one_row_and_no_value_make_a_picture() -> None:
    assert lines(draw(pd.date_range("2024-03-04", periods=1), (0, 0, "flow")), "score")
    nothing = expected_table(pd.RangeIndex(100)) * np.nan
    detection = detection_of(nothing, nothing, [(40, 50, "flow")])
    source = event_picture(nothing, detection, detection.events[0], units={})
    assert "flow was not observed" in texts(ElementTree.fromstring(source))[1]


def test_hostile_names_stay_text() -> None:
    expected = expected_table(pd.RangeIndex(1200))
    table = measured_table(expected, [FAULT])
    detection = detection_of(table, expected, [FAULT])
    name = "</text><script>alert(1)</script> & \"'"
    sensors = (replace(detection.events[0].sensors[0], sensor=name),)
    bad = replace(detection.events[0], sensors=sensors)
    source = event_picture(table.rename(columns={"outlet pressure": name}), detection, bad, units={})
    picture = ElementTree.fromstring(source)
    assert picture.find(f".//{SVG}script") is None
    assert any(text.startswith(name) for text in texts(picture))


def test_an_event_of_another_table_is_refused() -> None:
    expected = expected_table(pd.RangeIndex(100))
    with pytest.raises(DataError, match="pass the table that was scored"):
        event_picture(expected, detection_of(expected, expected, []), event(500, 510), units={})


@pytest.mark.parametrize("span", [1.0, 40.0, 3e3, 7e4, 5e5, 4e6, 9e7, 3e9, 2e11])
def test_times_are_marked_a_handful_of_times(span: float) -> None:
    ticks = time_ticks(1.7e12, 1.7e12 + span)
    assert 1 <= len(ticks) <= 12
    assert all(1.7e12 <= time <= 1.7e12 + span for time, _ in ticks)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3e-9, 8e-9), (1e6, 1.1e6), (-5e12, 7e12), (99.99, 100.01)])
def test_values_are_marked_a_handful_of_times(low: float, high: float) -> None:
    ticks = value_ticks(low, high)
    assert 2 <= len(ticks) <= 8
    assert all(low <= value <= high for value, _ in ticks)
    assert len({text for _, text in ticks}) == len(ticks)
