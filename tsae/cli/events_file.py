"""Files of events: written by `tsae score --events` and `tsae watch`, and read back to be annotated."""

from __future__ import annotations

import csv
import difflib
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tsae.alarms.event import Event, event_fields
from tsae.cli.outputs import events_frame, write_frame
from tsae.errors import DataError, ParameterError
from tsae.store import write_atomically

__all__ = ["choose_events", "read_events", "write_events"]

_JSON_SUFFIXES = (".jsonl", ".ndjson")
_NEEDED = ("event_id", "start", "stop")
_SENSOR_NEEDS = {"sensor", "share"}
_SENSOR = re.compile(r"(.+?) (\d\.\d\d)(?:; |\Z)", re.DOTALL)
_SIDES = ("above", "below")
_MOST_NAMED = 3

Fields = dict[str, Any]
"""Fields of an event, named as by `event_fields`."""


def write_events(events: Sequence[Event], entity_column: str | None, path: Path) -> None:
    """Write events as JSON lines, CSV or Parquet, by the suffix of the path."""
    if path.suffix.lower() in _JSON_SUFFIXES:
        lines = (json.dumps(event_fields(event), ensure_ascii=False, allow_nan=False) + "\n" for event in events)
        write_atomically(path, "".join(lines).encode())
    else:
        write_frame(events_frame(events, entity_column), path)


def read_events(path: Path) -> dict[str, Fields]:
    """Return the fields of the events in a file, by event id.

    The records of `tsae watch` are taken as well; of several on one event the last one counts.

    Raises
    ------
    DataError
        If the file cannot be read, or does not hold events.
    """
    try:
        if path.suffix.lower() in _JSON_SUFFIXES:
            events = _from_json_lines(path)
        elif path.suffix.lower() == ".parquet":
            events = _from_parquet(path)
        else:
            events = _from_csv(path)
    except OSError as error:
        raise DataError(f"cannot read the events {str(path)!r}: {error.strerror or error}; check the path") from error
    except (ValueError, csv.Error) as error:
        if isinstance(error, DataError):
            raise
        raise _not_events(path, str(error)) from error
    return {event["event_id"]: event for event in events}


def choose_events(events: Mapping[str, Fields], ids: Iterable[str], path: Path) -> list[Fields]:
    """Return the events with these ids.

    Raises
    ------
    ParameterError
        If one is not there; the message names those with similar ids.
    """
    found = []
    for each in ids:
        if each not in events:
            near = difflib.get_close_matches(each, events, n=_MOST_NAMED, cutoff=0.5) or list(events)[:_MOST_NAMED]
            way_out = f"choose one, such as {', '.join(map(repr, near))}" if near else "there is nothing to annotate"
            raise ParameterError(f"`event` (={each!r}) is not among the {len(events):,} events of {path}; {way_out}")
        found.append(events[each])
    return found


def _not_events(path: Path, why: str) -> DataError:
    return DataError(
        f"{str(path)!r} does not hold events ({why}); name a .csv, .jsonl or .parquet file that `tsae score --events` "
        "wrote"
    )


def _from_json_lines(path: Path) -> list[Fields]:
    events = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        fields = json.loads(line) if line.strip() else {"kind": "empty"}
        if not isinstance(fields, dict):
            raise _not_events(path, f"line {number} is not a JSON object")
        if fields.get("kind", "event") != "event":
            continue  # other records of a watch
        fields.setdefault("event_id", fields.get("id"))
        missing = [name for name in _NEEDED if fields.get(name) is None]
        if missing:
            raise _not_events(path, f"line {number} lacks {', '.join(missing)}")
        if any(not isinstance(each, dict) or not each.keys() >= _SENSOR_NEEDS for each in fields.get("sensors") or []):
            raise _not_events(path, f"line {number} has sensors without name or share")
        events.append(fields)
    return events


def _from_csv(path: Path) -> list[Fields]:
    limit = csv.field_size_limit(sys.maxsize)  # a name, and so a list of names, may be long
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="")
            header = list(reader.fieldnames or [])
            return _from_lines(path, header, list(reader))
    finally:
        csv.field_size_limit(limit)


def _from_parquet(path: Path) -> list[Fields]:
    import pandas as pd

    frame = pd.read_parquet(path)
    lines = [{str(name): value for name, value in line.items()} for line in frame.to_dict("records")]
    return _from_lines(path, list(map(str, frame.columns)), lines)


def _from_lines(path: Path, header: list[str], lines: Iterable[Mapping[str, Any]]) -> list[Fields]:
    missing = [name for name in (*_NEEDED, "peak_score", "sensors") if name not in header]
    if missing:
        raise _not_events(path, f"it lacks the column {missing[0]!r}")
    entity_column = header[0] if header[0] != "event_id" else None  # it stands first and has the table's name
    return [
        {
            **({} if entity_column is None else {"entity": str(line[entity_column])}),
            **{name: line[name] for name in _NEEDED},
            "peak_score": float(line["peak_score"]),
            "sensors": _sensors(line),
        }
        for line in lines
    ]


def _sensors(line: Mapping[str, Any]) -> list[Fields]:
    parts = _SENSOR.findall(line["sensors"])
    stated = str(line["directions"]).split("; ") if line.get("directions") else [line.get("direction") or ""]
    directions = [stated[place] if place < len(stated) else "" for place in range(len(parts))]
    return [
        {"sensor": sensor, "share": min(1.0, float(share)), "direction": direction if direction in _SIDES else ""}
        for (sensor, share), direction in zip(parts, directions, strict=True)
    ]
