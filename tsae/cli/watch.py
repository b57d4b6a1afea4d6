"""`tsae watch`: scores of rows as they arrive."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from tsae.cli.console import progress
from tsae.cli.models import table_detector
from tsae.cli.options import Model, StreamReading
from tsae.cli.stopping import Stopping
from tsae.errors import DataError

if TYPE_CHECKING:
    from tsae.cli.lines import CsvLines, JsonLines
    from tsae.cli.live import Answer, LiveSeries
    from tsae.detection.detector import AnomalyDetector
    from tsae.series.options import ReadOptions

__all__ = ["watch"]


def watch(
    model: Model,
    *,
    alarms_only: Annotated[
        bool, typer.Option("--alarms-only", help="Print only rows that alarm, at once or when settled.")
    ] = False,
    reading: StreamReading,
) -> None:
    """Score rows from standard input as they arrive: CSV with a header, or one JSON object a line.

    Each row is answered by one JSON line: its score at once, and in "settled" the scores of older rows that are now
    as good as those of [bold]tsae score[/]. A line that cannot be read is reported on standard error and costs only
    itself. Ctrl-C and SIGTERM settle the rest and end.
    """
    watcher = _Watcher(table_detector(model), reading.read_options(), alarms_only=alarms_only)
    with Stopping() as stopping:
        progress("ready")
        for line in stopping.lines(sys.stdin.buffer):
            watcher.take(line)
    watcher.finish()


class _Watcher:
    """Lines in, JSON lines out."""

    def __init__(self, detector: AnomalyDetector, options: ReadOptions, *, alarms_only: bool) -> None:
        self._detector, self._options, self._alarms_only = detector, options, alarms_only
        self._lines: CsvLines | JsonLines | None = None
        self._series: dict[str, LiveSeries] = {}
        self._n_lines = self._n_errors = 0

    def take(self, line: bytes) -> None:
        """Answer one line."""
        self._n_lines += 1
        text = line.decode("utf-8-sig" if self._n_lines == 1 else "utf-8", errors="replace").strip("\r\n")
        if not text.strip():
            return
        if self._lines is None:
            from tsae.cli.lines import lines_like

            self._lines = lines_like(text, self._detector.channels_, self._options)
            if self._lines.has_header:
                return
        try:
            answer = self._answer(self._lines, text)
        except DataError as error:
            self._n_errors += 1
            _print({"line": self._n_lines, "error": str(error)}, sys.stderr)
        else:
            self._show(answer)

    def finish(self) -> None:
        """Settle what still waits, and say how it went.

        Raises
        ------
        DataError
            If no row was scored.
        """
        for series in self._series.values():
            self._show(series.finish())
        counts_of = [series.scorer.counts for series in self._series.values()]
        n_rows = sum(counts.n_rows for counts in counts_of)
        if not n_rows:
            raise DataError(
                "no row was scored; send a CSV with a header, or JSON lines, to standard input, as in "
                "`tail -n +1 -f today.csv | tsae watch pump.tsae`"
            )
        counts = {
            "late rows dropped": sum(counts.n_late for counts in counts_of),
            "repeated rows dropped": sum(counts.n_duplicates for counts in counts_of),
            "gaps": sum(counts.n_gaps for counts in counts_of),
            "missing rows bridged": sum(counts.n_filled for counts in counts_of),
            "values absent": sum(counts.n_absent for counts in counts_of),
            "bad lines": self._n_errors,
        }
        progress(", ".join([f"{n_rows:,} rows scored", *(f"{n:,} {name}" for name, n in counts.items() if n)]))

    def _answer(self, lines: CsvLines | JsonLines, text: str) -> Answer:
        from tsae.cli.live import LiveSeries

        row = lines.row(text)
        series = self._series.get(row.entity)
        if series is None:
            series = self._series[row.entity] = LiveSeries(self._detector, row.entity)
        return series.take(row)

    def _show(self, answer: Answer) -> None:
        if self._alarms_only:
            answer = answer.alarms()
        if answer:
            _print(answer.record(), sys.stdout)


def _print(record: dict[str, Any], stream: TextIO) -> None:
    print(json.dumps(record), file=stream, flush=True)
