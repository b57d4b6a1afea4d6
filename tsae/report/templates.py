"""The templates of the report, which escape everything they are given."""

from __future__ import annotations

from functools import cache
from typing import Any

import jinja2
import plotly.graph_objects as go

from tsae.alarms.rules import severity_band
from tsae.report import wording

__all__ = ["environment"]


@cache
def environment() -> jinja2.Environment:
    """The templates with the words of `wording` as filters; `tojson` writes a figure."""
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("tsae.report", package_path=""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {name: getattr(wording, name) for name in wording.__all__}
    templates.filters["severity_band"] = severity_band
    templates.policies["json.dumps_function"] = _figure_json
    return templates


def _figure_json(figure: go.Figure, **_: Any) -> str:
    """What the template's `tojson` writes, before it escapes `<`, `>`, `&` and `'`."""
    return str(figure.to_json())
