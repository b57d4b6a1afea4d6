"""What the tests of the command line share: a folder with tables and a model fitted by the command itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.reference import QUICK, later, plant, tsae, write


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workshop")
    train = write(plant(600), folder / "train.csv")
    write(later(), folder / "later.csv")
    assert tsae("fit", train, "-o", folder / "plant.tsae", *QUICK, "--threshold", "8").exit_code == 0
    return folder


@pytest.fixture
def model(workshop: Path) -> Path:
    return workshop / "plant.tsae"


@pytest.fixture
def table(workshop: Path) -> Path:
    return workshop / "later.csv"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
