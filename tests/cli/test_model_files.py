"""Files that are no model, or no whole one: every command that takes a model refuses them by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.reference import refused


def truncated(content: bytes) -> bytes:
    return content[: len(content) * 2 // 3]


def flipped(content: bytes) -> bytes:
    place = len(content) - 100
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def newer(content: bytes) -> bytes:
    changed = content.replace(b'\\"format_version\\": 2', b'\\"format_version\\": 9')
    assert changed != content
    return changed


CASES = {
    "no model": (lambda content: b"timestamp,flow\n" * 100, "is not a tsae model"),
    "empty": (lambda content: b"", "is not a tsae model"),
    "truncated": (truncated, "is damaged"),
    "flipped bit": (flipped, "checksum"),
    "newer": (newer, "has format version 9, this tsae reads up to 2; upgrade tsae"),
}


@pytest.mark.parametrize(("change", "message"), CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("command", ["score", "watch", "inspect"])
def test_damaged_models(
    here: Path, model: Path, table: Path, command: str, change: Callable[[bytes], bytes], message: str
) -> None:
    bad = here / "bad.tsae"
    bad.write_bytes(change(model.read_bytes()))
    line = refused(4, command, bad, *([table] if command == "score" else []))
    assert message in line
    assert str(bad) in line


def test_no_file(here: Path) -> None:
    assert "cannot read model 'no.tsae': No such file" in refused(4, "inspect", "no.tsae")
