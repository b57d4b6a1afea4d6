"""An exported graph, executed by ONNX Runtime alone, answers as a stream does at once."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

import tsae
from tests.detection.pictures import pictures
from tests.detection.plants import COMPOSITIONS, Composition, fitted, readings, today
from tsae import AnomalyDetector, ImageAnomalyDetector, StreamScorer
from tsae.detection.parameters.groups import in_groups
from tsae.errors import OutputError, ParameterError
from tsae.export.export import export_onnx
from tsae.scoring.window_models import MaskedModel

N_WINDOWS = 40
CLOSE = {"rtol": 1e-4, "atol": 1e-4}
CHOSEN = [COMPOSITIONS[number] for number in (1, 5, 11, 14)]
"""Dense, convolutional and transformer networks, Gaussian codes, constant channels and switches."""


class Answers:
    """What a graph gives for every run of rows that is long enough, `(n_runs, …)` each."""

    def __init__(self, path: Path, values: np.ndarray) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.n_rows = session.get_inputs()[0].shape[1]
        self.runs = np.lib.stride_tricks.sliding_window_view(values, self.n_rows, axis=0).transpose(0, 2, 1)
        self.score, self.unsmoothed, self.label, self.errors = session.run(None, {"rows": self.runs})
        self.facts = session.get_modelmeta().custom_metadata_map


def of_streams(detector: Any, runs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Score, label and errors of the last row of each run, which is all that a fresh stream gets."""
    n_runs, n_rows, n_channels = runs.shape
    names = [str(number) for number in range(n_runs) for _ in range(n_rows)]
    found = StreamScorer(detector, lag=0, adapt=False).update_many(runs.reshape(-1, n_channels), None, names)
    now, settled = (
        sorted((row for row in rows if row.row == n_rows - 1), key=lambda row: int(row.entity))
        for rows in (found.immediate, found.settled)
    )
    errors = np.array([row.errors for row in settled])
    return np.array([row.score for row in now]), np.array([row.label for row in now]), errors


def assert_equal_to_streams(detector: Any, answers: Answers) -> None:
    some = slice(0, None, 4)
    scores, labels, errors = of_streams(detector, answers.runs[some])
    np.testing.assert_allclose(answers.score[some], scores, **CLOSE)
    np.testing.assert_array_equal(answers.label[some], labels)
    np.testing.assert_allclose(answers.errors[some], errors, rtol=1e-3, atol=1e-4)


def exported(detector: Any, values: np.ndarray, folder: Path) -> Answers:
    export_onnx(detector, folder / "m.onnx")
    return Answers(folder / "m.onnx", values)


@cache
def mixed() -> AnomalyDetector:
    """The default preset: members that predict hidden blocks beside those that rebuild, switches that keep time."""
    rows = readings(640, "aac")
    steady = (np.arange(640) // 8 % 2).astype(float)
    budget = {"threshold": "pot", "false_alarm_rate": "1%"}
    return AnomalyDetector(max_steps=6, random_state=0, **budget).fit(np.column_stack([rows, steady]))


def mixed_today(n_rows: int) -> np.ndarray:
    table = readings(640 + n_rows, "aac", seed=1)[640:]
    steady = (np.arange(n_rows) // 8 % 2).astype(float)
    steady[-N_WINDOWS + 10 : -N_WINDOWS + 35] = 1.0  # it stays on for too long
    table[-20:-15, 2] += 2.0
    table[-30:-26, 1] += 5.0
    table[-12:-10] = np.nan
    return np.column_stack([table, steady])


@pytest.mark.parametrize("composition", CHOSEN, ids=str)
def test_a_graph_answers_like_a_fresh_stream(composition: Composition, tmp_path: Path) -> None:
    detector = fitted(composition)
    n_rows = export_onnx(detector, tmp_path / "m.onnx").n_rows
    values = today(composition, n_rows + N_WINDOWS)
    answers = Answers(tmp_path / "m.onnx", values)
    assert len(answers.runs) == N_WINDOWS + 1
    assert_equal_to_streams(detector, answers)
    assert np.ptp(answers.score) > 1


def test_masked_members_switches_and_constants_count(tmp_path: Path) -> None:
    detector = mixed()
    assert any(isinstance(member.model, MaskedModel) for member in detector.model_.ensemble.members)
    assert detector.model_.ensemble.switches is not None
    assert np.isfinite(detector.model_.ensemble.switches.habits.longest).all()
    values = mixed_today(export_onnx(detector, tmp_path / "m.onnx").n_rows + N_WINDOWS)
    answers = Answers(tmp_path / "m.onnx", values)
    assert_equal_to_streams(detector, answers)
    assert answers.label.any()
    assert not answers.label.all()
    assert answers.facts["judged"] == '"unsmoothed"'
    stuck = values.copy()
    stuck[:, 3] = 1.0
    assert (Answers(tmp_path / "m.onnx", stuck).score > answers.score + 1).any()
    moved = values.copy()
    moved[-5:, 2] += 10
    assert Answers(tmp_path / "m.onnx", moved).score[-1] > answers.score[-1] + 1


def test_enough_rows_are_as_good_as_all_rows(tmp_path: Path) -> None:
    detector = mixed()
    n_rows = export_onnx(detector, tmp_path / "m.onnx").n_rows
    values = mixed_today(n_rows + 3 * N_WINDOWS)
    whole = StreamScorer(detector, lag=0, adapt=False).update_many(values).immediate
    answers = Answers(tmp_path / "m.onnx", values)
    known = ~np.isnan(answers.runs[:, 0]).any(axis=1)  # what was missing before cannot be known
    expected = np.array([row.score for row in whole])[n_rows - 1 :]
    np.testing.assert_allclose(answers.score[known], expected[known], **CLOSE)
    assert known.sum() > 2 * N_WINDOWS


@pytest.mark.parametrize(
    "parameters",
    [
        {"corruption": "mask_points", "score_by": "masked", "n_samples": 4},
        {"bottleneck": "gaussian", "loss": "gaussian", "score_by": "probability", "n_samples": 3},
        {"loss": "gaussian", "variance": "learned", "score_by": "probability"},
    ],
    ids=["masked", "probability", "learned variance"],
)
def test_every_judge_is_exported(parameters: dict[str, Any], tmp_path: Path) -> None:
    detector = AnomalyDetector(window_size=8, max_steps=6, random_state=0, preset="alone", **in_groups(parameters))
    detector.fit(readings(200, "aa"))
    assert_equal_to_streams(detector, exported(detector, readings(60, "aa", seed=2), tmp_path))


def test_a_loaded_model_gives_the_same_graph_and_says_what_it_takes(tmp_path: Path) -> None:
    detector = fitted(COMPOSITIONS[6])
    detector.save(tmp_path / "m.tsae")
    values = today(COMPOSITIONS[6], 160)
    fresh, loaded = (exported(each, values, tmp_path) for each in (detector, tsae.load(tmp_path / "m.tsae")))
    np.testing.assert_allclose(loaded.score, fresh.score, **CLOSE)
    stated = {name: json.loads(value) for name, value in loaded.facts.items() if name != "tsae"}
    assert stated["channels"] == list(detector.channels_)
    assert stated["threshold"] == detector.thresholds_.used_immediate.value
    model = onnx.load(tmp_path / "m.onnx")
    assert [each.name for each in model.graph.output] == ["score", "unsmoothed", "label", "errors"]


def test_what_has_no_graph_is_refused(tmp_path: Path) -> None:
    of_pictures = ImageAnomalyDetector(max_steps=2, random_state=0).fit(pictures("coloured"))
    with pytest.raises(ParameterError, match=r"`detector` \(=ImageAnomalyDetector\) scores no series"):
        export_onnx(of_pictures, tmp_path / "m.onnx")
    with pytest.raises(OutputError, match="cannot write"):
        export_onnx(fitted(COMPOSITIONS[1]), tmp_path / "missing" / "m.onnx")
