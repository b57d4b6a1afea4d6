"""What holds for every test: patient property tests, and nothing written into the checkout."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[1]

settings.register_profile("tsae", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("tsae")


def visible_names() -> set[str]:
    """Top level of the checkout; the caches of tools begin with a dot."""
    return {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}


@pytest.fixture(autouse=True)
def _nothing_is_written_into_the_checkout() -> Iterator[None]:
    before = visible_names()
    yield
    assert visible_names() == before, "a test wrote into the repository; use tmp_path"
