"""What the report's plots share: colours, axes, and lines that show holes.

Colours read on white and on black; text and grid take theirs from the page's style sheet.
"""

from __future__ import annotations

import html
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from tsae.report.axis import TimeAxis
from tsae.report.thinning import isolated, thin

__all__ = ["ACTUAL", "EXPECTED", "SCORE", "THRESHOLD", "label", "layout", "line", "value_axis"]

ACTUAL = "#2a7fd4"
EXPECTED = "#e08214"
SCORE = "#6b7fa8"
THRESHOLD = "#d0433b"

Floats = NDArray[np.float64]


def label(text: str, limit: int = 60) -> str:
    """Prepare a user's text for plotly: cut when long, and neither markup nor a template.

    >>> label("<b>flow</b> %{x}")
    '&lt;b&gt;flow&lt;/b&gt; %&#123;x}'
    """
    short = text if len(text) <= limit else text[: limit - 1] + "…"
    return html.escape(short, quote=False).replace("{", "&#123;")


def layout(height: int, axis: TimeAxis, lowest: str, **more: Any) -> go.Layout:
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
            "title": {"text": label(axis.title)},
            "anchor": lowest,
            "range": [float(axis.values[0]), float(axis.values[-1]) + axis.usual_step()],
            "gridcolor": "rgba(128,128,128,0.25)",
            "zeroline": False,
        },
        **more,
    )


def value_axis(domain: tuple[float, float], title: str = "", **extra: Any) -> dict[str, Any]:
    """Describe a vertical axis over a part of the plot's height, 0 at the bottom and 1 at the top."""
    plain = {"gridcolor": "rgba(128,128,128,0.25)", "zeroline": False, "automargin": True, "nticks": 5}
    return {"domain": list(domain), "title": {"text": label(title, 20)}, **plain, **extra}


def line(x: Floats, y: Floats, name: str, style: dict[str, Any], limit: int, **extra: Any) -> list[go.Scatter]:
    """Draw a line of about `limit` points, broken where values are missing; lone points become dots."""
    x, y = thin(x, y, limit)
    alone = isolated(y)
    traces = [go.Scatter(x=x, y=y, name=name, mode="lines", line=style, **extra)]
    if alone.any():
        dots = {"color": style["color"], "size": 4}
        extra = extra | {"showlegend": False, "hoverinfo": "skip", "hovertemplate": None}
        traces.append(go.Scatter(x=x[alone], y=y[alone], mode="markers", marker=dots, **extra))
    return traces
