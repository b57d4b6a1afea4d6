"""Counters of a running stream as Prometheus text."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tsae.errors import OutputError

__all__ = ["MetricsServer", "as_text"]

_GAUGES = frozenset(
    {"alarming_entities", "drifting_entities", "entities", "heartbeat_seconds", "lag_rows", "threshold_moved"}
)


def as_text(values: Mapping[str, float]) -> str:
    """Return counters in Prometheus' text format.

    >>> print(as_text({"rows": 3}), end="")
    # TYPE tsae_rows_total counter
    tsae_rows_total 3
    """
    lines = []
    for name, value in values.items():
        is_gauge = name in _GAUGES
        full = f"tsae_{name}" if is_gauge else f"tsae_{name}_total"
        lines += [f"# TYPE {full} {'gauge' if is_gauge else 'counter'}", f"{full} {value:.15g}"]
    return "".join(f"{line}\n" for line in lines)


class MetricsServer:
    """Server of `GET /metrics`; `heartbeat_seconds` is the time since the stream last worked.

    `address` is the host, by name or number, and the port to listen on.
    """

    def __init__(self, address: tuple[str, int], values: Callable[[], Mapping[str, float]]) -> None:
        self.last_beat = time.monotonic()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = self.path == "/metrics"
                beat = {"heartbeat_seconds": time.monotonic() - server.last_beat}
                body = as_text({**values(), **beat}).encode() if found else b""
                self.send_response(200 if found else 404)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        try:
            self._server = ThreadingHTTPServer(address, Handler)
        except OSError as error:
            host, port = address
            raise OutputError(f"cannot listen on {host}, port {port}: {error.strerror}; choose others") from error
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def beat(self) -> None:
        """Reset the time since the stream last worked."""
        self.last_beat = time.monotonic()

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
