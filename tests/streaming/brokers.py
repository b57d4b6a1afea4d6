"""Brokers and processes that the tests of delivery run: all on 127.0.0.1."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import paho.mqtt.client as paho
import pandas as pd
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tsae.model.fitted import FittedModel
from tsae.streaming.scorer import StreamScorer

_MOST_UNDER_WAY = 10_000  # there are 65,535 message numbers
COMMAND = [sys.executable, "-c", "from tsae.cli import main; main()"]


def needed(name: str) -> str:
    """A program's path; where continuous integration runs, it must be there."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        assert "CI" not in os.environ, f"install {name}"
        pytest.skip(f"{name} is not installed")
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


class Mosquitto:
    """A broker that keeps what was not acknowledged over its restarts."""

    def __init__(self, folder: Path, *lines: str) -> None:
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        kept = [f"persistence_location {folder}/", "persistence true", "max_queued_messages 0"]
        access = [] if any(line.startswith("allow_anonymous") for line in lines) else ["allow_anonymous true"]
        own = ["max_inflight_messages 200", "user root", f"listener {self.port} 127.0.0.1", *access]
        self._config.write_text("\n".join([*kept, *own, *lines]) + "\n")
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [needed("mosquitto"), "-c", self._config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for(self._listens, "mosquitto")

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(30)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def certificates(folder: Path) -> tuple[Path, Path, Path]:
    """A certificate authority, and the certificate and key of a broker on 127.0.0.1 that it vouches for."""
    authority, request, certificate = (folder / name for name in ("ca.pem", "broker.csr", "broker.pem"))
    authority_key, key, names = (folder / name for name in ("ca.key", "broker.key", "names.cnf"))
    names.write_text("subjectAltName=IP:127.0.0.1\n")
    fresh = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    signed = ["-CA", authority, "-CAkey", authority_key, "-CAcreateserial", "-extfile", names, "-days", "2"]
    for command in (
        ["req", "-x509", *fresh, "-subj", "/CN=tsae test", "-days", "2", "-keyout", authority_key, "-out", authority],
        ["req", *fresh, "-subj", "/CN=127.0.0.1", "-keyout", key, "-out", request],
        ["x509", "-req", "-in", request, *signed, "-out", certificate],
    ):
        subprocess.run([needed("openssl"), *command], check=True, capture_output=True)
    return authority, certificate, key


def publish(port: int, messages: Iterable[tuple[str, bytes]], *, protocol: Any = paho.MQTTv311) -> None:
    """Publish at QoS 1 and wait until the broker has everything; it may restart meanwhile."""
    left = iter(messages)
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=protocol)
    client.max_queued_messages_set(0)
    client.reconnect_delay_set(1, 1)
    client.connect("127.0.0.1", port)
    client.loop_start()
    while part := list(islice(left, _MOST_UNDER_WAY)):
        sent = [client.publish(topic, payload, qos=1) for topic, payload in part]
        wait_for(lambda sent=sent: all(each.is_published() for each in sent), "the broker to take messages", 600)
    client.disconnect()
    client.loop_stop()


class Watch:
    """`tsae watch` in a process of its own."""

    def __init__(self, *arguments: object, log: Path, environment: dict[str, str] | None = None) -> None:
        self._arguments, self._log = [str(argument) for argument in arguments], log
        self._environment = {**os.environ, **(environment or {})}
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            start = log.tell()
            self.process = subprocess.Popen(
                [*COMMAND, "watch", *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
            )
        wait_for(lambda: b"ready" in self._log.read_bytes()[start:] or self.process.poll() is not None, "the watch")
        assert self.process.poll() is None, self._log.read_text()[-2000:]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(30)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0, self._log.read_text()[-2000:]


def records_in(path: Path) -> list[dict[str, Any]]:
    """All records of a file that nobody writes any more."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def records_so_far(path: Path) -> list[dict[str, Any]]:
    """The records of a file that is being written; its last line may still be under way."""
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def rows_for(
    n_rows: int, entities: list[str], channels: list[str], *, seed: int = 0
) -> list[tuple[str, dict[str, Any]]]:
    """Rows of several machines in turn, each at its own time, with a fault in some."""
    rng = np.random.default_rng(seed)
    times = [time.isoformat() for time in pd.date_range("2026-11-24", periods=n_rows, freq="min")]
    out = []
    for row, time_ in enumerate(times):
        for number, entity in enumerate(entities):
            values = np.sin(2 * np.pi * row / 24 + np.arange(len(channels))) + rng.normal(
                scale=0.05, size=len(channels)
            )
            if number % 5 == 0 and 50 <= row % 100 < 56:
                values[0] += 3
            out.append((entity, {"timestamp": time_, **dict(zip(channels, values.round(4).tolist(), strict=True))}))
    return out


def uninterrupted(model: Path, rows: list[tuple[str, dict[str, Any]]]) -> dict[str, dict[int, float]]:
    """Settled scores by entity and row, of one scorer that nothing happens to; rows that still wait are left out."""
    loaded = FittedModel.load(model)
    scorer = StreamScorer(loaded)
    out: dict[str, dict[int, float]] = {}
    for start in range(0, len(rows), 1000):
        names, records = zip(*rows[start : start + 1000], strict=True)
        times = [record["timestamp"] for record in records]
        for row in scorer.update_many(list(records), times, names).settled:
            out.setdefault(row.entity, {})[row.row] = row.score
    return out


def settled_scores(records: list[dict[str, Any]]) -> dict[str, dict[int, float]]:
    """Settled scores by entity and row; a row that comes again must have the same score."""
    out: dict[str, dict[int, float]] = {}
    for record in records:
        for row in record.get("settled", ()):
            known = out.setdefault(record["entity"], {})
            assert known.setdefault(row["row"], row["score"]) == pytest.approx(row["score"], rel=1e-4)
    return out
