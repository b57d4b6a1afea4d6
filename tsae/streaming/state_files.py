"""The files by which a stream survives its process: the snapshot, the journal since, and the model of both."""

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
"""Endings of the files beside a state file."""


class StateFiles:
    """A state file and what lies beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        journal, *models = (Path(f"{path}{ending}") for ending in BESIDE)
        self.journal, self.model = Journal(journal), KeptModel(path, *models)

    def write(self, scorer: StreamScorer, facts: Mapping[str, Any]) -> None:
        """A snapshot, and its model if that is not there yet."""
        with self.model.beside(scorer.model):
            write_state(self.path, scorer, facts)


class KeptModel:
    """A copy of the model file, written when the model changes only, by which a restart ends what it had begun.

    Around such a change there are two, so that whichever state a crash leaves has its model.
    """

    def __init__(self, state: Path, path: Path, following: Path) -> None:
        self._state, self._path, self._next = state, path, following
        self._checksum: str | None = None  # of the copy, once it is known to be there

    def scorer_of_state(self, scorer: StreamScorer) -> StreamScorer:
        """The scorer that the state belongs to: `scorer`, or one like it by the model that was in use then.

        Raises
        ------
        DataError
            If the state is damaged, or of another model that is no longer there.
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
            f"the state belongs to another model, and {str(self._path)!r} is no copy of it; score with that model, or "
            f"delete the state {str(self._state)!r} to begin afresh"
        )

    @contextmanager
    def beside(self, model: FittedModel) -> Iterator[None]:
        """Keep the model of the state that is written meanwhile; a failure keeps that of the state before."""
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
