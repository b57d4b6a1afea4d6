"""Small labelled series on disk, laid out as a benchmark wants them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tsae.series.synthetic import inject, make_series

N_TRAIN, N_TEST = 200, 100
SERIES = ("pumps/a", "pumps/b", "valves/a")


def make_table(seed: int, *, n_channels: int = 2) -> pd.DataFrame:
    """300 rows with a clock; rows 250 to 269 have a level shift and label 1."""
    values = make_series(N_TRAIN + N_TEST, n_channels, random_state=seed, period=20)
    table = pd.DataFrame(inject(values, 250, 270, 0, "level"), columns=[f"s{i}" for i in range(n_channels)])
    table.insert(0, "timestamp", pd.date_range("2026-01-01", periods=len(table), freq="min"))
    table["label"] = [int(250 <= row < 270) for row in range(len(table))]
    return table


def write_folder(root: Path) -> Path:
    """Three series in two families, one of them compressed."""
    for number, name in enumerate(SERIES):
        folder = root / name
        folder.mkdir(parents=True)
        ending = ".csv.gz" if number == 1 else ".csv"
        table = make_table(number)
        table[:N_TRAIN].drop(columns="label").to_csv(folder / f"train{ending}", index=False)
        table[N_TRAIN:].to_csv(folder / f"test{ending}", index=False)
    return root
