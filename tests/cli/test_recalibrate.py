from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

import tsae as package
from tests.cli.conftest import tsae


def test_the_threshold_is_learned_anew_and_nothing_else_changes(workshop: Path, here: Path) -> None:
    assert tsae("fit", workshop / "train.csv", "-o", "m.tsae", "--max-steps", "10").exit_code == 0
    before = package.load(here / "m.tsae")
    result = tsae("recalibrate", "m.tsae", workshop / "train.csv", "--false-alarms", "5 per 1000 rows")
    assert result.exit_code == 0, result.stderr
    after = package.load(here / "m.tsae")
    assert after.learned_threshold_.n_rows == 600
    assert after.learned_threshold_.budget == "5 per 1000 rows"
    assert after.threshold_ != before.threshold_
    rows = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 4)), columns=before.channels_)
    np.testing.assert_array_equal(after.score_samples(rows), before.score_samples(rows))
