"""A fitted detector as one ONNX file."""

from __future__ import annotations

import json
import os
from importlib.metadata import version
from typing import Any, NamedTuple

import torch

from tsae.errors import ParameterError
from tsae.export.graph import ScoreGraph
from tsae.model.fitted import FittedModel, causal_model
from tsae.networks.graph import traced
from tsae.store import write_atomically

__all__ = ["ExportedGraph", "export_onnx"]

_OUTPUTS = ("score", "unsmoothed", "label", "errors")


class ExportedGraph(NamedTuple):
    """What was written."""

    n_rows: int
    """Rows of an input."""
    n_channels: int
    threshold: float
    """What the judged score is compared with."""
    n_bytes: int


def export_onnx(detector: Any, path: str | os.PathLike[str]) -> ExportedGraph:
    """Write a fitted detector of series as one ONNX graph, for run times that know nothing of tsae.

    Everything from the sensors' values to the label is inside: scaling, filling of missing values, networks, errors,
    smoothing, calibration, switches and constant channels, and the learned threshold. Only thresholds that follow the
    rows (`adapt`), events, and putting rows on a clock are not.

    The input `rows`, float64 `(batch, n_rows, n_channels)`, holds the latest rows in the sensors' units, in time order
    without gaps, NaN where missing; `n_rows` is long enough for all that the score of the last row depends on. The
    outputs:

    - `score`, float32 `(batch,)`: what `StreamScorer` gives for the last row at once, higher = more anomalous;
    - `unsmoothed`, float32 `(batch,)`: the score of the row's own errors;
    - `label`, bool `(batch,)`: whether the judged one of the two exceeds the threshold;
    - `errors`, float32 `(batch, n_channels)`: in usual errors, NaN where missing.

    They differ from those of a longer stream only if a channel had no value since before the first of the rows, where
    its mean stands in for what was last seen, or if a switch has not changed for more than 1,000 rows.

    The file's metadata name `channels`, `units`, `period` (seconds), `judged`, `threshold` and `tsae` (the version).

    Parameters
    ----------
    detector
        A fitted `AnomalyDetector`, or the `FittedModel` of a model file.

    Returns
    -------
    ExportedGraph
        What was written.

    Raises
    ------
    ParameterError
        If the detector cannot be exported: one of pictures, with a label classifier, or whose score draws at random.
    OutputError
        If the file cannot be written.
    """
    model = causal_model(detector)
    graph = ScoreGraph(model).eval()
    example = torch.zeros(3, graph.n_rows, graph.n_channels, dtype=torch.float64)
    try:
        content = _with_facts(traced(graph, {"rows": example}, _OUTPUTS), model, graph)
    except torch.onnx.errors.OnnxExporterError as error:
        reason = str(error).splitlines()[0]
        raise ParameterError(f"this detector has no ONNX graph ({reason}); use its model file with tsae") from error
    write_atomically(path, content)
    return ExportedGraph(graph.n_rows, graph.n_channels, graph.threshold, len(content))


def _with_facts(content: bytes, model: FittedModel, graph: ScoreGraph) -> bytes:
    import onnx

    facts = {
        "channels": list(model.channels),
        "units": dict(model.units),
        "period": model.period,
        "judged": "score" if graph.judges_smoothed else "unsmoothed",
        "threshold": graph.threshold,
    }
    loaded = onnx.load_model_from_string(content)
    stated = {name: json.dumps(value) for name, value in facts.items()}
    onnx.helper.set_model_props(loaded, {**stated, "tsae": version("tsae")})
    onnx.checker.check_model(loaded)
    return bytes(loaded.SerializeToString())
