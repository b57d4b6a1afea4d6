"""From a source through the scorer to the sinks, so that a crash costs neither a row nor a repeated result in a file.

A batch goes: polled → scored → results out → remembered (journal or snapshot) → committed to the source. After a crash
the saved state is taken up, files are cut to where it ends, and what was not committed comes again: results to a
broker may come twice, with the same `id`. A state of another model is taken up by that one, which then hands over.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tsae.errors import DataError, OutputError
from tsae.model.fitted import FittedModel
from tsae.streaming.handover import check_channels, hand_over, n_with_full_windows
from tsae.streaming.payloads import HeaderError, MessageReader, StreamRow
from tsae.streaming.records import Record, alarms_of, drift_records, dropped_record, event_records, row_records
from tsae.streaming.scorer import StreamScorer
from tsae.streaming.sinks.sink import Sink
from tsae.streaming.sources.source import LONGEST_PAYLOAD, Message, Source
from tsae.streaming.state import read_state
from tsae.streaming.state_files import StateFiles

__all__ = ["Runner", "RunnerOptions"]

_logger = logging.getLogger(__name__)
_LONGEST_PAUSE = 30.0  # seconds between tries to deliver
_LONGEST_REASON = 1000  # of what is said of a bad message, in characters
_LONGEST_NAME = 255  # of a machine, in characters


@dataclass(frozen=True)
class RunnerOptions:
    """How a stream is run."""

    tell: str = "rows"
    """"rows": every row and event. "alarms": rows that alarm, events and drift. "events": these two alone."""
    state: Path | None = None
    """File of the snapshot; `None` keeps nothing."""
    snapshot_rows: int = 20_000
    snapshot_seconds: float = 30.0
    """A snapshot is made after so many rows or seconds, and at the end."""


class Runner:
    """Runs one stream; see the module.

    Parameters
    ----------
    reader
        Message → row. Its header is part of the saved state.
    report
        Told of messages that could not be used: where it stood, and why.
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
        self._files = None if self._options.state is None else StateFiles(self._options.state)
        self._snapshot = 0  # number of the last one
        self._rows_at_snapshot, self._time_of_snapshot = 0, time.monotonic()
        self.n_bad = self.n_alarms = self.n_messages = self.n_retries = 0
        self.stopped = False
        self.failed = False
        """Whether it ended before results were out."""
        self._opened: list[Source | Sink] = []

    def open(self) -> None:
        """Take up the saved state, then open sinks and source where it ends.

        Raises
        ------
        DataError
            If the state is damaged, or its model is not the scorer's and no longer there.
        ModelFileError
            If its model has other channels.
        OutputError
            If another watch keeps the state, or something cannot be written.
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
                sink_positions = self._fitting(facts["sinks"])
                self._reader.begin(facts["header"])
            for entry in self._files.journal.read(self._snapshot):
                self._scored(entry.messages)  # its results are out
                sink_positions = self._fitting(entry.positions)
            if facts is None and sink_positions == [None] * len(self.sinks):
                self._rows_at_snapshot = -1  # nothing yet: begin with a snapshot of nothing
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
        """Deal with the next batch; false at the end of the source."""
        messages = self.source.poll(timeout)
        if messages is None:
            return False
        if messages:
            self.n_messages += len(messages)
            if self._deliver(self._scored(messages)):
                self._remember(messages)
        elif time.monotonic() - self._time_of_snapshot > self._options.snapshot_seconds:
            self._save()
        return True

    def stop(self) -> None:
        """End after the batch that is worked on."""
        self.stopped = True

    def settle(self) -> None:
        """The stream is over: settle the rows that wait."""
        self._deliver(self._told(self.scorer.flush()))

    def close(self) -> None:
        """Save what there is, unless it was not all taken up or is not all out, and let go."""
        try:
            if self.source in self._opened and self.scorer.counts.n_rows and not self.failed:
                self._save()
        finally:
            for part in reversed(self._opened):
                part.close()
            if self._files is not None:
                self._files.journal.close()

    def replace_model(self, model: FittedModel) -> None:
        """Go on with another model: rows that wait are settled by the old one, the next ones are scored by the new one.

        The same model once more changes nothing.

        Raises
        ------
        ModelFileError
            If the new model has other channels; the old one goes on.
        """
        if model.file and model.checksum == self.scorer.model.checksum:
            return
        after = self.scorer.with_model(model)
        check_channels(self.scorer, after)
        self._go_on_with(after)

    def _go_on_with(self, after: StreamScorer) -> None:
        if not self._deliver(self._told(hand_over(self.scorer, after))):
            return
        self.scorer = after
        self._save()
        full, all_ = n_with_full_windows(after), len(after.entities)
        rest = "" if full == all_ else "; the others are labelled when theirs are"
        _logger.warning("a new model is in use; windows of %d of %d machines are full%s", full, all_, rest)

    def _fitting(self, positions: Sequence[Any]) -> list[Any]:
        """Positions of as many sinks as there are; of other sinks than before nothing is known."""
        return list(positions) if len(positions) == len(self.sinks) else [None] * len(self.sinks)

    def _scored(self, messages: Sequence[Message]) -> list[Record]:
        refusals: dict[int, str] = {}
        rows = []
        for number, message in enumerate(messages):
            try:
                row = self._read(message)
                if row is not None:
                    rows.append((number, message, row))
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
        row = self._reader.row(message)
        if row is not None:
            _check_name(_name_of(message, row))
        return row

    def _records(self, rows: Sequence[tuple[int, Message, StreamRow]], refusals: dict[int, str]) -> list[Record]:
        """What there is to tell of rows; a bad one costs only itself."""
        if not rows:
            return []
        try:
            return self._score([(message, row) for _, message, row in rows])
        except DataError as error:
            if len(rows) == 1:
                refusals[rows[0][0]] = str(error)
                return []
        return [record for row in rows for record in self._records([row], refusals)]

    def _score(self, rows: Sequence[tuple[Message, StreamRow]]) -> list[Record]:
        stamps = [row.timestamp for _, row in rows]
        names = [_name_of(message, row) for message, row in rows]
        values = [row.values for _, row in rows]
        has_times = stamps[0] is not None
        if any((stamp is not None) != has_times for stamp in stamps):
            raise DataError("some rows carry a time and some do not; send it with every row, or with none")
        labels = [row.time for _, row in rows]
        scores = self.scorer.update_many(values, stamps if has_times else None, names, labels=labels)
        dropped = [dropped_record(names[place], labels[place]) for place in scores.dropped]
        return [*self._told(scores), *dropped]

    def _told(self, scores: Any) -> list[Record]:
        self.n_alarms += sum(change.state == "opened" for change in scores.events)
        events = [*event_records(scores.events), *drift_records(scores.drifts)]
        told = self._options.tell
        if told == "events":
            return events
        rows = row_records(scores, self.scorer.channels)
        return [*(alarms_of(rows) if told == "alarms" else rows), *events]

    def _deliver(self, records: Sequence[Record]) -> bool:
        """Hand records to all sinks, with back-off until they take them; meanwhile nothing more is read.

        What is not out is not remembered, and comes again.
        """
        self.failed = True
        try:
            for sink in self.sinks if records else ():
                self._until_written(partial(sink.write, records))
        except OutputError as error:
            _logger.error("stopped before results were out: %s", error)
            return False
        self.failed = False
        return True

    def _remember(self, messages: Sequence[Message]) -> None:
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
        self._until_written(lambda: files.write(self.scorer, self._facts()))
        self._until_written(lambda: files.journal.begin(self._snapshot))
        self._rows_at_snapshot, self._time_of_snapshot = self.scorer.counts.n_rows, time.monotonic()
        self.source.commit()

    def _facts(self) -> dict[str, Any]:
        """What a snapshot holds beside the scorer."""
        return {
            "snapshot": self._snapshot,
            "source": self.source.position(),
            "sinks": self._positions(),
            "header": self._reader.header,
            "n_bad": self.n_bad,
            "n_alarms": self.n_alarms,
        }

    def _until_written(self, write: Callable[[], None]) -> None:
        """Try again with back-off; a failure after `stop` is raised."""
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
        """Wait, but not after `stop`."""
        end = time.monotonic() + seconds
        while not self.stopped and time.monotonic() < end:
            time.sleep(min(0.1, seconds))

    def _positions(self) -> list[Any]:
        return [sink.position() for sink in self.sinks]


def _name_of(message: Message, row: StreamRow) -> str:
    return row.entity or message.entity or ""


def _check_name(name: str) -> None:
    """Refuse a name that not every sink can carry, and that takes too much memory."""
    if len(name) > _LONGEST_NAME:
        raise DataError(
            f"the machine's name ({name[:20]!r}…) has more than {_LONGEST_NAME} characters; repair the sender"
        )


def _log_report(place: str, why: str) -> None:
    _logger.warning("%s: %s", place, why)
