"""Generate the pump-station data set: one pump that fills an elevated tank, read every five minutes.

Run it anywhere, it needs numpy and pandas only::

    python datasets/pump/generate.py            # rewrites the CSVs beside this file
    python datasets/pump/generate.py some/dir   # writes them elsewhere

The same seed gives the same bytes. Three steps:

1. `simulate` runs the station (station.py) through six weeks of demand and weather. Faults of the process
   itself (leak, cavitation) act there, so that every coupled sensor answers.
2. `measure` adds each sensor's noise, `add_sensor_faults` corrupts single sensors.
3. `damage_log` does what loggers do: lost rows, repeated rows, missing cells.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from station import HOURS_PER_ROW, Conditions, Station

FloatArray = npt.NDArray[np.float64]

SEED = 20250505
CLOCK = pd.date_range("2025-05-05", "2025-06-16", freq="5min", inclusive="left")  # no daylight-saving change
LATER_START = "2025-06-02"
TIMES = list(CLOCK.strftime("%Y-%m-%dT%H:%M:%S"))
N_ROWS = len(CLOCK)

# Per sensor: decimals (its resolution), absolute noise in its unit, noise relative to the reading.
SENSORS = {
    "flow [m3/h]": (1, 0.0, 0.006),
    "suction pressure [bar]": (2, 0.008, 0.0),
    "discharge pressure [bar]": (2, 0.015, 0.0),
    "motor power [kW]": (1, 0.1, 0.004),
    "motor current [A]": (1, 0.2, 0.004),
    "bearing temperature [degC]": (1, 0.12, 0.0),
    "vibration [mm/s]": (2, 0.02, 0.05),
    "tank level [m]": (2, 0.008, 0.0),
    "valve position [%]": (1, 0.15, 0.0),
    "standby_pump_on": (0, 0.0, 0.0),
}
NAMES = list(SENSORS)


@dataclass(frozen=True)
class Span:
    """A number of consecutive rows of the logger's clock."""

    start: str
    n_rows: int

    @property
    def rows(self) -> slice:
        """Its row numbers."""
        first = int(CLOCK.searchsorted(pd.Timestamp(self.start)))
        return slice(first, first + self.n_rows)


@dataclass(frozen=True)
class Fault(Span):
    """A labelled fault. `sensor` is where a person would point, `visible` whether the plot shows it."""

    kind: str
    sensor: str
    visible: str
    description: str


# fmt: off
FAULTS = (
    Fault("2025-06-03 21:15", 36, "stuck sensor", "flow [m3/h]", "yes",
          "the flow meter repeats one value for 3 hours while the modes change"),
    Fault("2025-06-04 17:20", 1, "spike", "discharge pressure [bar]", "yes",
          "one reading 1.8 bar too high"),
    Fault("2025-06-05 10:00", 30, "leak", "flow [m3/h];discharge pressure [bar];tank level [m]", "yes",
          "the rising main breaks: 35 % of the flow never reaches the tank; flow rises and pressure falls"),
    Fault("2025-06-06 02:00", 18, "switch fault", "standby_pump_on", "yes",
          "the stand-by pump is reported on for 1.5 hours at night while nothing else says so"),
    Fault("2025-06-07 18:30", 14, "cavitation", "vibration [mm/s];suction pressure [bar]", "yes",
          "the suction strainer clogs: suction pressure falls, the pump shakes, the flow is unsteady"),
    Fault("2025-06-08 15:00", 48, "bias", "discharge pressure [bar]", "no",
          "the gauge reads 0.07 bar too high for 4 hours, well within its normal range"),
    Fault("2025-06-09 10:00", 168, "slow drift", "bearing temperature [degC]", "yes",
          "the bearing runs dry and warms by 12 degC within 13 hours, until it is greased"),
    Fault("2025-06-11 17:00", 36, "broken correlation", "motor current [A]", "yes",
          "the power factor collapses: 20 % more current at the same power, both in their normal ranges"),
    Fault("2025-06-13 04:40", 3, "dropout", "flow [m3/h]", "yes",
          "three readings of zero flow while the pump runs"),
    Fault("2025-06-14 09:00", 24, "noise", "tank level [m]", "yes",
          "foam disturbs the level probe: its readings scatter by 30 cm for 2 hours"),
)
# fmt: on
MAINTENANCE, N_STOPPED = Span("2025-06-10 13:00", 50), 20
REASON = "inspection: the main pump is stopped and the stand-by pump carries the station; then restart"

OUTAGES = (  # rows that the logger lost
    *(Span("2025-05-07 11:20", 1), Span("2025-05-12 02:35", 3), Span("2025-05-15 09:40", 84)),
    *(Span("2025-05-19 17:05", 2), Span("2025-05-24 23:10", 1), Span("2025-05-27 13:00", 26)),
    *(Span("2025-06-05 04:20", 2), Span("2025-06-07 02:00", 40), Span("2025-06-12 15:30", 3)),
)
SILENT = {  # a sensor that sends nothing for a while
    "vibration [mm/s]": Span("2025-05-21 08:00", 30),
    "tank level [m]": Span("2025-05-29 20:00", 9),
    "bearing temperature [degC]": Span("2025-06-12 22:00", 15),
}
REPEATED = ("2025-05-09 14:00", "2025-05-18 06:45", "2025-05-30 21:10", "2025-06-03 18:25")
MISSING_CELLS = 0.002


def wander(rng: np.random.Generator, memory_hours: float) -> FloatArray:
    """Noise of unit variance, shape (N_ROWS,), that forgets within `memory_hours` (autoregression)."""
    keep = np.exp(-HOURS_PER_ROW / memory_hours)
    values = rng.standard_normal(N_ROWS)
    for row in range(1, N_ROWS):
        values[row] = keep * values[row - 1] + np.sqrt(1 - keep**2) * values[row]
    return values


def surroundings(rng: np.random.Generator) -> list[FloatArray]:
    """The first six fields of `Conditions`, each of shape (N_ROWS,)."""
    row = np.arange(N_ROWS)
    hour, day = row * HOURS_PER_ROW % 24, row * HOURS_PER_ROW / 24
    breakfast = np.where(CLOCK.day_of_week >= 5, 9.5, 7.3)
    daytime = 1 / (1 + np.exp(-1.5 * (hour - 6))) / (1 + np.exp(hour - 22.5))
    morning = np.exp(-0.5 * ((hour - breakfast) / 1.6) ** 2)
    evening = np.exp(-0.5 * ((hour - 19.3) / 2.2) ** 2)
    demand = 95 + 60 * daytime + 75 * morning + 70 * evening
    demand *= 1 + 0.05 * wander(rng, 1.5) + 0.03 * wander(rng, 30)
    ambient = 17 + 0.03 * day + 4 * np.sin((hour - 9.5) * np.pi / 12) + 1.3 * wander(rng, 20)
    voltage = 400 - 2.5 * np.sin((hour - 13) * np.pi / 12) + 1.2 * wander(rng, 2)
    well = 14 + 0.5 * np.sin((hour - 2) * np.pi / 12) + 0.25 * wander(rng, 24)
    return [hour, demand, ambient, voltage, well, 1 + 0.0012 * day]


def upsets(rng: np.random.Generator) -> list[FloatArray]:
    """The last five fields of `Conditions`, each of shape (N_ROWS,)."""
    leak, clog, surge, stopped, restart = np.zeros((5, N_ROWS))
    rows = {fault.kind: fault.rows for fault in FAULTS}
    leak[rows["leak"]] = 0.35
    clog[rows["cavitation"]] = 1
    surge[rows["cavitation"]] = rng.standard_normal(int(clog.sum()))
    stopped[MAINTENANCE.rows][:N_STOPPED] = 1
    restart[MAINTENANCE.rows][N_STOPPED : N_STOPPED + 5] = (1, 0.8, 0.6, 0.4, 0.2)
    return [leak, clog, surge, stopped, restart]


def simulate(conditions: list[FloatArray]) -> FloatArray:
    """True state of the station, shape (N_ROWS, n_sensors)."""
    station = Station()
    states = []
    for now in map(Conditions._make, np.column_stack(conditions).tolist()):
        station.control(now)
        states.append(station.run(now))
    return np.array(states)


def measure(state: FloatArray, rng: np.random.Generator) -> FloatArray:
    """What the sensors read, not yet rounded: the state and their noise."""
    _, absolute, relative = np.array(list(SENSORS.values())).T
    readings: FloatArray = state + rng.standard_normal(state.shape) * (absolute + relative * state)
    highest = [100 if "[%]" in name else np.inf for name in NAMES]
    return readings.clip(0, highest)


def add_sensor_faults(readings: FloatArray, rng: np.random.Generator) -> None:
    """Corrupt single sensors in place, each fault in its own rows; faults of the process are in already."""
    for fault in FAULTS:
        cells = fault.rows, NAMES.index(fault.sensor.split(";")[0])
        values = readings[cells].copy()
        corrupted = {
            "stuck sensor": np.full(fault.n_rows, values[0]),
            "spike": values + 1.8,
            "switch fault": np.ones(fault.n_rows),
            "bias": values + 0.07,
            "slow drift": values + np.interp(np.linspace(0, 1, fault.n_rows), [0, 0.93, 1], [0, 12, 0]),
            "broken correlation": values * 1.2,
            "dropout": np.zeros(fault.n_rows),
            "noise": values + 0.3 * rng.standard_normal(fault.n_rows),
        }
        readings[cells] = corrupted.get(fault.kind, values)


def as_text(readings: FloatArray) -> pd.DataFrame:
    """Each reading with its sensor's decimals, the time as ISO 8601 without a zone, and the label."""
    text = pd.DataFrame({"timestamp": TIMES}, index=CLOCK)
    for column, (sensor, (decimals, _, _)) in enumerate(SENSORS.items()):
        text[sensor] = [f"{value:.{decimals}f}" for value in readings[:, column]]
    label = np.full(N_ROWS, "0")
    for fault in FAULTS:
        label[fault.rows] = "1"
    return text.assign(label=label)


def damage_log(text: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Lose cells and rows and repeat rows; random cells are lost in unlabelled rows only."""
    analog = NAMES[:-1]
    lost = (rng.random((N_ROWS, len(analog))) < MISSING_CELLS) & (text[["label"]] == "0").to_numpy()
    for sensor, span in SILENT.items():
        lost[span.rows, analog.index(sensor)] = True
    text[analog] = text[analog].mask(lost, "")
    copies = np.ones(N_ROWS, dtype=int)
    copies[CLOCK.searchsorted(pd.DatetimeIndex(REPEATED))] = 2
    for span in OUTAGES:
        copies[span.rows] = 0
    return text.loc[CLOCK.repeat(copies)]


def span_table(spans: Sequence[Span], **columns: list[str]) -> pd.DataFrame:
    """One line per span: its first row, its last row (inclusive), and what else is known of it."""
    ends = {"start": [TIMES[span.rows][0] for span in spans], "end": [TIMES[span.rows][-1] for span in spans]}
    return pd.DataFrame({**ends, **columns})


def main(folder: Path) -> None:
    """Write train.csv, later.csv, faults.csv and maintenance.csv into `folder`."""
    streams = iter(np.random.default_rng(SEED).spawn(5))
    readings = measure(simulate(surroundings(next(streams)) + upsets(next(streams))), next(streams))
    add_sensor_faults(readings, next(streams))
    log = damage_log(as_text(readings), next(streams))
    known = ("kind", "sensor", "description", "visible")
    tables = {
        "train.csv": log[log.index < LATER_START].drop(columns="label"),
        "later.csv": log[log.index >= LATER_START],
        "faults.csv": span_table(FAULTS, **{name: [getattr(f, name) for f in FAULTS] for name in known}),
        "maintenance.csv": span_table([MAINTENANCE], reason=[REASON]),
    }
    for name, table in tables.items():
        table.to_csv(folder / name, index=False, lineterminator="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
