from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tsae.errors import DataError
from tsae.streaming.sources.followed_file import FollowedFile


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
    first = FollowedFile(path)
    assert payloads(first) == [b"a", b"1"]
    position = first.position()
    first.close()
    with path.open("a") as file:
        file.write("2\n")
    second = FollowedFile(path)
    second.open(position)
    assert payloads(second) == [b"22"]
    second.close()
    path.rename(tmp_path / "rows.csv.1")
    path.write_text("a\n7\n")
    third = FollowedFile(path)
    third.open(position)
    assert payloads(third) == [b"a", b"7"]
    third.close()
