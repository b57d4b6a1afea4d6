"""Lines of a stream are read by the header above them, whatever stands around it and whenever it comes again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.streaming.brokers import records_in
from tests.streaming.reference import CHANNELS, plant
from tsae import AnomalyDetector, StreamScorer
from tsae.errors import DataError
from tsae.series.options import ReadOptions
from tsae.streaming.payloads import HeaderError, MessageReader
from tsae.streaming.runner import Runner, RunnerOptions
from tsae.streaming.transports.file import FileSink, FollowedFile
from tsae.streaming.transports.stdio import StdinSource
from tsae.streaming.transports.transport import Message, Source

pytestmark = [
    pytest.mark.filterwarnings("ignore:the rows have no readable time"),
    pytest.mark.filterwarnings("ignore:columns .* were not there in fit"),
]


def values_of(text: str | bytes) -> list[list[float | None]]:
    """Of all rows, in the order of the channels; fails at a line that is refused."""
    content = text if isinstance(text, bytes) else text.encode()
    reader = MessageReader(CHANNELS, ReadOptions())
    rows = [reader.row(Message(line, None, f"line {n}")) for n, line in enumerate(content.split(b"\n"), start=1)]
    return [[row.values[name] for name in CHANNELS] for row in rows if row is not None]


def test_comments_and_lines_that_hold_nothing_are_no_rows() -> None:
    text = "# plant 3\n# every minute; all units\n\nflow;pressure;running\n1,5;2;1\n;;\n# noon\n3;4;0\n;;;;\n"
    assert values_of(text) == [[1.5, 2, 1], [3, 4, 0]]


def test_a_header_may_begin_like_a_comment() -> None:
    assert values_of("#,flow,pressure,running\n1,1,2,1\n") == [[1, 2, 1]]


def test_old_windows_text_is_read_as_in_files() -> None:
    reader = MessageReader(["Durchfluß"], ReadOptions())
    for line in ("# für Süd", "Zeit;Durchfluß [m³/h]", "24.11.2026 10:00;1,5"):
        row = reader.row(Message(line.encode("cp1252"), None, "line 1"))
    assert row is not None
    assert row.values == {"Durchfluß": 1.5}


def test_a_separator_at_the_end_of_the_header_only_or_of_the_rows_only_is_no_cell() -> None:
    assert values_of("flow,pressure,running,\n1,2,1\n1,2,1,\n") == [[1, 2, 1]] * 2
    assert values_of("flow,pressure,running\n1,2,1,\n") == [[1, 2, 1]]


def test_the_header_of_the_next_file_may_order_its_columns_in_another_way() -> None:
    text = "flow,pressure,running\n1,2,1\nflow,pressure,running\n3,4,0\npressure;flow;running\n6;5,5;1\n"
    assert values_of(text) == [[1, 2, 1], [3, 4, 0], [5.5, 6, 1]]


def test_a_line_that_names_some_channels_only_is_a_bad_line() -> None:
    with pytest.raises(DataError, match="not a number"):
        values_of("flow,pressure,running\n1,2,1\nflow,heat,running\n")
    with pytest.raises(HeaderError, match="does not name the channels"):
        values_of("plant 3\nflow,pressure,running\n1,2,1\n")


TIMED = b'{"ts": "2026-11-24T10:00", "flow": 1, "pressure": 2}'


@pytest.mark.parametrize("first", [b'{"flow": 1}', b'{"ts": "", "flow": 1}', b'{"ts": "soon", "flow": 1}'])
def test_a_first_row_without_a_time_does_not_take_it_from_the_next_ones(first: bytes) -> None:
    reader = MessageReader(CHANNELS, ReadOptions())
    if b"ts" in first:
        with pytest.raises(
            DataError, match=r"column 'ts' (must contain the time, but is empty|does not read as a time)"
        ):
            reader.row(Message(first, None, "rows"))
    else:
        row = reader.row(Message(first, None, "rows"))
        assert row is not None
        assert row.timestamp is None
    row = reader.row(Message(TIMED, None, "rows"))
    assert row is not None
    assert row.timestamp == "2026-11-24T10:00"


def test_a_time_column_that_is_empty_can_be_meant() -> None:
    reader = MessageReader(CHANNELS, ReadOptions(timestamp=False))
    row = reader.row(Message(b'{"ts": "", "flow": 1}', None, "rows"))
    assert row is not None
    assert row.timestamp is None


@pytest.fixture(scope="module")
def detector() -> AnomalyDetector:
    return AnomalyDetector(window_size=[8], max_steps=5, random_state=0).fit(plant(300))


def as_german_lines(frame: pd.DataFrame) -> list[bytes]:
    stamped = frame.set_axis(frame.index.strftime("%d.%m.%Y %H:%M")).rename_axis("Zeit")
    text = "# für Süd\n" + stamped.rename(columns={"flow": "flow [m³/h]"}).to_csv(sep=";", decimal=",")
    return [line + b"\n" for line in text.encode("cp1252").splitlines()]


@pytest.fixture(params=["standard input", "a file"])
def sources(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Source]]:
    """Of three runs of which only the first sees the header."""
    lines = as_german_lines(plant(60, seed=1))
    parts = [lines[:22], lines[22:42], lines[42:]]
    if request.param == "a file":
        path = tmp_path / "rows.csv"
        path.touch()
        yield [GrowingFile(path, b"".join(part)) for part in parts]
        return
    ends = [os.pipe() for _ in parts]
    for part, (_, end) in zip(parts, ends, strict=True):
        os.write(end, b"".join(part))
        os.close(end)
    yield [StdinSource(end) for end, _ in ends]
    for end, _ in ends:
        os.close(end)


class GrowingFile(FollowedFile):
    """A file that has grown by the time it is opened."""

    def __init__(self, path: Path, content: bytes) -> None:
        super().__init__(path, follow=False)
        self._grown, self._content = path, content

    def open(self, position: object) -> None:
        with self._grown.open("ab") as file:
            file.write(self._content)
        super().open(position)


def test_after_a_crash_lines_are_read_by_the_header_of_before(
    detector: AnomalyDetector, sources: list[Source], tmp_path: Path
) -> None:
    out, state = tmp_path / "out.jsonl", tmp_path / "state"
    for source, snapshot_rows in zip(sources, [1, 1000, 1], strict=True):
        reader, options = (
            MessageReader(CHANNELS, ReadOptions()),
            RunnerOptions(state=state, snapshot_rows=snapshot_rows),
        )
        runner = Runner(StreamScorer(detector), source, [FileSink(out)], reader, options=options)
        runner.open()
        runner.run()
        runner.failed = True  # so that nothing is saved in the end, as after a crash
        runner.close()
    rows = [record for record in records_in(out) if record["kind"] == "row" and "score" in record]
    assert [record["row"] for record in rows] == list(range(60))
    scorer = StreamScorer(detector)
    frame = plant(60, seed=1)
    plain = [scorer.update(row, time).immediate[0] for time, row in zip(frame.index, frame.to_numpy(), strict=True)]
    np.testing.assert_allclose([record["score"] for record in rows], [row.score for row in plain], rtol=1e-3)
