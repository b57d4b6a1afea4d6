"""Which series are found, and how they are cut."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.evaluation.bench_folder import N_TEST, N_TRAIN, SERIES, make_table, write_folder
from tsae.errors import DataError, ParameterError
from tsae.evaluation.catalogue import SeriesFiles, find_series, read_series

TSB_AD = "001_NAB_id_1_Facility_tr_180_1st_250.csv"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "data")


def test_folders_are_families_and_series(folder: Path) -> None:
    found = find_series(folder)
    assert [files.name for files in found] == list(SERIES)
    for number, files in enumerate(found):
        table, series = make_table(number), read_series(files)
        np.testing.assert_allclose(series.train, table[["s0", "s1"]][:N_TRAIN])
        np.testing.assert_allclose(series.test, table[["s0", "s1"]][N_TRAIN:])
        np.testing.assert_array_equal(series.labels, table["label"][N_TRAIN:] == 1)


def test_a_family_or_a_series_can_be_named_alone(folder: Path) -> None:
    assert [files.name for files in find_series(folder / "pumps")] == ["pumps/a", "pumps/b"]
    assert [files.name for files in find_series(folder / "pumps" / "b")] == ["pumps/b"]


def test_tsb_ad_names_say_where_training_ends(tmp_path: Path) -> None:
    table = make_table(0).drop(columns="timestamp").rename(columns={"label": "Label"})
    table.to_csv(tmp_path / TSB_AD, index=False)
    table.to_csv(tmp_path / "other.csv", index=False)
    (files,) = find_series(tmp_path)
    assert files.name == "NAB/001_NAB_id_1_Facility_tr_180_1st_250"
    series = read_series(files)
    assert series.train.shape == (180, 2)
    assert series.test.shape == (120, 2)
    assert np.flatnonzero(series.labels).tolist() == list(range(70, 90))
    assert find_series(tmp_path / TSB_AD) == [files]


@pytest.mark.parametrize(("train_rows", "n_train"), [(120, 120), (0.5, 150), (0.999, 299)])
def test_one_table_is_cut_where_told(tmp_path: Path, train_rows: float, n_train: int) -> None:
    path = tmp_path / "plant.csv"
    make_table(0).to_csv(path, index=False)
    (files,) = find_series(path, train_rows=train_rows)
    assert files.name == f"{tmp_path.name}/plant"
    series = read_series(files)
    assert (len(series.train), len(series.test)) == (n_train, 300 - n_train)


@pytest.mark.parametrize("train_rows", [None, 0, -1])
def test_one_table_without_a_cut_is_refused(tmp_path: Path, train_rows: int | None) -> None:
    path = tmp_path / "plant.csv"
    make_table(0).to_csv(path, index=False)
    with pytest.raises(ParameterError, match="`train_rows`"):
        find_series(path, train_rows=train_rows)


@pytest.mark.parametrize("train_rows", [300, 400, 0.001])
def test_both_parts_need_rows(tmp_path: Path, train_rows: float) -> None:
    path = tmp_path / "plant.csv"
    make_table(0).to_csv(path, index=False)
    (files,) = find_series(path, train_rows=train_rows)
    with pytest.raises(DataError, match="must leave some of the 300 rows"):
        read_series(files)


def test_patterns_and_sizes_select(folder: Path, tmp_path: Path) -> None:
    assert [files.name for files in find_series(folder, only=["*/a"])] == ["pumps/a", "valves/a"]
    assert [files.name for files in find_series(folder, only=["valves/*", "pumps/b"])] == ["pumps/b", "valves/a"]
    assert len(find_series(folder, max_test_rows=N_TEST)) == 3
    with pytest.raises(DataError, match=r"none of the 3 series .* is left"):
        find_series(folder, max_test_rows=N_TEST - 1)
    make_table(0).drop(columns="timestamp").to_csv(tmp_path / TSB_AD, index=False)
    assert len(find_series(tmp_path / TSB_AD, max_test_rows=120)) == 1
    with pytest.raises(DataError, match="is left"):
        find_series(tmp_path / TSB_AD, max_test_rows=119)


def test_nothing_to_find_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no series in .*<family>/<series>/\{train,test\}"):
        find_series(tmp_path)
    with pytest.raises(DataError, match="there is no"):
        find_series(tmp_path / "absent")


def test_a_test_file_needs_its_training_file(folder: Path) -> None:
    (folder / "pumps" / "a" / "train.csv").unlink()
    with pytest.raises(DataError, match=r"has no train\.csv"):
        find_series(folder)


def test_names_are_unique(folder: Path) -> None:
    shutil.copytree(folder / "pumps", folder / "copy" / "pumps")
    with pytest.raises(DataError, match="are both 'pumps/a'"):
        find_series(folder)


def test_rows_stay_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "plant.csv"
    path.write_text("timestamp,s,label\n3,1,0\n2,2,0\n2,3,1\n9,4,0\n")
    series = read_series(SeriesFiles("f", "s", path, train_rows=1))
    assert series.train.ravel().tolist() == [1]
    assert series.test.ravel().tolist() == [2, 3, 4]


def test_missing_cells_stay_and_a_nameless_clock_is_no_sensor(tmp_path: Path) -> None:
    path = tmp_path / "plant.csv"
    path.write_text("when,s,Label\n2026-01-01,1,0\n2026-01-02,,0\n2026-01-03,3,1\n")
    series = read_series(SeriesFiles("f", "s", path, train_rows=1))
    np.testing.assert_array_equal(series.test, [[np.nan], [3]])


def test_series_may_be_parquet_and_hold_the_words_of_switches(tmp_path: Path) -> None:
    folder = tmp_path / "family" / "series"
    folder.mkdir(parents=True)
    table = make_table(0)
    table[:N_TRAIN].to_parquet(folder / "train.parquet")
    table[N_TRAIN:].assign(s1="off", label=table["label"] == 1).to_csv(folder / "test.csv", index=False)
    assert len(find_series(tmp_path, max_test_rows=N_TEST)) == 1
    series = read_series(find_series(tmp_path)[0])
    np.testing.assert_array_equal(series.train, table[["s0", "s1"]][:N_TRAIN])
    assert set(series.test[:, 1]) == {0}
    np.testing.assert_array_equal(series.labels, table["label"][N_TRAIN:] == 1)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("s\n1\n2\n", "no column is called label"),
        ("s,label\n1,0\n2,2\n", "must hold only 0"),
        ("s,label\n1,0\n2,\n", "must hold only 0"),
        ("s,mode,label\n1,idle,0\n2,busy,1\n", "column 'mode' has the text 'idle' in line 2"),
        ("timestamp,label\n1,0\n2,1\n", "there is no sensor"),
        ("", "the file is empty"),
    ],
)
def test_bad_tables_are_refused_by_name(tmp_path: Path, content: str, problem: str) -> None:
    path = tmp_path / "plant.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=rf"plant\.csv.*{problem}"):
        read_series(SeriesFiles("f", "s", path, train_rows=1))


def test_a_truncated_file_is_refused(folder: Path) -> None:
    path = folder / "pumps" / "b" / "test.csv.gz"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="the file is damaged"):
        read_series(find_series(folder, only=["pumps/b"])[0])


@pytest.mark.parametrize("change", [{"s1": "s2"}, {"s0": "s1", "s1": "s0"}])
def test_both_files_have_the_same_sensors(folder: Path, change: dict[str, str]) -> None:
    path = folder / "pumps" / "a" / "test.csv"
    pd.read_csv(path).rename(columns=change).to_csv(path, index=False)
    with pytest.raises(DataError, match=r"its sensors are not those of train\.csv"):
        read_series(find_series(folder)[0])
