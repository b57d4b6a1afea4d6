"""A model file of the first format keeps giving the scores and errors that the code of its day gave.

Labels and events come from the decision, which is not in the file and has changed since.

`first_format.tsae` was fitted by commit d511727 on 500 rows, `first_format_rows.csv` are the rows behind them, and
`first_format_scores.json` is what that code made of them. None of the three is ever to be written again.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tsae import StreamScorer, load

HERE = Path(__file__).parent
MODEL = HERE / "first_format.tsae"


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return pd.read_csv(HERE / "first_format_rows.csv", index_col="time", parse_dates=True)


@pytest.fixture(scope="module")
def expected() -> dict:
    return json.loads((HERE / "first_format_scores.json").read_text("utf-8"))


def test_a_table_gets_the_same_scores(rows: pd.DataFrame, expected: dict) -> None:
    found = load(MODEL).detect(rows)
    for name, series in (("score", found.scores), ("judged", found.judged)):
        np.testing.assert_allclose(series, expected[name], rtol=1e-6, err_msg=name)
    np.testing.assert_allclose(found.errors, np.array(expected["errors"], dtype=float), rtol=1e-4, atol=1e-6)


def test_the_strongest_event_is_still_found_with_its_sensor(rows: pd.DataFrame, expected: dict) -> None:
    start, stop, _, _, sensor, *_ = max(expected["events"], key=lambda event: event[3])
    found = [
        event for event in load(MODEL).detect(rows).events if str(event.start) <= stop and str(event.stop) >= start
    ]
    assert found
    assert sensor in {event.sensors[0].sensor for event in found}


def test_a_stream_gets_the_same_immediate_scores(rows: pd.DataFrame, expected: dict) -> None:
    stream = StreamScorer(load(MODEL))
    found = [score.score for time, row in rows.iterrows() for score in stream.update(row.to_numpy(), time).immediate]
    np.testing.assert_allclose(found, expected["immediate"], rtol=1e-5)
