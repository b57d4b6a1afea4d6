"""The registry of table formats: each entry keeps the contract, and a new one is a line."""

from __future__ import annotations

import io
import subprocess
import sys
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tsae.errors import DataError
from tsae.series.formats import registry
from tsae.series.formats.registry import (
    FORMATS,
    TableFile,
    TableFormat,
    format_names,
    is_table_name,
    open_file,
    stem_of,
)
from tsae.series.options import ReadOptions
from tsae.series.reading import read_table

TABLE = {"time": ["2026-11-24 10:00", "2026-11-24 10:10"], "flow [l/s]": [1.5, 1.6]}


def as_csv() -> bytes:
    rows = zip(*TABLE.values(), strict=True)
    return "\n".join([",".join(TABLE), *(f"{time},{flow}" for time, flow in rows), ""]).encode()


def as_parquet() -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(TABLE), file)
    return file.getvalue()


WRITTEN = {"CSV": as_csv, "Parquet": as_parquet}


@pytest.mark.parametrize("table_format", FORMATS, ids=lambda each: each.name)
def test_every_format_shows_the_same_table(table_format: TableFormat) -> None:
    stream = io.BytesIO(WRITTEN[table_format.name]())
    file = open_file(stream, ReadOptions())
    assert type(file).__module__ == table_format.file.partition(":")[0]
    assert list(file.headers) == list(TABLE)
    assert list(file.unit_cells) == []
    assert [list(row) for row in file.sample] == [["2026-11-24 10:00", "1.5"], ["2026-11-24 10:10", "1.6"]]
    assert file.decimal == "."
    assert table_format.name in file.notes[0]
    assert [str(cell) for batch in file.batches([1]) for cell in batch[0]] == ["1.5", "1.6"]
    assert file.place(1) in ("line 3", "row 2")
    stream.seek(0)
    table = read_table(stream)
    assert table.frames[""]["flow"].tolist() == TABLE["flow [l/s]"]
    assert table.units == {"flow": "l/s"}


class Pairs(TableFile):
    """A format that is not in the package: `flow=1.5` a line below its mark."""

    def __init__(self, stream, options):
        self._cells = [line.split("=") for line in stream.read().decode().splitlines()[1:]]
        self.headers, self.unit_cells, self.decimal, self.notes = (self._cells[0][0],), (), ".", ("Pairs",)
        self.sample = [(cell,) for _, cell in self._cells]

    def batches(self, columns):
        yield [pa.array([cell for _, cell in self._cells]) for _ in columns]

    def place(self, row):
        return f"pair {row + 1}"


def test_a_format_is_one_line_more(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = TableFormat("pairs", (".pairs",), (b"#pairs\n",), f"{__name__}:Pairs")
    monkeypatch.setitem(sys.modules, __name__, SimpleNamespace(Pairs=Pairs))
    monkeypatch.setattr(registry, "FORMATS", (*FORMATS, pairs))
    assert read_table(io.BytesIO(b"#pairs\nflow=1.5\nflow=2\n")).frames[""]["flow"].tolist() == [1.5, 2]
    with pytest.raises(DataError, match="has the text 'x' in pair 2"):
        read_table(io.BytesIO(b"#pairs\nflow=1.5\nflow=x\nflow=2\n"))
    assert format_names() == "CSV, Parquet or pairs"


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.TXT", "a.parquet", "a.csv.gz", "a.parquet.gz"])
def test_names_of_tables(name: str) -> None:
    assert is_table_name(name)
    assert stem_of(f"data/{name}") == "a"


@pytest.mark.parametrize("name", ["a", "a.gz", "a.json", "csv"])
def test_names_of_other_files(name: str) -> None:
    assert not is_table_name(name)


def test_the_registry_costs_no_import() -> None:
    code = (
        "import sys, tsae.series.formats.registry, tsae.series.formats.registry, tsae.cli.options\n"
        "assert not {'numpy', 'pandas', 'pyarrow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
