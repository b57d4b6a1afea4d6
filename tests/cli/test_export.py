from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

from tests.cli.reference import CHANNELS, later, refused, tsae
from tsae import StreamScorer, load


def test_a_graph_scores_without_tsae(model: Path, here: Path) -> None:
    result = tsae("export", model, "plant.onnx")
    assert result.exit_code == 0, result.output
    assert ", ".join(CHANNELS) in " ".join(result.output.split())
    session = onnxruntime.InferenceSession("plant.onnx", providers=["CPUExecutionProvider"])
    n_rows = session.get_inputs()[0].shape[1]
    values = later().to_numpy()[-n_rows:]
    score, *_ = session.run(None, {"rows": values[None]})
    expected = StreamScorer(load(model)).update_many(values).immediate[-1].score
    np.testing.assert_allclose(score, [expected], rtol=1e-4)


def test_the_model_is_not_overwritten(model: Path, here: Path) -> None:
    before = model.read_bytes()
    assert "is also an input" in refused(2, "export", model, model)
    assert model.read_bytes() == before


def test_what_cannot_be_written_is_told(model: Path, here: Path) -> None:
    assert "cannot write" in refused(5, "export", model, here / "missing" / "plant.onnx")
