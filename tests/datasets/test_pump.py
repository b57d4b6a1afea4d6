from __future__ import annotations

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tsae.errors import ParameterError
from tsae.series.bundled import BUNDLED_DATASETS, bundled_dataset

GENERATOR = Path(__file__).parents[2] / "datasets" / "pump" / "generate.py"
PERIOD = pd.Timedelta("5min")
UNITS = {
    "flow": "m3/h",
    "suction pressure": "bar",
    "discharge pressure": "bar",
    "motor power": "kW",
    "motor current": "A",
    "bearing temperature": "degC",
    "vibration": "mm/s",
    "tank level": "m",
    "valve position": "%",
}
SENSORS = [f"{name} [{unit}]" for name, unit in UNITS.items()] + ["standby_pump_on"]
PUMP = bundled_dataset("pump")


@pytest.fixture(scope="module")
def train() -> pd.DataFrame:
    return pd.read_csv(PUMP.train, parse_dates=["timestamp"])


@pytest.fixture(scope="module")
def later() -> pd.DataFrame:
    return pd.read_csv(PUMP.later, parse_dates=["timestamp"])


@pytest.fixture(scope="module")
def faults() -> pd.DataFrame:
    return pd.read_csv(PUMP.faults, parse_dates=["start", "end"])


@pytest.fixture(scope="module")
def maintenance() -> pd.DataFrame:
    return pd.read_csv(PUMP.maintenance, parse_dates=["start", "end"])


def rows_in(table: pd.DataFrame, start: pd.Timestamp, end: pd.Timestamp) -> pd.Series:
    return table["timestamp"].between(start, end)


def test_the_generator_reproduces_the_committed_files_byte_for_byte(tmp_path):
    subprocess.run([sys.executable, str(GENERATOR), str(tmp_path)], check=True, timeout=60)
    made = sorted(path.name for path in tmp_path.iterdir())
    assert made == ["faults.csv", "later.csv", "maintenance.csv", "train.csv"]
    for name in made:
        assert (tmp_path / name).read_bytes() == (GENERATOR.parent / name).read_bytes(), name


def test_the_files_are_small_and_use_plain_line_ends():
    paths = [PUMP.train, PUMP.later, PUMP.faults, PUMP.maintenance]
    assert sum(path.stat().st_size for path in paths) < 1_200_000
    assert not any(b"\r" in path.read_bytes() for path in paths)


def test_columns_carry_their_units(train, later, faults, maintenance):
    assert list(train) == ["timestamp", *SENSORS]
    assert list(later) == ["timestamp", *SENSORS, "label"]
    assert list(faults) == ["start", "end", "kind", "sensor", "description", "visible"]
    assert list(maintenance) == ["start", "end", "reason"]
    assert all(train[name].dtype == float for name in SENSORS[:-1])
    assert set(train["standby_pump_on"]) == set(later["standby_pump_on"]) == {0, 1}


def test_times_are_naive_iso_and_sorted_and_later_follows_train(train, later):
    first = PUMP.train.read_text(encoding="utf-8").splitlines()[1].split(",")[0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", first)
    assert train["timestamp"].is_monotonic_increasing
    assert later["timestamp"].is_monotonic_increasing
    assert later["timestamp"].iloc[0] - train["timestamp"].iloc[-1] == PERIOD
    assert 21 <= (train["timestamp"].iloc[-1] - train["timestamp"].iloc[0]).days <= 28
    assert 10 <= (later["timestamp"].iloc[-1] - later["timestamp"].iloc[0]).days <= 14


@pytest.mark.parametrize("name", ["train", "later"])
def test_the_log_has_short_and_long_gaps_duplicates_and_missing_cells(name, request):
    table = request.getfixturevalue(name)
    lost_rows = table["timestamp"].diff().dropna() / PERIOD - 1
    assert lost_rows.between(1, 3).sum() >= 2
    assert (lost_rows > 20).sum() >= 1
    assert table.duplicated().sum() == table["timestamp"].duplicated().sum() >= 1
    missing = table[SENSORS[:-1]].isna()
    assert missing.any().all()
    assert 0.001 < missing.to_numpy().mean() < 0.01


def test_the_label_is_one_exactly_inside_the_listed_faults(later, faults):
    inside = pd.Series(False, index=later.index)
    for fault in faults.itertuples():
        rows = rows_in(later, fault.start, fault.end)
        assert rows.sum() == (fault.end - fault.start) / PERIOD + 1  # no row of a fault is lost or repeated
        inside |= rows
    pd.testing.assert_series_equal(later["label"] == 1, inside, check_names=False)
    assert 0.02 < inside.mean() < 0.1


def test_faults_are_of_all_kinds_and_apart(faults, maintenance):
    kinds = {
        "stuck sensor",
        "leak",
        "cavitation",
        "spike",
        "slow drift",
        "broken correlation",
        "switch fault",
    }
    assert kinds <= set(faults["kind"])
    assert 8 <= len(faults) <= 12
    assert set(faults["visible"]) == {"yes", "no"}
    assert {sensor for cell in faults["sensor"] for sensor in cell.split(";")} <= set(SENSORS)
    spans = pd.concat([faults, maintenance])[["start", "end"]].sort_values("start")
    for before, after in pairwise(spans.itertuples()):
        assert after.start - before.end >= pd.Timedelta("12h")


def test_maintenance_is_odd_but_no_fault(later, maintenance):
    (interval,) = maintenance.itertuples()
    rows = later[rows_in(later, interval.start, interval.end)]
    assert (rows["label"] == 0).all()
    assert rows["motor power [kW]"].min() == 0
    normal = later[(later["label"] == 0) & ~rows_in(later, interval.start, interval.end)]
    assert normal["motor power [kW]"].min() > 10


@pytest.mark.parametrize("name", ["train", "later"])
def test_the_main_motor_pays_for_flow_times_head(name, request, maintenance):
    table = request.getfixturevalue(name)
    alone = table[(table["standby_pump_on"] == 0) & (table.get("label", 0) == 0)]
    head = alone["discharge pressure [bar]"] - alone["suction pressure [bar]"]
    assert alone["motor power [kW]"].corr(alone["flow [m3/h]"] * head) > 0.98


def test_the_tank_rises_at_night_and_the_bearing_follows_the_motor_late(train):
    regular = train.drop_duplicates("timestamp").set_index("timestamp").asfreq("5min")
    level = regular["tank level [m]"]
    assert level.between_time("05:00", "06:00").mean() > level.between_time("20:00", "21:00").mean() + 0.5
    power, temperature = regular["motor power [kW]"], regular["bearing temperature [degC]"]
    lag = max(range(24), key=lambda rows: temperature.corr(power.shift(rows)))
    assert 3 <= lag <= 12  # rows of five minutes


def test_normal_rows_of_later_stay_in_the_range_of_train(train, later, maintenance):
    (interval,) = maintenance.itertuples()
    normal = later[(later["label"] == 0) & ~rows_in(later, interval.start, interval.end)]
    margin = 0.05 * (train[SENSORS].max() - train[SENSORS].min())
    assert (normal[SENSORS].min() >= train[SENSORS].min() - margin).all()
    assert (normal[SENSORS].max() <= train[SENSORS].max() + margin).all()


def test_a_multivariate_z_score_does_not_find_every_visible_fault(train, later, faults):
    mean, deviation = train[SENSORS].mean(), train[SENSORS].std()
    score_train = (((train[SENSORS] - mean) / deviation) ** 2).mean(axis=1)
    score_later = (((later[SENSORS] - mean) / deviation) ** 2).mean(axis=1)
    threshold = np.quantile(score_train, 0.999)
    visible = faults[faults["visible"] == "yes"]
    found = [score_later[rows_in(later, f.start, f.end)].max() > threshold for f in visible.itertuples()]
    assert 1 <= sum(found) <= len(visible) - 3


def test_hidden_faults_stay_in_the_normal_range_and_visible_ones_show(train, later, faults):
    for fault in faults[faults["visible"] == "no"].itertuples():
        values = later.loc[rows_in(later, fault.start, fault.end), fault.sensor]
        assert values.between(train[fault.sensor].quantile(0.01), train[fault.sensor].quantile(0.99)).all()
    stuck = faults[faults["kind"] == "stuck sensor"].iloc[0]
    assert later.loc[rows_in(later, stuck.start, stuck.end), stuck.sensor].nunique() == 1
    assert later.loc[rows_in(later, stuck.start, stuck.end), "valve position [%]"].std() > 5


def test_bundled_paths_exist_and_an_unknown_name_lists_the_known_ones():
    for name in BUNDLED_DATASETS:
        found = bundled_dataset(name)
        assert all(path.is_file() for path in (found.train, found.later, found.faults, found.maintenance))
    with pytest.raises(ParameterError, match=r"`name` \(='pumpe'\) .* choose one of 'pump'"):
        bundled_dataset("pumpe")
