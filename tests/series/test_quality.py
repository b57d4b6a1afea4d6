import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.series.reference import loop_longest_flat_run
from tsae.series.quality import check_table, find_copies, longest_flat_run, measure
from tsae.series.reading import SensorTable
from tsae.series.synthetic import inject, make_series

N = 5_000


def table_of(units=None, freq="1min", **columns):
    index = pd.date_range("2026-11-24", periods=len(next(iter(columns.values()))), freq=freq)
    return SensorTable({"": pd.DataFrame(columns, index=index, dtype=float)}, units=units or {})


def wave(seed=0, n_rows=N):
    return make_series(n_rows, 1, random_state=seed)[:, 0]


def only_sensor(values):
    return check_table(table_of(x=values)).sensors[0]


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0, float("nan")]), min_size=1, max_size=20))
def test_the_longest_flat_run_equals_a_loop(values):
    assert longest_flat_run(np.array(values)) == loop_longest_flat_run(values)


def test_a_good_sensor_has_grade_a():
    sensor = only_sensor(wave())
    assert (sensor.grade, sensor.reasons) == ("A", ())


@pytest.mark.parametrize(
    ("share", "grade"), [(0.001, "A"), (0.01, "B"), (0.1, "C"), (0.3, "D"), (0.6, "E"), (1.0, "F")]
)
def test_missing_values_lower_the_grade(share, grade):
    values = wave()
    values[: round(share * N)] = np.nan
    sensor = only_sensor(values)
    assert sensor.grade == grade
    assert sensor.facts.missing == pytest.approx(share)


def test_reasons_say_what_and_where():
    values = wave()
    stuck = inject(values[:, None], 1_000, 1_400, 0, "stuck")[:, 0]
    assert only_sensor(stuck).grade == "C"
    assert "for 400 rows (6.67 h) from 2026-11-24 16:40:00: was it stuck?" in only_sensor(stuck).reasons[0]
    spiky = values.copy()
    spiky[::500] += 100
    assert only_sensor(spiky).facts.spikes == 10 / N
    assert only_sensor(spiky).reasons == ("0.2 % of its values are far off (10 robust standard deviations)",)
    drifting = inject(values[:, None], 0, N, 0, "drift", size=10)[:, 0]
    assert only_sensor(drifting).facts.drift == pytest.approx(2.2, abs=0.2)
    assert "its level went up by" in only_sensor(drifting).reasons[0]
    assert only_sensor(-drifting).facts.drift == pytest.approx(-only_sensor(drifting).facts.drift)


def test_constant_and_nearly_constant_sensors():
    constant = only_sensor(np.full(N, 7.5))
    assert constant.reasons == ("it never changes (7.5): all that can be noticed is a change",)
    nearly = np.zeros(N)
    nearly[:20] = np.arange(20)
    assert only_sensor(nearly).reasons[0] == "it nearly never changes: 99.62 % of its values are the same"


def test_switches_are_no_stuck_sensors():
    switch = (np.arange(N) // 700 % 2).astype(float)
    sensor = only_sensor(switch)
    assert sensor.facts.is_switch
    assert (sensor.grade, sensor.facts.spikes, sensor.facts.drift) == ("A", 0.0, 0.0)
    assert not only_sensor(switch * 2).facts.is_switch


def test_a_sensor_at_rest_is_not_stuck():
    at_rest = np.maximum(0, wave())
    at_rest[1_000:1_400] = 0
    assert only_sensor(at_rest).grade == "A"


def test_two_modes_of_operation_are_no_spikes():
    modes = np.where(np.arange(N) % 10 < 6, 100.0, 30.0) + 0.01 * wave()
    assert only_sensor(modes).facts.spikes == 0


def test_copies_are_named():
    values = make_series(N, 3, random_state=1)
    holes = values[:, 0] * 2 + 5
    holes[::7] = np.nan
    table = table_of(a=values[:, 0], b=values[:, 1], c=holes, d=-values[:, 0], e=values[:, 0])
    copies = {
        sensor.name: [reason for reason in sensor.reasons if "copy" in reason] for sensor in check_table(table).sensors
    }
    assert [name for name, reasons in copies.items() if reasons] == ["c", "e"]
    assert all("it is a copy of 'a'" in copies[name][0] for name in "ce")
    assert find_copies(np.ones((10, 2))) == {}


def test_gaps_clock_and_span():
    frame = table_of(x=wave()).frames[""].drop(index=pd.date_range("2026-11-25", periods=120, freq="1min"))
    quality = check_table(SensorTable({"": frame}, notes=("read",)))
    assert quality.clock.period == 60
    assert [(gap.start, gap.seconds) for gap in quality.gaps] == [(pd.Timestamp("2026-11-24 23:59"), 121 * 60)]
    assert quality.longest_run == N - 120 - 1_440
    assert (quality.start, quality.end) == (frame.index[0], frame.index[-1])
    assert (quality.n_rows, quality.notes, quality.grade) == (N - 120, ("read",), "A")


def test_a_fleet_is_measured_as_one_with_its_own_places():
    good, stuck = wave(0, 1_000), wave(1, 800)
    stuck[100:300] = stuck[100]
    table = SensorTable(
        {
            name: pd.DataFrame({"x": values}, index=pd.date_range("2026-11-24", periods=len(values), freq="1h"))
            for name, values in (("north", good), ("south", stuck))
        }
    )
    facts = check_table(table).sensors[0].facts
    assert (facts.flat_rows, facts.flat_start, facts.flat_entity) == (200, 100, 1)
    assert facts == measure([good, stuck])
    assert check_table(table).n_rows == 1_800


def test_few_rows_and_long_windows_are_advised_on():
    quality = check_table(table_of(x=wave(n_rows=150)), window_sizes=(64, 16, 200))
    assert quality.grade == "E"
    assert quality.advice[0] == "too few rows: 150; a detector wants at least 1000 normal ones"
    assert quality.advice[1].startswith("windows would be 16 rows (16 min) and 64 rows (1.07 h) and 200 rows")
    assert "the longest run without a gap has 150 rows" in quality.advice[1]
    assert check_table(table_of(x=wave()), window_sizes=(16,)).advice == ("windows would be 16 rows (16 min)",)


def test_an_irregular_clock_is_advised_on():
    times = pd.Timestamp("2026-11-24") + pd.to_timedelta(np.cumsum(1.5 ** (np.arange(N) % 20)), unit="s")
    quality = check_table(SensorTable({"": pd.DataFrame({"x": wave()}, index=times)}))
    assert quality.clock.period is None
    assert any("no regular clock" in sentence for sentence in quality.advice)


def test_bad_sensors_are_advised_on():
    mostly_missing = np.where(np.arange(N) % 2, np.nan, wave())
    quality = check_table(table_of(x=wave(), y=wave(1), z=mostly_missing, units={"z": "bar"}))
    assert quality.grade == "A"
    assert quality.advice == ("repair or leave out 'z': too many of their values are missing",)
    assert quality.sensors[2].unit == "bar"


def test_checking_does_not_touch_the_table():
    table = table_of(x=wave(), y=np.where(np.arange(N) % 3, np.nan, 1.0))
    before = table.frames[""].copy()
    check_table(table)
    pd.testing.assert_frame_equal(table.frames[""], before)
