"""Service of `tsae watch`: a runner, its model file, counters and logs."""

from __future__ import annotations

import json
import logging
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tsae.cli.inputs import check_apart, exclusion_files, exclusions_of
from tsae.cli.options import EventOptions
from tsae.errors import TsaeError
from tsae.model.fitted import FittedModel
from tsae.series.options import ReadOptions
from tsae.store import check_writable
from tsae.streaming.metrics import MetricsServer
from tsae.streaming.payloads import MessageReader
from tsae.streaming.runner import Runner, RunnerOptions
from tsae.streaming.scorer import StreamScorer
from tsae.streaming.state_files import BESIDE
from tsae.streaming.transports.registry import file_of, sink_of, source_of

__all__ = ["Service"]

_logger = logging.getLogger("tsae.watch")
_SECONDS_BETWEEN_LOOKS = 2.0  # at the model file


class Service:
    """Runner with a model file that may be replaced, counters and logs."""

    def __init__(
        self,
        model: Path,
        source: str,
        sinks: Sequence[str],
        options: RunnerOptions,
        reading: ReadOptions,
        events: EventOptions,
        *,
        follow: bool,
        reorder: int,
        max_entities: int,
        exclude: Sequence[str] = (),
        report: Callable[[str, str], None],
    ) -> None:
        self._model, self._state = model, options.state
        states = [] if options.state is None else [Path(f"{options.state}{ending}") for ending in ("", *BESIDE)]
        files = [file for file in map(file_of, sinks) if file is not None]
        check_apart([*files, *states], [model, file_of(source), *exclusion_files(exclude)])
        self._model_stamp = self._stamp()
        opened = source_of(source, follow=follow), [sink_of(address) for address in sinks]
        fitted = FittedModel.load(model)
        scorer = StreamScorer(
            fitted,
            reorder=reorder,
            max_entities=max_entities,
            rules=events.rules(fitted.period),
            exclude=exclusions_of(exclude) if exclude else None,
        )
        if options.state is not None:
            check_writable(options.state)
        reader = MessageReader(fitted.channels, reading)
        self.runner = Runner(scorer, *opened, reader, options=options, report=report)
        self._looked = time.monotonic()

    def run(self, metrics_address: tuple[str, int] | None, *, ready: Callable[[], None]) -> None:
        """Run until the source ends or the runner is stopped, and serve counters at the address."""
        runner = self.runner
        with _logs_as_json():
            metrics = None if metrics_address is None else MetricsServer(metrics_address, self._values)
            try:
                runner.open()
                ready()
                while not runner.stopped and runner.step(0.5):
                    if metrics is not None:
                        metrics.beat()
                    self._look_at_model()
                if not runner.failed and (not runner.stopped or self._state is None):
                    runner.settle()
            finally:
                runner.close()
                if metrics is not None:
                    metrics.close()

    def furthest_moved(self) -> tuple[str, float] | None:
        """Return the entity whose threshold has adapted most, and by how much; `None` if none has."""
        fleet = self.runner.scorer.fleet
        found = fleet.decider.furthest_moved()
        return None if found is None else (fleet.entities[found[0]].name, found[1])

    def _values(self) -> Mapping[str, float]:
        runner, counts = self.runner, self.runner.scorer.counts
        furthest = self.furthest_moved()
        return {
            "messages": runner.n_messages,
            "rows": counts.n_rows,
            "dropped_rows": counts.n_late + counts.n_duplicates,
            "bad_messages": runner.n_bad,
            "gaps": counts.n_gaps,
            "blocked_rows": counts.n_blocked,
            "clock_steps": counts.n_clock_steps,
            "alarms": runner.n_alarms,
            "delivery_retries": runner.n_retries,
            "entities": len(runner.scorer.fleet.entities),
            "alarming_entities": runner.scorer.fleet.decider.n_alarming(),
            "drifting_entities": runner.scorer.fleet.decider.n_drifting(),
            "lag_rows": runner.scorer.n_waiting,
            "threshold_moved": 0.0 if furthest is None else furthest[1],
        }

    def reload(self) -> None:
        """Read the model file again after the current batch."""
        self._model_stamp, self._looked = None, -math.inf

    def _look_at_model(self) -> None:
        """Reload a replaced model file; a bad one is reported, and the old model stays in use."""
        if time.monotonic() - self._looked < _SECONDS_BETWEEN_LOOKS:
            return
        self._looked = time.monotonic()
        stamp = self._stamp()
        if stamp in (None, self._model_stamp):
            return
        self._model_stamp = stamp
        try:
            self.runner.replace_model(FittedModel.load(self._model))
        except TsaeError as error:
            _logger.error("the new model file is not used: %s", error)

    def _stamp(self) -> tuple[int, int] | None:
        try:
            found = self._model.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        facts = {"time": self.formatTime(record), "level": record.levelname.lower(), "message": record.getMessage()}
        return json.dumps(facts)


@contextmanager
def _logs_as_json() -> Iterator[None]:
    """Log warnings of the toolkit on standard error, one JSON object per line."""
    logger = logging.getLogger("tsae")
    before, does_propagate = logger.handlers, logger.propagate
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter())
    logger.handlers, logger.propagate = [handler], False
    try:
        yield
    finally:
        logger.handlers, logger.propagate = before, does_propagate
