"""The pages of the report: templates, which escape everything they are given, and files."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import jinja2
import plotly.graph_objects as go

from tsae.alarms.rules import severity_band
from tsae.report import wording
from tsae.store import write_atomically

__all__ = ["render", "write_page"]


def render(template: str, **values: Any) -> str:
    """Fill in a template."""
    return _environment().get_template(template).render(values)


def write_page(path: str | os.PathLike[str], page: str) -> None:
    """Write a page into a file; an older file stays as it was if that fails.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    write_atomically(path, page.encode("utf-8", errors="replace"))


@cache
def _environment() -> jinja2.Environment:
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
