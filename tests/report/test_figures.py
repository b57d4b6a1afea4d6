from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.report.examples import THRESHOLD, UNITS, detection_of, expected_table, measured_table
from tsae.report.axis import TimeAxis
from tsae.report.figures import Series, event_figure, timeline_figure

FAULTS = [(400, 460, "outlet pressure"), (800, 805, "flow")]


@pytest.fixture
def series() -> Series:
    expected = expected_table(pd.date_range("2024-03-04", periods=20_000, freq="min"))
    table = measured_table(expected, FAULTS)
    return Series(table, detection_of(table, expected, FAULTS), expected, UNITS, TimeAxis.of(table.index))


def named(figure, name: str):
    return [trace for trace in figure.data if trace.name == name]


def test_the_timeline_shows_the_peak_the_threshold_and_each_event(series: Series) -> None:
    figure = timeline_figure(series, {}, points=1000)
    (score,), (threshold,), (events,) = (named(figure, name) for name in ("score", "threshold", "event"))
    assert len(score.x) <= 1000
    assert np.nanmax(score.y) == series.detection.scores.max()
    assert set(threshold.y) == {THRESHOLD}
    starts = np.asarray(events.x) - np.asarray(events.width) / 2
    assert starts[0] == pytest.approx(series.axis.values[400])
    assert events.width[1] > 10 * 60_000  # six rows of 20,000 would be too narrow to see
    assert figure.layout.xaxis.type == "date"


def test_a_threshold_that_moves_is_drawn_as_it_stood_against_the_score_that_it_judges(series: Series) -> None:
    moving = pd.Series(np.linspace(10, 30, len(series.table)), index=series.table.index)
    judged = series.detection.scores / 2
    changed = replace(series, detection=replace(series.detection, thresholds=moving, judged=judged))
    figure = timeline_figure(changed, {}, points=1000)
    (score,), (threshold,) = (named(figure, name) for name in ("score", "threshold"))
    assert np.nanmax(score.y) == judged.max()
    assert (min(threshold.y), max(threshold.y)) == (10, 30)
    assert len(threshold.x) <= 250


def test_the_timeline_shows_each_sensors_error_the_worst_first(series: Series) -> None:
    figure = timeline_figure(series, {}, points=4000)
    (heatmap,) = [trace for trace in figure.data if trace.type == "heatmap"]
    assert heatmap.z.shape == (4, 500)
    assert figure.layout.yaxis2.ticktext[:2] == ("outlet pressure", "flow")
    np.testing.assert_allclose(heatmap.z.max(axis=1)[0], series.detection.errors["outlet pressure"].max(), rtol=1e-6)


def test_high_peaks_make_the_scale_logarithmic(series: Series) -> None:
    assert timeline_figure(series, {}, 1000).layout.yaxis.type == "log"
    calm = replace(series, detection=replace(series.detection, threshold=1e4))
    assert timeline_figure(calm, {}, 1000).layout.yaxis.type is None


def test_an_event_is_shown_with_its_surroundings(series: Series) -> None:
    figure = event_figure(series, series.detection.events[0])
    measured, rebuilt = named(figure, "measured"), named(figure, "rebuilt")
    assert len(measured) == len(rebuilt) == len(named(figure, "expected")) == 4
    first = measured[0]
    assert (first.x[0], first.x[-1]) == (series.axis.values[400 - 61], series.axis.values[460 + 61])
    np.testing.assert_array_equal(first.y, series.table["outlet pressure"].iloc[339:522])
    assert {trace.line.dash for trace in rebuilt} == {"dash"}
    assert figure.layout.yaxis.title.text == "bar"
    shade = figure.layout.shapes[0]
    assert (shade.x0, shade.x1) == (series.axis.values[400], series.axis.values[461])


def test_the_peak_is_compared(series: Series) -> None:
    event = series.detection.events[0]
    figure = event_figure(replace(series, expected=None), event)
    expected = named(figure, "expected")[0]
    assert list(expected.x) == [series.axis.values[460]]
    assert list(expected.y) == [event.sensors[0].expected]


def test_missing_values_are_gaps_and_lone_ones_are_dots(series: Series) -> None:
    table = series.table.copy()
    table.iloc[410:420, 0] = np.nan
    lone = np.setdiff1d(np.arange(len(table)), np.arange(0, len(table), 10))
    table.iloc[lone, 1] = np.nan
    figure = event_figure(replace(series, table=table), series.detection.events[0])
    pressure, flow = (trace for trace in named(figure, "measured")[:2])
    assert np.isnan(pressure.y).sum() == 1
    assert np.isfinite(flow.y).sum() == 19
    dots = [trace for trace in figure.data if trace.mode == "markers" and trace.name != "expected"]
    assert [len(trace.x) for trace in dots] == [19]


def test_a_sensor_that_the_table_lacks_is_not_drawn(series: Series) -> None:
    event = series.detection.events[0]
    assert len(named(event_figure(replace(series, table=series.table[["flow"]]), event), "measured")) == 1
    assert event_figure(replace(series, table=series.table[[]]), event) is None


def test_a_plot_changes_nothing_it_is_given(series: Series) -> None:
    table, scores = series.table.copy(), series.detection.scores.copy()
    timeline_figure(series, {}, 1000)
    event_figure(series, series.detection.events[0])
    pd.testing.assert_frame_equal(series.table, table)
    pd.testing.assert_series_equal(series.detection.scores, scores)
