"""What a stream tells: JSON objects, one a line, each with `schema`, `kind` and `id`; see `records.schema.json`.

`kind` "row": the immediate score of a row, and under `settled` the rows of its entity that settled with it.
`kind` "event": an event that was `opened`, `updated` or `closed`. `kind` "dropped": a row that was not scored.
`kind` "incident": events of at least two entities that overlap in time, `opened`, `updated` or `closed`.
`kind` "drift": an entity whose rows have come to differ from training.
An `id` is the same whenever the same row or event is told again, so that a consumer can drop repeats.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from tsae.alarms.decider import EventChange
from tsae.alarms.event import event_fields
from tsae.alarms.incidents import incident_fields
from tsae.streaming.incidents import IncidentChange
from tsae.streaming.row_scores import DriftNotice, RowScore, StreamScores

__all__ = [
    "SCHEMA",
    "Record",
    "alarms_of",
    "drift_records",
    "dropped_record",
    "event_records",
    "incident_records",
    "row_records",
]

SCHEMA = "tsae.stream/3"
_MOST_SENSORS = 3
Record = dict[str, Any]


def row_records(scores: StreamScores, channels: Sequence[str]) -> list[Record]:
    """One record for each row that was scored; settled rows go with the last one of their entity."""
    records: list[Record] = []
    latest: dict[str, Record] = {}
    for row in scores.immediate:
        record = {"schema": SCHEMA, "kind": "row", **_identity(row), **_facts(row, channels)}
        records.append(record)
        latest[row.entity] = record
    for row in scores.settled:
        last = latest.get(row.entity)
        if last is None:  # the end of a segment
            last = {"schema": SCHEMA, "kind": "row", "id": f"{row.entity}/end-{row.row}"}
            last |= {"entity": row.entity} if row.entity else {}
            latest[row.entity] = last
            records.append(last)
        last.setdefault("settled", []).append(_facts(row, channels))
    return records


def event_records(changes: Iterable[EventChange]) -> list[Record]:
    """One record for each change of an event."""
    records = []
    for change in changes:
        fields = event_fields(change.event)
        identity = {"schema": SCHEMA, "kind": "event", "id": fields.pop("event_id")}
        records.append({**identity, "state": change.state, "version": change.version, **fields})
    return records


def incident_records(changes: Iterable[IncidentChange]) -> list[Record]:
    """One record for each change of an incident."""
    records = []
    for change in changes:
        fields = incident_fields(change.incident) | {"id": change.incident_id}
        del fields["incident_id"]
        identity = {"schema": SCHEMA, "kind": "incident", "id": fields.pop("id")}
        records.append({**identity, "state": change.state, "version": change.version, **fields})
    return records


def drift_records(notices: Iterable[DriftNotice]) -> list[Record]:
    """One record for each entity that has come to differ from training."""
    return [
        {
            "schema": SCHEMA,
            "kind": "drift",
            "id": f"{notice.entity}/drift-{notice.row}",
            **({"entity": notice.entity} if notice.entity else {}),
            "row": notice.row,
            "verdict": notice.drift.verdict,
            "score_distance": round(notice.drift.distance, 3),
            "threshold_moved": round(notice.drift.moved, 3),
            "sensors": [
                {name: value if isinstance(value, str) else round(value, 3) for name, value in asdict(sensor).items()}
                for sensor in notice.drift.sensors
            ],
        }
        for notice in notices
    ]


def dropped_record(entity: str, time: Any) -> Record:
    """A row that was not scored, because it was late or repeated."""
    about = {"entity": entity} if entity else {}
    why = "its time is not after that of the row before"
    identity = {"id": f"{entity}/dropped-{time}"}
    return {"schema": SCHEMA, "kind": "dropped", **identity, **about, "timestamp": time, "dropped": why}


def alarms_of(records: Iterable[Record]) -> list[Record]:
    """The records that alarm, without what does not."""
    out = []
    for record in records:
        if record["kind"] != "row":
            out.append(record)
            continue
        settled = [row for row in record.get("settled", ()) if row["label"]]
        if record.get("label") or settled:
            kept = {name: value for name, value in record.items() if name != "settled"}
            if not record.get("label"):
                kept = {name: value for name, value in kept.items() if name in ("schema", "kind", "id", "entity")}
            out.append(kept | ({"settled": settled} if settled else {}))
    return out


def _identity(row: RowScore) -> Record:
    return {"id": f"{row.entity}/{row.row}", **({"entity": row.entity} if row.entity else {})}


def _facts(row: RowScore, channels: Sequence[str]) -> Record:
    record: Record = {"row": row.row}
    if row.timestamp is not None:
        record["timestamp"] = row.timestamp if isinstance(row.timestamp, str) else row.timestamp.isoformat()
    record |= {
        "score": float(f"{row.score:.7g}"),
        "p_value": float(f"{row.p_value:.3g}"),
        "severity": round(row.severity, 1),
        "label": row.label,
    }
    if row.label and row.errors is not None:
        record["sensors"] = _shares(row.errors, channels)
    return record


def _shares(errors: Any, channels: Sequence[str]) -> dict[str, float]:
    """The sensors with the largest parts of the error above the usual."""
    excess = np.maximum(np.nan_to_num(errors, nan=0.0) - 1, 0)
    total = excess.sum()
    if not total > 0:
        return {}
    largest = np.argsort(-excess, kind="stable")[:_MOST_SENSORS]
    return {channels[i]: round(float(excess[i] / total), 4) for i in largest if excess[i] > 0}
