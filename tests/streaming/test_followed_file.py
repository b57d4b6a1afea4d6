from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pytest

from tsae.errors import DataError
from tsae.streaming.transports.file import FollowedFile


def test_a_file_that_comes_later_is_waited_for_and_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "rows.csv"
    source = FollowedFile(path)
    with caplog.at_level(logging.WARNING, logger="tsae"):
        assert [source.poll(0.0), source.poll(0.0)] == [[], []]
        path.write_text("a,b\n1,2\n")
        messages = source.poll(0.0)
    source.close()
    assert messages is not None
    assert [message.payload for message in messages] == [b"a,b", b"1,2"]
    assert [record.getMessage() for record in caplog.records] == [
        f"cannot read {str(path)!r} yet: No such file or directory; waiting for it"
    ]


def test_a_file_that_is_not_followed_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.csv': No such file or directory; check the path"):
        FollowedFile(tmp_path / "nowhere.csv", follow=False).poll(0.0)


def payloads(source: FollowedFile) -> list[bytes]:
    """All that there is now."""
    out: list[bytes] = []
    while messages := source.poll(0.0):
        out += [message.payload for message in messages]
    return out


def left_after(path: Path, expected: list[bytes]) -> Any:
    """Where a source ends that reads these lines from a file's start, and is closed."""
    source = FollowedFile(path)
    assert payloads(source) == expected
    position = source.position()
    source.close()
    return position


def test_a_file_that_is_rotated_is_read_to_its_end_before_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a\n1\n")
    source = FollowedFile(path)
    assert payloads(source) == [b"a", b"1"]
    with path.open("a") as file:
        file.write("2\n3")  # the last line is never completed
    path.rename(tmp_path / "rows.csv.1")
    assert payloads(source) == [b"2"]  # as long as there is no new one
    path.write_text("4\n5\n")
    assert payloads(source) == [b"4", b"5"]
    source.close()


def test_a_file_that_is_cut_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a\n1\n2\n3\n")
    source = FollowedFile(path)
    assert len(payloads(source)) == 4
    path.write_text("4\n")
    assert payloads(source) == [b"4"]
    with path.open("a") as file:
        file.write("5\n")
    assert payloads(source) == [b"5"]
    source.close()


def test_a_restart_goes_on_behind_the_last_whole_line_unless_the_file_is_another_one(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a\n1\n2")
    position = left_after(path, [b"a", b"1"])
    with path.open("a") as file:
        file.write("2\n")
    second = FollowedFile(path)
    second.open(position)
    assert payloads(second) == [b"22"]
    position = second.position()
    second.close()
    (tmp_path / "rows.csv.1").write_text("a\n7\n")
    (tmp_path / "rows.csv.1").replace(path)
    third = FollowedFile(path)
    third.open(position)
    assert payloads(third) == [b"a", b"7"]
    third.close()


def test_a_file_that_was_rotated_while_nobody_followed_it_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a\n1\n")
    position = left_after(path, [b"a", b"1"])
    with path.open("a") as file:
        file.write("2\n")
    path.rename(tmp_path / "rows-20261124.csv")
    path.write_text("a\n3\n")
    second = FollowedFile(path)
    second.open(position)
    assert payloads(second) == [b"2", b"a", b"3"]
    second.close()


def test_a_sender_may_go_on_for_a_while_in_the_file_that_was_renamed(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a\n1\n")
    source = FollowedFile(path)
    assert payloads(source) == [b"a", b"1"]
    path.rename(tmp_path / "rows.csv.1")
    path.touch()
    assert payloads(source) == []
    with (tmp_path / "rows.csv.1").open("a") as file:
        file.write("2\n")
    path.write_text("3\n")
    assert payloads(source) == [b"2", b"3"]
    source.close()


@pytest.mark.parametrize("is_running", [True, False])
def test_a_file_that_was_cut_and_has_grown_past_its_end_is_another_one(tmp_path: Path, is_running: bool) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("1\n2\n")
    source = FollowedFile(path)
    assert payloads(source) == [b"1", b"2"]
    position = source.position()
    path.write_text("3\n4\n5\n6\n")  # the same inode
    if not is_running:
        source.close()
        source = FollowedFile(path)
        source.open(position)
    assert payloads(source) == [b"3", b"4", b"5", b"6"]
    source.close()


def test_where_another_source_ended_is_no_position(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("1\n")
    source = FollowedFile(path)
    source.open({"topic": "rows", "offsets": {"0": 7}})
    assert payloads(source) == [b"1"]
    source.close()


def test_only_a_regular_file_is_followed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(DataError, match="is not a regular file; read a pipe from standard input, with -"):
            FollowedFile(path).open(None)
