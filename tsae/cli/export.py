"""`tsae export`: a model as one ONNX graph."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tsae.cli.console import print_facts
from tsae.cli.inputs import check_outputs, table_detector
from tsae.cli.options import Model

__all__ = ["export"]


def export(
    model: Model,
    graph: Annotated[
        Path, typer.Argument(metavar="GRAPH", help="ONNX file to write, such as pump.onnx.", show_default=False)
    ],
) -> None:
    """Write a model as one ONNX graph, with scaling, networks, score and threshold inside, for other run times.

    It takes the latest rows in time order, in the sensors' units, NaN where missing (how many, it tells and the graph
    states), and gives the score of the last one at lag 0, the same without smoothing, its label, and the error of each
    sensor. The metadata of the graph name channels, units, period and threshold.
    """
    from tsae.export.export import export_onnx

    check_outputs([graph], [model])
    detector = table_detector(model)
    written = export_onnx(detector, graph)
    facts = {
        "graph": f"{graph} ({written.n_bytes / 1e6:.1f} MB)",
        "input": f"rows, float64 (batch, {written.n_rows}, {written.n_channels}): {', '.join(detector.channels_)}",
        "outputs": "score, unsmoothed, label (batch,); errors (batch, channels)",
        "threshold": f"{written.threshold:.4g}",
    }
    print_facts(facts)
