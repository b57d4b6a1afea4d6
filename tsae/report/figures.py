"""The two plots of the report: scores over the whole table, and sensors around one event.

Colours read on white and on black; text and grid take theirs from the page's style sheet.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from tsae.alarms.event import Event, SensorShare
from tsae.detection.detecting import Detection
from tsae.report import wording
from tsae.report.axis import TimeAxis, binned_max, isolated, log_floor, rows_around, thin

__all__ = ["Series", "event_figure", "timeline_figure"]

Floats = NDArray[np.float64]

ACTUAL = "#2a7fd4"
EXPECTED = "#e08214"
SCORE = "#6b7fa8"
THRESHOLD = "#d0433b"
GRID = {"gridcolor": "rgba(128,128,128,0.25)", "zeroline": False}
HEAT = [  # error as a multiple of its usual size, from 1 to 100, in roughly equal steps of its logarithm
    [0.0, "rgba(224,130,20,0)"],
    [0.02, "rgba(224,130,20,0.15)"],
    [0.09, "rgba(224,110,20,0.65)"],
    [0.3, "rgba(208,67,59,0.9)"],
    [1.0, "rgba(160,25,50,1)"],
]
SHADE = {"type": "rect", "yref": "paper", "layer": "below", "line": {"width": 0}}
SHADE |= {"fillcolor": "rgba(208,67,59,0.18)"}
HEAT_SENSORS = 30
EVENT_POINTS = 800
NARROWEST = 1 / 400
"""An event is drawn at least this part of the plot wide."""


@dataclass(frozen=True)
class Series:
    """One entity as the report shows it."""

    table: pd.DataFrame
    """Measured values in their units, `(n_timesteps, n_channels)`."""
    detection: Detection
    expected: pd.DataFrame | None
    """What the model rebuilt, in the sensors' units, with the table's index."""
    units: Mapping[str, str]
    axis: TimeAxis

    def unit(self, share: SensorShare) -> str:
        """Look up the unit of an event's sensor."""
        return share.unit or self.units.get(share.sensor, "")


def timeline_figure(series: Series, targets: Mapping[str, str], points: int) -> go.Figure:
    """Plot the score with its threshold and events, and below it each sensor's error.

    Parameters
    ----------
    series
        The entity to show.
    targets
        Where on the page an event is shown in detail, by event id; a click on the event leads there.
    points
        Most points to draw for the score; the sensors' errors are drawn in an eighth of it.
    """
    axis, detection = series.axis, series.detection
    scores = detection.row_scores.to_numpy(dtype=np.float64, na_value=np.nan)
    thresholds = detection.row_thresholds
    sensors = _by_error(detection.errors)[:HEAT_SENSORS]
    heat_height = 20 * len(sensors)
    split = heat_height / (210 + heat_height)
    style = {"color": SCORE, "width": 1.3}
    traces = [
        _event_bars(axis, detection.events, targets),
        *_line(axis.values, scores, "score", style, points, hovertemplate="%{y:.4g}"),
        *_threshold(axis, thresholds, points // 4),
        _heatmap(axis, detection.errors[sensors], points // 8),
    ]
    names = {"tickvals": list(range(len(sensors))), "ticktext": [_label(str(name), 24) for name in sensors]}
    plain = _layout(
        290 + heat_height,
        axis,
        lowest="y2",
        yaxis=_value_axis((split + 0.04, 1), "score", **_score_scale(scores, float(np.median(thresholds)))),
        yaxis2=_value_axis((0, split), showgrid=False, autorange="reversed") | names,
        yaxis3={"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True},
    )
    return go.Figure(traces, plain)


def _score_scale(scores: Floats, threshold: float) -> dict[str, Any]:
    floor = log_floor(scores, threshold)
    if floor is None:
        return {"rangemode": "tozero"}
    return {"type": "log", "dtick": 1, "range": np.log10([floor, 2 * np.nanmax(scores)]).tolist()}


def _by_error(errors: pd.DataFrame) -> list[str]:
    """Sensors, the one that ever was furthest from its usual error first."""
    return list(errors.max().fillna(0).sort_values(ascending=False, kind="stable").index)


def _event_bars(axis: TimeAxis, events: Sequence[Event], targets: Mapping[str, str]) -> go.Bar:
    starts, stops = _edges(axis, events)
    widths = np.maximum(stops - starts, NARROWEST * (axis.values[-1] - axis.values[0]))
    return go.Bar(
        x=(starts + stops) / 2,
        y=np.ones(len(events), dtype=np.float32),
        width=widths,
        yaxis="y3",
        name="event",
        marker={"color": "rgba(208,67,59,0.28)", "line": {"width": 0}},
        customdata=[targets.get(event.event_id, "") for event in events],
        hovertext=[_label(_hover(event), 200) for event in events],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _edges(axis: TimeAxis, events: Sequence[Event]) -> tuple[np.ndarray, np.ndarray]:
    """Left and right edge of each event; the last row lasts one usual step."""
    covered = [axis.rows(event) for event in events]
    starts = np.array([axis.values[rows.start] for rows in covered], dtype=np.float64)
    stops = np.array([axis.values[rows.stop - 1] for rows in covered], dtype=np.float64)
    return starts, stops + axis.usual_step()


def _hover(event: Event) -> str:
    names = ", ".join(share.sensor for share in event.involved[:3])
    return f"{wording.interval(event)}: severity {event.severity:.0f}, {names}"


def _threshold(axis: TimeAxis, thresholds: Floats, points: int) -> list[go.Scatter]:
    x, y = axis.values, thresholds
    if (y == y[0]).all():
        x, y = x[[0, -1]], y[[0, -1]]
    return _line(x, y, "threshold", {"color": THRESHOLD, "width": 1.3, "dash": "dash"}, points, hoverinfo="skip")


def _heatmap(axis: TimeAxis, errors: pd.DataFrame, n_bins: int) -> go.Heatmap:
    values = errors.to_numpy(dtype=np.float64, na_value=np.nan)
    middles, largest = binned_max(axis.values, values, min(n_bins, len(values)))
    return go.Heatmap(
        x=middles,
        z=largest.T.astype(np.float32),
        yaxis="y2",
        colorscale=HEAT,
        zmin=1,
        zmax=100,
        showscale=False,
        hovertemplate="%{y}: %{z:.3g} × its usual error<extra></extra>",
    )


def event_figure(series: Series, event: Event, n_sensors: int = 4) -> go.Figure | None:
    """Plot an event's sensors, measured against rebuilt and expected; `None` if it names no sensor of the table."""
    shares = [share for share in event.sensors if share.sensor in series.table.columns][:n_sensors]
    if not shares:
        return None
    around = rows_around(series.axis.rows(event), len(series.table))
    (left,), (right,) = _edges(series.axis, [event])
    height = 150 * len(shares)
    title_height = 26 / height
    traces: list[go.Scatter] = []
    annotations, shapes, axes = [], [], {}
    for place, share in enumerate(shares):
        top = 1 - place / len(shares) - title_height
        bottom = 1 - (place + 1) / len(shares) + 0.25 * title_height
        axes[f"yaxis{place + 1}"] = _value_axis((bottom, top), series.unit(share))
        traces += _sensor_traces(series, share, event, around, f"y{place + 1}" if place else "y")
        annotations.append(_panel_title(share, top))
        shapes.append({**SHADE, "x0": left, "x1": right, "y0": bottom, "y1": top})
    lowest = f"y{len(shares)}" if len(shares) > 1 else "y"
    plain = _layout(height + 72, series.axis.part(around), lowest, annotations=annotations, shapes=shapes, **axes)
    return go.Figure(traces, plain)


def _sensor_traces(series: Series, share: SensorShare, event: Event, around: slice, yaxis: str) -> list[go.Scatter]:
    """What was measured, what the networks made of it, and what was expected at the peak."""
    x = series.axis.values[around]
    common: dict[str, Any] = {"yaxis": yaxis, "showlegend": yaxis == "y", "hovertemplate": "%{y:.4g}"}

    def curve(table: pd.DataFrame, name: str, style: dict[str, Any]) -> list[go.Scatter]:
        values = table[share.sensor].iloc[around].to_numpy(dtype=np.float64, na_value=np.nan)
        return _line(x, values, name, style, EVENT_POINTS, **common)

    traces = curve(series.table, "measured", {"color": ACTUAL, "width": 1.6})
    if series.expected is not None and share.sensor in series.expected.columns:
        traces += curve(series.expected, "rebuilt", {"color": EXPECTED, "width": 1.6, "dash": "dash"})
    if share.expected is not None:
        at = series.axis.values[series.axis.row(event.peak)]
        marker = {"color": EXPECTED, "size": 9, "symbol": "diamond-open", "line": {"width": 2}}
        traces.append(go.Scatter(x=[at], y=[share.expected], name="expected", mode="markers", marker=marker, **common))
    return traces


def _panel_title(share: SensorShare, top: float) -> dict[str, Any]:
    return {
        "text": f"<b>{_label(share.sensor)}</b>  {wording.percent(share.share)} of the error",
        "x": 0,
        "y": top,
        "xref": "paper",
        "yref": "paper",
        "xanchor": "left",
        "yanchor": "bottom",
        "showarrow": False,
    }


def _label(text: str, limit: int = 60) -> str:
    """Prepare a user's text for plotly: cut when long, and neither markup nor a template.

    >>> _label("<b>flow</b> %{x}")
    '&lt;b&gt;flow&lt;/b&gt; %&#123;x}'
    """
    short = text if len(text) <= limit else text[: limit - 1] + "…"
    return html.escape(short, quote=False).replace("{", "&#123;")


def _layout(height: int, axis: TimeAxis, lowest: str, **more: Any) -> go.Layout:
    """Lay out a plot of `height` pixels; its time axis stands below the vertical axis called `lowest`."""
    return go.Layout(
        template=go.layout.Template(),
        height=height,
        margin={"l": 64, "r": 16, "t": 28, "b": 44},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 12, "color": "#555"},
        hovermode="x",
        dragmode="zoom",
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom"},
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": "#8a949e", "activecolor": ACTUAL},
        xaxis={
            "type": "date" if axis.is_date else "linear",
            "title": {"text": _label(axis.title)},
            "anchor": lowest,
            "range": [float(axis.values[0]), float(axis.values[-1]) + axis.usual_step()],
            **GRID,
        },
        **more,
    )


def _value_axis(domain: tuple[float, float], title: str = "", **extra: Any) -> dict[str, Any]:
    """Describe a vertical axis over a part of the plot's height, 0 at the bottom and 1 at the top."""
    title_text = {"title": {"text": _label(title, 20)}}
    return {"domain": list(domain), **title_text, **GRID, "automargin": True, "nticks": 5, **extra}


def _line(x: Floats, y: Floats, name: str, style: dict[str, Any], limit: int, **extra: Any) -> list[go.Scatter]:
    """Draw a line of about `limit` points, broken where values are missing; lone points become dots."""
    x, y = thin(x, y, limit)
    alone = isolated(y)
    traces = [go.Scatter(x=x, y=y, name=name, mode="lines", line=style, **extra)]
    if alone.any():
        dots = {"color": style["color"], "size": 4}
        extra = extra | {"showlegend": False, "hoverinfo": "skip", "hovertemplate": None}
        traces.append(go.Scatter(x=x[alone], y=y[alone], mode="markers", marker=dots, **extra))
    return traces
