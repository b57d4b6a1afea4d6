from __future__ import annotations

import json
import re
import resource
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from plotly.offline import get_plotlyjs

from tests.report.examples import UNITS, detection_of, expected_table, measured_table
from tsae.alarms.drift import Drift
from tsae.alarms.event import SensorShare
from tsae.errors import DataError, OutputError
from tsae.report.html import MAX_DETAILS, MAX_LISTED, MAX_SECTIONS, render_report
from tsae.report.templates import write_page

FAULTS = [(400, 460, "outlet pressure"), (800, 809, "flow")]
FACTS = {"Model": "pump.tsae", "Period": "1 min"}
HOSTILE = "</script><script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)>"


class Page(HTMLParser):
    """A page taken apart: its tags with their attributes, its visible text, and its plots."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.plots: dict[str, Any] = {}
        self.feed(page.replace(get_plotlyjs(), ""))
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        tag, attributes = self.tags[-1] if self.tags else ("", {})
        if attributes.get("type") == "application/json" and attributes["id"] not in self.plots:
            self.plots[str(attributes["id"])] = json.loads(data, parse_constant=_refuse)
        elif tag not in ("script", "style"):
            self.words.append(data)

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def _refuse(constant: str) -> None:
    raise ValueError(f"browsers do not read {constant} in JSON")


def render(n_rows: int = 1200, faults: list[tuple[int, int, str]] = FAULTS, **options: Any) -> str:
    expected = expected_table(pd.date_range("2024-03-04", periods=n_rows, freq="min"))
    table = measured_table(expected, faults)
    arguments = {"title": "This week", "facts": FACTS, "units": UNITS, "expected": {"": expected}} | options
    return render_report({"": table}, {"": detection_of(table, expected, faults)}, **arguments)


def test_the_page_says_how_far_the_threshold_has_moved_and_whether_to_train_again() -> None:
    expected = expected_table(pd.date_range("2024-03-04", periods=1200, freq="min"))
    table = measured_table(expected, FAULTS)
    still = detection_of(table, expected, FAULTS)
    drift = Drift(0.9, first_threshold=12.0, last_threshold=17.5, n_rows=1200)
    texts = [
        Page(render_report({"": table}, {"": each}, title="", facts={}, units={})).text
        for each in (still, replace(still, drift=drift), replace(still, drift=replace(drift, last_threshold=12.0)))
    ]
    assert ["threshold has followed the scores from 12 to 17.5" in text for text in texts] == [False, True, False]
    assert ["Retrain: in the last 1,200 rows" in text for text in texts] == [False, True, True]


def test_the_page_says_what_was_found() -> None:
    page = Page(render())
    assert page.text.count("This week") == 2  # title and headline
    assert "2 events ; 5.9 % of 1,200 rows flagged." in page.text
    assert "Model pump.tsae Period 1 min" in page.text
    assert "2024-03-04 06:40 2024-03-04 07:40 1 h 1 min" in page.text
    assert re.search(r"outlet pressure 90 % 4\.\d+ → 3\.\d+ bar", page.text)
    assert re.search(r"At 2024-03-04 13:29, flow was [\d.]+ m³/h where [\d.]+ m³/h was expected", page.text)


def test_each_event_links_to_its_plot() -> None:
    page = Page(render())
    ids = {attributes.get("id") for _, attributes in page.tags}
    links = [str(attributes["href"]) for tag, attributes in page.tags if tag == "a"]
    assert all(link.removeprefix("#") in ids for link in links)
    targets = [link for link in links if "event" in link]
    assert targets == ["#entity-1-event-1", "#entity-1-event-2"]
    assert all(f"{link.removeprefix('#')}-plot-data" in page.plots for link in targets)
    (bars,) = [trace for trace in page.plots["entity-1-plot-data"]["data"] if trace["type"] == "bar"]
    assert [f"#{target}" for target in bars["customdata"]] == targets


def test_nothing_is_fetched_from_elsewhere() -> None:
    source = render()
    page = Page(source)
    outside = [
        (tag, name)
        for tag, attributes in page.tags
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "action", "data", "poster") and not str(value).startswith("#")
    ]
    assert not outside
    assert page.count("link") == page.count("iframe") == page.count("img") == 0
    assert "@import" not in source.replace(get_plotlyjs(), "")
    (policy,) = [tag["content"] for name, tag in page.tags if name == "meta" and tag.get("http-equiv")]
    assert str(policy).startswith("default-src 'none'")


def test_the_plots_cannot_send_their_data_away() -> None:
    source = render()
    assert "showSendToCloud: false" in source
    assert 'modeBarButtons: [["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]]' in source


def test_hostile_text_stays_text() -> None:
    faults = [(400, 460, "outlet pressure")]
    plain = Page(render(faults=faults, facts={"Model": "pump.tsae"}))
    index = pd.date_range("2024-03-04", periods=1200, freq="min")
    expected = expected_table(index)
    table = measured_table(expected, faults)
    detection = detection_of(table, expected, faults)
    rename = {"outlet pressure": HOSTILE}
    sensors = tuple(
        replace(share, sensor=rename.get(share.sensor, share.sensor)) for share in detection.events[0].sensors
    )
    event = replace(detection.events[0], event_id=HOSTILE, sensors=sensors, entity=HOSTILE)
    hostile = replace(detection, errors=detection.errors.rename(columns=rename), events=(event,), entity=HOSTILE)
    source = render_report(
        {HOSTILE: table.rename(columns=rename)},
        {HOSTILE: hostile},
        title=HOSTILE,
        facts={HOSTILE: HOSTILE},
        units={HOSTILE: HOSTILE},
        expected={HOSTILE: expected.rename(columns=rename)},
    )
    page = Page(source)
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert page.text.count(HOSTILE) >= 5
    panel = page.plots["entity-1-event-1-plot-data"]["layout"]["annotations"][0]["text"]
    assert "<script" not in panel
    assert "&lt;script&gt;" in panel


def test_a_quiet_week_says_so() -> None:
    page = Page(render(faults=[]))
    assert "No events ; 0 % of 1,200 rows flagged." in page.text
    assert re.search(
        r"No events\. The highest score was [\d.]+, at 2024-03-04 \d\d:\d\d; an alarm starts above 12", page.text
    )
    assert page.count("table") == 0
    assert list(page.plots) == ["entity-1-plot-data"]


def test_a_week_without_any_value_says_so() -> None:
    index = pd.date_range("2024-03-04", periods=50, freq="min")
    table = expected_table(index) * np.nan
    page = Page(render_report({"": table}, {"": detection_of(table, table, [])}, title="Dead", facts={}, units={}))
    assert "No row has a score: no sensor was observed." in page.text


def test_one_row_makes_a_page() -> None:
    assert "1 event ; 100 % of 1 row flagged." in Page(render(1, [(0, 0, "flow")])).text


def test_a_table_without_a_clock_is_shown_by_rows() -> None:
    expected = expected_table(pd.RangeIndex(1200))
    table = measured_table(expected, FAULTS)
    detection = detection_of(table, expected, FAULTS)
    page = Page(render_report({"": table}, {"": detection}, title="Rows", facts={}, units=UNITS))
    assert "Event 1: row 400 to row 460" in page.text
    assert "row 800 row 809 10 rows" in page.text
    assert page.plots["entity-1-plot-data"]["layout"]["xaxis"]["type"] == "linear"


def test_an_event_without_sensors_and_one_not_observed_are_shown() -> None:
    expected = expected_table(pd.date_range("2024-03-04", periods=1200, freq="min"))
    table = measured_table(expected, FAULTS)
    detection = detection_of(table, expected, FAULTS)
    silent = (SensorShare("flow", 1.0, None, None),)
    events = (replace(detection.events[0], sensors=()), replace(detection.events[1], sensors=silent))
    page = Page(render_report({"": table}, {"": replace(detection, events=events)}, title="", facts={}, units=UNITS))
    assert "entity-1-event-1-plot-data" not in page.plots
    assert "At 2024-03-04 07:40, the score was" in page.text
    assert "flow 100 % not observed" in page.text
    assert "flow was not observed (100 % of the error)" in page.text


def fleet(names: list[str], faulty: list[str]) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    expected = expected_table(pd.date_range("2024-03-04", periods=120, freq="min"))
    tables, detections = {}, {}
    for name in names:
        faults = [(40, 50 + len(tables) % 50, "flow")] if name in faulty else []
        tables[name] = measured_table(expected, faults)
        detections[name] = detection_of(tables[name], expected, faults, name)
    return tables, detections


def test_a_fleet_has_an_overview_and_a_section_for_each_entity() -> None:
    tables, detections = fleet(["pump A", "pump B", "pump C"], faulty=["pump A", "pump C"])
    page = Page(render_report(tables, detections, title="Fleet", facts={}, units=UNITS))
    assert "2 events ; 6.7 % of 360 rows flagged." in page.text
    assert "pump B 120 0 % 0 –" in page.text
    assert {"entity-1-plot-data", "entity-2-plot-data", "entity-3-plot-data"} <= set(page.plots)
    assert {"entity-1-event-1-plot-data", "entity-3-event-1-plot-data"} <= set(page.plots)


def test_a_large_fleet_shows_the_most_severe_in_detail() -> None:
    names = [f"pump {number}" for number in range(MAX_SECTIONS + 5)]
    tables, detections = fleet(names, faulty=["pump 104"])
    page = Page(render_report(tables, detections, title="Fleet", facts={}, units=UNITS))
    assert f"the first {MAX_SECTIONS} are shown in detail" in page.text
    assert page.count("h2") == 1 + MAX_SECTIONS
    assert page.text.count("pump 104") == 2  # overview and section
    assert page.text.count("pump 103") == 1


def test_many_events_are_listed_and_drawn_up_to_a_bound() -> None:
    n_events = MAX_LISTED + 20
    faults = [(row, row, "flow") for row in range(0, 3 * n_events, 3)]
    expected = expected_table(pd.date_range("2024-03-04", periods=3 * n_events, freq="min"))
    table = measured_table(expected, faults)
    detection = detection_of(table, expected, faults)
    events = tuple(replace(event, sensors=event.sensors[:1]) for event in detection.events)
    source = render_report({"": table}, {"": replace(detection, events=events)}, title="", facts={}, units={})
    page = Page(source)
    assert f"The {MAX_LISTED} most severe of {n_events} events" in page.text
    assert page.count("article") == MAX_DETAILS
    (bars,) = [trace for trace in page.plots["entity-1-plot-data"]["data"] if trace["type"] == "bar"]
    assert len(bars["customdata"]) == n_events


def test_a_long_table_gives_a_small_page() -> None:
    n_rows = 300_000
    page = render(n_rows, [(150_000, 150_000, "flow"), (200_000, 260_000, "outlet pressure")])
    assert len(page) - len(get_plotlyjs()) < 700_000


def test_what_does_not_belong_together_is_refused() -> None:
    tables, detections = fleet(["A", "B"], faulty=["A"])
    options: dict[str, Any] = {"title": "", "facts": {}, "units": {}}
    with pytest.raises(DataError, match=r"`tables` \(=\['A'\]\) and `detections` \(=\['A', 'B'\]\)"):
        render_report({"A": tables["A"]}, detections, **options)
    with pytest.raises(DataError, match="at least one"):
        render_report({}, {}, **options)
    short = tables | {"B": tables["B"].iloc[:-1]}
    with pytest.raises(DataError, match=r"the scores of entity 'B' \(120 rows\) must have the index .*119 rows"):
        render_report(short, detections, **options)
    with pytest.raises(DataError, match=r"the expected values of entity 'A' \(119 rows\)"):
        render_report(tables, detections, **options, expected={"A": tables["A"].iloc[1:]})


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    tables, detections = fleet(["A"], faulty=["A"])
    path = tmp_path / "report.html"
    options: dict[str, Any] = {"title": "Good \ud800", "facts": {}, "units": {}}
    write_page(path, render_report(tables, detections, **options))
    before = path.read_text("utf-8")
    assert before.startswith("<!doctype html>")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))  # as if the disk were full
    try:
        with pytest.raises(OutputError, match=r"cannot write .*report\.html"):
            write_page(path, render_report(tables, detections, **options))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert path.read_text("utf-8") == before
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    tables, detections = fleet(["A"], faulty=["A"])
    for path in (tmp_path / "absent" / "report.html", tmp_path):
        with pytest.raises(OutputError, match=re.escape(str(path))):
            write_page(path, render_report(tables, detections, title="", facts={}, units={}))
    assert not list(tmp_path.iterdir())
