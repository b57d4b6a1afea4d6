"""Results to a web hook: one HTTP POST a record, with a key by which the receiver can tell repeats."""

from __future__ import annotations

import http.client
import json
import logging
import string
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from tsae.errors import OutputError, ParameterError
from tsae.streaming.records import Record

__all__ = ["WebhookSink"]

_logger = logging.getLogger(__name__)
_TIMEOUT = 10.0  # seconds
_ABOUT_THE_RECORD = frozenset({400, 409, 413, 415, 422})
_AS_THEY_ARE = string.punctuation.replace("%", "")


class WebhookSink:
    """POST every record as JSON to a URL.

    An answer that refuses the record itself (400, 409, 413, 415, 422) is final, and told, because it would be refused
    for ever. Anything else that is no success (a server that is down, moved, or does not know the caller) is
    for the caller to try again, from the first record that is not out.

    Parameters
    ----------
    url
        Begins with http:// or https://.
    """

    def __init__(self, url: str) -> None:
        self._url = _checked(url)
        self._opener = urllib.request.build_opener(_NoRedirects)
        self._n_sent = 0  # of the records that are being written

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
        key = key_of(record)
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        request = urllib.request.Request(self._url, json.dumps(record).encode(), headers)
        try:
            with self._opener.open(request, timeout=_TIMEOUT) as answer:
                answer.read()
            return
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in _ABOUT_THE_RECORD:
                _logger.error("web hook %r refuses %s (HTTP %d); it is not sent again", self._url, key, error.code)
                return
            place = error.headers.get("Location")
            reason = f"HTTP {error.code}" + (f", it has moved to {place!r}" if place else "")
        except (OSError, http.client.HTTPException) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        raise OutputError(f"web hook {self._url!r} does not take results ({reason}); check the receiver")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A POST that is sent elsewhere would arrive as a GET, without the record."""

    def redirect_request(self, *_: Any) -> None:
        return None


def key_of(record: Record) -> str:
    """The same for the same record, whenever it is sent; ASCII, as headers are."""
    key = ":".join(str(record[name]) for name in ("kind", "id", "state", "version") if name in record)
    return quote(key, safe=_AS_THEY_ARE)


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_good = False
    if not is_good or any(each <= " " or each > "~" for each in url):
        raise ParameterError(f"web hook {url!r} must be http(s)://HOST[:PORT]/PATH, with anything but ASCII escaped")
    if parts.username or parts.password:
        raise ParameterError("the address of a web hook must not hold a user or a password; use a secret path")
    return url
