"""Runs a stream from a source through the scorer to the sinks; a crash loses no row and repeats no result in a file.

A batch is polled → scored → its results delivered → saved (journal or snapshot) → committed to the source. After a
crash the saved state is restored, files are cut to its end, and uncommitted messages arrive again: results to a broker
may be sent twice, with the same `id`. A state of another model is restored with that model, which then hands over.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from tsae.errors import DataError, OutputError
from tsae.model.fitted import FittedModel
from tsae.streaming.handover import check_channels, hand_over, n_with_full_windows
from tsae.streaming.incidents import IncidentWatch
from tsae.streaming.payloads import HeaderError, MessageReader, StreamRow
from tsae.streaming.records import (
    Record,
    alarms_of,
    drift_records,
    dropped_record,
    event_records,
    incident_records,
    row_records,
)
from tsae.streaming.scorer import StreamScorer
from tsae.streaming.state import read_state
from tsae.streaming.state_files import StateFiles
from tsae.streaming.transports.transport import LONGEST_PAYLOAD, Message, Sink, Source

__all__ = ["Output", "Runner", "RunnerOptions"]

Output = Literal["rows", "alarms", "events"]

_logger = logging.getLogger(__name__)
_LONGEST_PAUSE = 30.0  # seconds between tries to deliver
_LONGEST_REASON = 1000  # characters, of the reason why a message is refused
_LONGEST_NAME = 255  # characters, of an entity


@dataclass(frozen=True)
class RunnerOptions:
    """Options of a `Runner`."""

    output: Output = "rows"
    """"rows": rows, events and drift. "alarms": rows that alarm, events and drift. "events": events and drift."""
    state: Path | None = None
    """File of the snapshot; `None` saves none."""
    snapshot_rows: int = 20_000
    snapshot_seconds: float = 30.0
    """A snapshot is written after this number of rows or seconds, and at the end."""


class Runner:
    """Runner of one stream, from its source through the scorer to its sinks.

    Parameters
    ----------
    reader
        Message → row. Its header is part of the saved state.
    report
        Called with the origin of each unusable message, and the reason; a warning is logged unless given.
    """

    def __init__(
        self,
        scorer: StreamScorer,
        source: Source,
        sinks: Sequence[Sink],
        reader: MessageReader,
        *,
        options: RunnerOptions | None = None,
        report: Callable[[str, str], None] | None = None,
    ) -> None:
        self.scorer, self.source, self.sinks, self._reader = scorer, source, sinks, reader
        self._options = options or RunnerOptions()
        self._report = report or _log_report
        self._incidents = IncidentWatch(scorer.model.period)
        self._files = None if self._options.state is None else StateFiles(self._options.state)
        self._snapshot = 0  # number of the last one
        self._rows_at_snapshot, self._time_of_snapshot = 0, time.monotonic()
        self.n_bad = self.n_alarms = self.n_messages = self.n_retries = 0
        self.stopped = False
        self.failed = False
        """Whether it ended before all results were delivered."""
        self._opened: list[Source | Sink] = []

    def open(self) -> None:
        """Restore the saved state, then open sinks and source at its end.

        Raises
        ------
        DataError
            If the state is damaged, or its model is not the scorer's and is missing.
        ModelFileError
            If its model has other channels.
        OutputError
            If another watch uses the state, or a file cannot be written.
        """
        source_position, sink_positions = None, [None] * len(self.sinks)
        asked_for = self.scorer
        if self._files is not None:
            self._files.journal.open()
            self.scorer = self._files.model.scorer_of_state(asked_for)
            check_channels(self.scorer, asked_for)
            facts = read_state(self._files.path, self.scorer)
            if facts is not None:
                self._snapshot, source_position = facts["snapshot"], facts["source"]
                self.n_bad, self.n_alarms = facts["n_bad"], facts["n_alarms"]
                self._incidents.restore(facts.get("incidents"))
                sink_positions = self._fitting(facts["sinks"])
                self._reader.begin(facts["header"])
            for messages, positions in self._files.journal.read(self._snapshot):
                self._scored(messages)  # their results were delivered
                sink_positions = self._fitting(positions)
            if facts is None and sink_positions == [None] * len(self.sinks):
                self._rows_at_snapshot = -1  # nothing is saved yet: begin with an empty snapshot
        parts: list[Source | Sink] = [*self.sinks, self.source]
        for part, position in zip(parts, [*sink_positions, source_position], strict=True):
            part.open(position)
            self._opened.append(part)
        if self._rows_at_snapshot < 0:
            self._save()
        if self.scorer is not asked_for:
            self._go_on_with(asked_for)

    def run(self) -> None:
        """Work until the source ends or `stop` is called."""
        while not self.stopped and self.step(0.5):
            pass

    def step(self, timeout: float) -> bool:
        """Process the next batch; return false at the end of the source."""
        messages = self.source.poll(timeout)
        if messages is None:
            return False
        if messages:
            self.n_messages += len(messages)
            if self._deliver(self._scored(messages)):
                self._commit(messages)
        elif time.monotonic() - self._time_of_snapshot > self._options.snapshot_seconds:
            self._save()
        return True

    def stop(self) -> None:
        """End after the current batch."""
        self.stopped = True

    def settle(self) -> None:
        """Settle the rows that wait, at the end of the stream."""
        self._deliver(self._output_of(self.scorer.flush()))

    def close(self) -> None:
        """Save the state, unless it was not fully restored or results are undelivered, and release everything."""
        try:
            if self.source in self._opened and self.scorer.counts.n_rows and not self.failed:
                self._save()
        finally:
            for part in reversed(self._opened):
                part.close()
            if self._files is not None:
                self._files.journal.close()

    def replace_model(self, model: FittedModel) -> None:
        """Continue with another model: the old one settles the rows that wait, the new one scores the next ones.

        The same model again changes nothing.

        Raises
        ------
        ModelFileError
            If the new model has other channels; the old one continues.
        """
        if model.file and model.checksum == self.scorer.model.checksum:
            return
        after = self.scorer.with_model(model)
        check_channels(self.scorer, after)
        self._go_on_with(after)

    def _go_on_with(self, after: StreamScorer) -> None:
        if not self._deliver(self._output_of(hand_over(self.scorer, after))):
            return
        self.scorer = after
        self._save()
        full, all_ = n_with_full_windows(after), len(after.entities)
        rest = "" if full == all_ else "; rows of the others are not labelled until theirs are full"
        _logger.warning("a new model is in use; %d of %d entities have full windows%s", full, all_, rest)

    def _fitting(self, positions: Sequence[Any]) -> list[Any]:
        """Return saved positions, or `None` for each sink if they belong to another number of sinks."""
        return list(positions) if len(positions) == len(self.sinks) else [None] * len(self.sinks)

    def _scored(self, messages: Sequence[Message]) -> list[Record]:
        refusals: dict[int, str] = {}
        rows = []
        for number, message in enumerate(messages):
            try:
                row = self._read(message)
                if row is not None:
                    rows.append((number, _name_of(message, row), row))
            except HeaderError:
                raise
            except DataError as error:
                refusals[number] = str(error)
        records = self._records(rows, refusals)
        for number in sorted(refusals):
            self.n_bad += 1
            self._report(messages[number].place, refusals[number][:_LONGEST_REASON])
        return records

    def _read(self, message: Message) -> StreamRow | None:
        if len(message.payload) > LONGEST_PAYLOAD:
            raise DataError(f"the message has more than {LONGEST_PAYLOAD:,} bytes; send one row in each")
        return self._reader.row(message)

    def _records(self, rows: Sequence[tuple[int, str, StreamRow]], refusals: dict[int, str]) -> list[Record]:
        """Score rows and return their records; an unusable row is added to `refusals`, without the others."""
        if not rows:
            return []
        try:
            return self._score([name for _, name, _ in rows], [row for _, _, row in rows])
        except DataError as error:
            if len(rows) == 1:
                refusals[rows[0][0]] = str(error)
                return []
        return [record for row in rows for record in self._records([row], refusals)]

    def _score(self, names: Sequence[str], rows: Sequence[StreamRow]) -> list[Record]:
        stamps = [row.timestamp for row in rows]
        has_times = stamps[0] is not None
        if any((stamp is not None) != has_times for stamp in stamps):
            raise DataError("some rows have a time and some do not; send it with every row, or with none")
        time_texts, values = [row.time for row in rows], [row.values for row in rows]
        scores = self.scorer.update_many(values, stamps if has_times else None, names, time_texts=time_texts)
        dropped = [dropped_record(names[place], time_texts[place]) for place in scores.dropped]
        return [*self._output_of(scores), *dropped]

    def _output_of(self, scores: Any) -> list[Record]:
        self.n_alarms += sum(change.state == "opened" for change in scores.events)
        incidents = incident_records(self._incidents.take(scores.events))
        events = [*event_records(scores.events), *incidents, *drift_records(scores.drifts)]
        output = self._options.output
        if output == "events":
            return events
        rows = row_records(scores, self.scorer.channels)
        return [*(alarms_of(rows) if output == "alarms" else rows), *events]

    def _deliver(self, records: Sequence[Record]) -> bool:
        """Write records to all sinks, with back-off until they accept them; return whether they did.

        Undelivered results are not saved, so that their rows are read and scored again.
        """
        self.failed = True
        try:
            for sink in self.sinks if records else ():
                self._until_written(partial(sink.write, records))
        except OutputError as error:
            _logger.error("stopped before results were delivered: %s", error)
            return False
        self.failed = False
        return True

    def _commit(self, messages: Sequence[Message]) -> None:
        files = self._files
        if files is None:
            self.source.commit()
            return
        if not self.source.replayable:
            self._until_written(lambda: files.journal.add(messages, self._positions()))
            self.source.commit()
        n_rows = self.scorer.counts.n_rows - self._rows_at_snapshot
        if (
            n_rows >= self._options.snapshot_rows
            or time.monotonic() - self._time_of_snapshot > self._options.snapshot_seconds
        ):
            self._save()

    def _save(self) -> None:
        files = self._files
        if files is None:
            return
        self._snapshot += 1
        facts = {
            "snapshot": self._snapshot,
            "source": self.source.position(),
            "header": self._reader.header,
            "n_bad": self.n_bad,
            "n_alarms": self.n_alarms,
            "incidents": self._incidents.state(),
        }
        self._until_written(lambda: files.write(self.scorer, facts | {"sinks": self._positions()}))
        self._until_written(lambda: files.journal.begin(self._snapshot))
        self._rows_at_snapshot, self._time_of_snapshot = self.scorer.counts.n_rows, time.monotonic()
        self.source.commit()

    def _until_written(self, write: Callable[[], None]) -> None:
        """Call `write`, again with back-off after failures; a failure after `stop` is raised."""
        pause = 0.1
        while True:
            try:
                write()
                return
            except OutputError as error:
                if self.stopped:
                    raise
                self.n_retries += 1
                _logger.warning("%s; trying again in %.1f s", error, pause)
                self._pause(pause)
                pause = min(_LONGEST_PAUSE, 2 * pause)

    def _pause(self, seconds: float) -> None:
        """Wait, at most until `stop`."""
        end = time.monotonic() + seconds
        while not self.stopped and time.monotonic() < end:
            time.sleep(min(0.1, seconds))

    def _positions(self) -> list[Any]:
        return [sink.position() for sink in self.sinks]


def _name_of(message: Message, row: StreamRow) -> str:
    """Return the name of a row's entity; one that is too long for some sinks, and for memory, is refused."""
    name = row.entity or message.entity or ""
    if len(name) > _LONGEST_NAME:
        raise DataError(
            f"the name of an entity must have at most {_LONGEST_NAME} characters, got {name[:20]!r}…; repair the sender"
        )
    return name


def _log_report(place: str, why: str) -> None:
    _logger.warning("%s: %s", place, why)
