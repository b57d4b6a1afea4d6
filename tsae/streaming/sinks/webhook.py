"""Results to a web hook: one HTTP POST a record, with a key by which the receiver can tell repeats."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any

from tsae.errors import OutputError, ParameterError
from tsae.streaming.records import Record

__all__ = ["WebhookSink"]

_TIMEOUT = 10.0  # seconds
_RETRIED = frozenset({408, 425, 429})


class WebhookSink:
    """POST every record as JSON to a URL.

    Server errors and unreachable hosts are tried again with back-off; a refusal (4xx) is final for its record and
    counted, because the same record would be refused for ever.

    Parameters
    ----------
    url
        Begins with http:// or https://.
    n_tries
        Tries of one record before the sink reports that it cannot deliver.
    """

    def __init__(self, url: str, *, n_tries: int = 5, sleep: Callable[[float], None] = time.sleep) -> None:
        if not url.startswith(("http://", "https://")):
            raise ParameterError(f"web hook {url!r} must begin with http:// or https://")
        self._url, self._n_tries, self._sleep = url, n_tries, sleep
        self._n_sent = 0  # of the records that are being written
        self.n_refused = 0

    def open(self, position: Any) -> None:
        pass

    def write(self, records: Sequence[Record]) -> None:
        for record in records[self._n_sent :]:
            self._post(record)
            self._n_sent += 1
        self._n_sent = 0

    def position(self) -> None:
        return None

    def close(self) -> None:
        pass

    def _post(self, record: Record) -> None:
        headers = {"Content-Type": "application/json", "Idempotency-Key": key_of(record)}
        request = urllib.request.Request(self._url, json.dumps(record).encode(), headers)
        for attempt in range(self._n_tries):
            try:
                with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
                    answer.read()
                return
            except urllib.error.HTTPError as error:
                error.close()
                reason = f"HTTP {error.code}"
                if error.code < 500 and error.code not in _RETRIED:
                    self.n_refused += 1
                    return
            except OSError as error:
                reason = str(getattr(error, "reason", error))
            if attempt < self._n_tries - 1:
                self._sleep(min(30.0, 0.2 * 2**attempt))
        raise OutputError(f"web hook {self._url!r} does not take results ({reason}); check the receiver")


def key_of(record: Record) -> str:
    """The same for the same record, whenever it is sent."""
    return ":".join(str(record[name]) for name in ("kind", "id", "state", "version") if name in record)
