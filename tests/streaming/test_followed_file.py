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
