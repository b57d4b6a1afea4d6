"""What the public methods of both detectors promise to a type checker."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from tsae import AnomalyDetector, ImageAnomalyDetector

ROOT = Path(__file__).parents[2]
USES = """
from typing import assert_type

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsae import AnomalyDetector, Detection


def use(detector: AnomalyDetector, frame: pd.DataFrame, rows: NDArray[np.float64]) -> None:
    assert_type(detector.detect(frame), Detection)
    assert_type(detector.detect([frame, frame]), list[Detection])
    assert_type(detector.errors(frame), pd.DataFrame)
    assert_type(detector.reconstruct(rows), NDArray[np.floating])
    assert_type(detector.denoise([frame], noise=0.1), list[pd.DataFrame])
    assert_type(detector.model_.lag, int)
    assert_type(detector.threshold_, float)
"""


@pytest.mark.parametrize("kind", [AnomalyDetector, ImageAnomalyDetector])
def test_no_public_method_returns_anything_whatever(kind: type) -> None:
    own = [each for name, each in vars(kind).items() if not name.startswith("_")]
    functions = [each.fget if isinstance(each, property) else each for each in own]
    returned = {each.__name__: inspect.signature(each).return_annotation for each in functions if callable(each)}
    assert len(returned) > 20
    assert "Any" not in returned.values()
    assert inspect.Signature.empty not in returned.values()


@pytest.mark.parametrize("kind", [AnomalyDetector, ImageAnomalyDetector])
def test_an_estimator_has_its_methods_itself(kind: type) -> None:
    borrowed = {each.__module__ for each in kind.__mro__ if each.__module__.startswith("tsae.")}
    assert borrowed == {kind.__module__, "tsae.detection.parameters.groups"}


def test_one_table_gives_one_answer_and_many_give_a_list(tmp_path: Path) -> None:
    path = tmp_path / "uses.py"
    path.write_text(USES, "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
