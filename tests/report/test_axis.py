from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.report.examples import event
from tsae.errors import DataError
from tsae.report.axis import TimeAxis


def test_local_time_is_drawn_by_the_wall_clock() -> None:
    axis = TimeAxis.of(pd.date_range("2024-03-05 08:00", periods=3, freq="h", tz="Europe/Berlin"))
    assert axis.title == "time (Europe/Berlin)"
    assert axis.values[0] == pd.Timestamp("2024-03-05 08:00").timestamp() * 1000


def test_a_clock_put_back_in_autumn_is_drawn_in_utc() -> None:
    axis = TimeAxis.of(pd.date_range("2024-10-27 00:00", periods=6, freq="h", tz="Europe/Berlin"))
    assert axis.title == "time (UTC)"
    assert np.diff(axis.values).tolist() == [3_600_000.0] * 5


@pytest.mark.parametrize(
    ("index", "values"),
    [
        (pd.RangeIndex(10, 13), [10, 11, 12]),
        (pd.Index([0.5, 1.0, 4.0]), [0.5, 1.0, 4.0]),
        (pd.Index([3, 1, 2]), [0, 1, 2]),
        (pd.Index(["a", "b", "c"]), [0, 1, 2]),
        (pd.to_datetime(["2024-01-02", "2024-01-01", "2024-01-03"]), [0, 1, 2]),
    ],
    ids=["rows", "numbers", "steps back", "text", "time steps back"],
)
def test_an_index_without_a_clock_gives_rows(index: pd.Index, values: list[float]) -> None:
    axis = TimeAxis.of(index)
    assert axis.values.tolist() == values
    assert not axis.is_date


def test_an_event_covers_its_rows_with_the_last_one() -> None:
    times = pd.date_range("2024-01-01", periods=10, freq="min")
    assert TimeAxis.of(times).rows(event(times[3], times[5])) == slice(3, 6)
    assert TimeAxis.of(pd.RangeIndex(100, 110)).rows(event(103, 105)) == slice(3, 6)
    assert TimeAxis.of(pd.Index(list("abcdefghij"))).rows(event("d", "f")) == slice(3, 6)


def test_equal_times_belong_to_the_event_together() -> None:
    times = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-02", "2024-01-03"])
    assert TimeAxis.of(times).rows(event(times[1], times[1])) == slice(1, 3)


def test_an_event_of_another_table_is_refused() -> None:
    axis = TimeAxis.of(pd.date_range("2024-01-01", periods=3, freq="D"))
    with pytest.raises(DataError, match=r"2030.* is not in the table's index .*pass the table that was scored"):
        axis.rows(event(pd.Timestamp("2030-01-01"), pd.Timestamp("2030-01-02")))
