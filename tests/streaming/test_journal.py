from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.streaming.test_bad_messages import disk_full_at
from tsae.errors import OutputError
from tsae.streaming.state_files import Journal
from tsae.streaming.transports.transport import Message

MESSAGES = [Message(b"\x00\xff\n", "pump", "rows"), Message(b"1,2", None, "line 3")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.journal"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    """One that goes on from snapshot 3."""
    made = Journal(path)
    made.open()
    assert made.read(3) == []
    yield made
    made.close()


def read_again(path: Path, snapshot: int = 3) -> list[tuple[list[Message], list[object]]]:
    journal = Journal(path)
    journal.open()
    entries = journal.read(snapshot)
    journal.close()
    return entries


def test_batches_come_back_for_their_snapshot_only(path: Path, journal: Journal) -> None:
    for end in (10, 20):
        journal.add(MESSAGES, [{"end": end}, None])
    journal.close()
    assert read_again(path) == [(MESSAGES, [{"end": end}, None]) for end in (10, 20)]
    assert read_again(path, snapshot=4) == []
    assert read_again(path, snapshot=3) == []  # another one has been begun


def test_a_batch_that_was_torn_is_none_and_the_next_one_takes_its_place(path: Path, journal: Journal) -> None:
    journal.add(MESSAGES, [1])
    journal.close()
    with path.open("ab") as file:
        file.write(b'{"in": [["AP8')
    assert read_again(path) == [(MESSAGES, [1])]
    journal.open()
    journal.read(3)
    journal.add(MESSAGES, [2])
    journal.close()
    assert read_again(path) == [(MESSAGES, [1]), (MESSAGES, [2])]


def test_a_batch_that_was_written_in_part_is_written_again(path: Path, journal: Journal) -> None:
    with disk_full_at(path.stat().st_size + 40), pytest.raises(OutputError, match="File too large; free some space"):
        journal.add(MESSAGES, [1])
    journal.add(MESSAGES, [1])
    journal.close()
    assert read_again(path) == [(MESSAGES, [1])]


def test_one_process_has_hold_of_it(path: Path, journal: Journal) -> None:
    journal.add(MESSAGES, [1])
    for _ in range(2):
        with pytest.raises(OutputError, match="is in use by another watch; end that one, or use another state file"):
            read_again(path)
    journal.close()
    assert read_again(path) == [(MESSAGES, [1])]
