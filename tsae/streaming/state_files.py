"""Files by which a stream survives its process: a snapshot, the journal since then, and the model of both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tsae.errors import DataError, ModelFileError, OutputError
from tsae.model.fitted import FittedModel
from tsae.store import write_atomically
from tsae.streaming.journal import Journal
from tsae.streaming.scorer import StreamScorer
from tsae.streaming.state import model_of_state, write_state

__all__ = ["BESIDE", "StateFiles"]

BESIDE = (".journal", ".model", ".model.next")
"""Endings of the files next to a state file."""


class StateFiles:
    """State file, with the journal and the copy of the model next to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        journal, *models = (Path(f"{path}{ending}") for ending in BESIDE)
        self.journal, self.model = Journal(journal), KeptModel(path, *models)

    def write(self, scorer: StreamScorer, facts: Mapping[str, Any]) -> None:
        """Write a snapshot, and its model if that has changed."""
        with self.model.beside(scorer.model):
            write_state(self.path, scorer, facts)


class KeptModel:
    """Copy of the model of the state, with which a restart settles the rows that wait.

    It is written only when the model changes. During a change there are two copies, so that either state that a crash
    may leave has its model.
    """

    def __init__(self, state: Path, path: Path, following: Path) -> None:
        self._state, self._path, self._next = state, path, following
        self._checksum: str | None = None  # of the copy, once it is known to be there

    def scorer_of_state(self, scorer: StreamScorer) -> StreamScorer:
        """Return the scorer of the state: `scorer`, or one like it with the model that was in use then.

        Raises
        ------
        DataError
            If the state is damaged, or of another model that is missing.
        """
        checksum = model_of_state(self._state)
        if checksum in (None, scorer.model.checksum):
            return scorer
        for path in (self._path, self._next):
            model = _model_in(path)
            if model is not None and model.checksum == checksum:
                self._put_in_place(path, model)
                return scorer.with_model(model)
        raise DataError(
            f"the state belongs to another model, and {str(self._path)!r} is not a copy of it; use that model, or "
            f"delete the state {str(self._state)!r} to begin afresh"
        )

    @contextmanager
    def beside(self, model: FittedModel) -> Iterator[None]:
        """Save the model of the state that is written inside; after a failure that of the state before is kept."""
        is_new = bool(model.file) and model.checksum != self._checksum
        if is_new:
            write_atomically(self._next, model.file)
        yield
        if is_new:
            self._put_in_place(self._next, model)

    def _put_in_place(self, path: Path, model: FittedModel) -> None:
        try:
            path.replace(self._path)
        except OSError as error:
            raise OutputError(f"cannot write {str(self._path)!r}: {error.strerror}; choose another path") from error
        self._checksum = model.checksum


def _model_in(path: Path) -> FittedModel | None:
    try:
        return FittedModel.load(path)
    except ModelFileError:
        return None
