from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tsae.cli.outputs import write_frame


@pytest.mark.parametrize("name", ["scores.csv", "scores.parquet"])
def test_a_long_frame_comes_back_as_it_was(tmp_path, name):
    n_rows = 60_000  # more than pandas writes in one piece
    frame = pd.DataFrame(
        {
            "time": pd.date_range("2026-01-01", periods=n_rows, freq="7s"),
            "score": np.random.default_rng(0).random(n_rows).round(5),
            "label": np.arange(n_rows) % 2,
            "top_sensor": pd.Categorical.from_codes(np.arange(n_rows) % 3 - 1, ["flow", "level"]),
        }
    )
    path = tmp_path / name
    write_frame(frame, path)
    back = pd.read_parquet(path) if name.endswith("parquet") else pd.read_csv(path, parse_dates=["time"])
    pd.testing.assert_frame_equal(back.astype(object), frame.astype(object), check_dtype=False)
    assert [each.name for each in tmp_path.iterdir()] == [name]
