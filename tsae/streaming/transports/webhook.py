"""Web hooks as a sink: one HTTP POST per record, with a key by which the receiver can recognise repeats."""

from __future__ import annotations

import json
import logging
import string
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from tsae.errors import OutputError, ParameterError

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

    from tsae.streaming.records import Record

__all__ = ["WebhookSink", "sink"]

_logger = logging.getLogger(__name__)
_TIMEOUT = 10.0  # seconds
_ABOUT_THE_RECORD = frozenset({400, 409, 413, 415, 422})
_AS_THEY_ARE = string.punctuation.replace("%", "")


class WebhookSink:
    """Sink that POSTs every record as JSON to a URL, which begins with http:// or https://.

    An answer that refuses the record itself (400, 409, 413, 415, 422) is final, because the record would be refused
    for ever; it is reported. After any other failure (a server that is down, has moved, or does not know the sender)
    the caller tries again, from the first record that is not out.
    """

    def __init__(self, url: str) -> None:
        self._url = _checked(url)
        self._opener = _opener()
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
        from http.client import HTTPException
        from urllib.error import HTTPError
        from urllib.request import Request

        key = key_of(record)
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        request = Request(self._url, json.dumps(record).encode(), headers)
        try:
            with self._opener.open(request, timeout=_TIMEOUT) as answer:
                answer.read()
            return
        except HTTPError as error:
            error.close()
            if error.code in _ABOUT_THE_RECORD:
                _logger.error("web hook %r rejected %s (HTTP %d); it is not sent again", self._url, key, error.code)
                return
            place = error.headers.get("Location")
            reason = f"HTTP {error.code}" + (f", moved to {place!r}" if place else "")
        except (OSError, HTTPException) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        raise OutputError(f"web hook {self._url!r} does not accept results ({reason}); check the receiver")


def _opener() -> OpenerDirector:
    """Return an opener that follows no redirects: a redirected POST arrives as a GET, without the record."""
    from urllib.request import HTTPRedirectHandler, build_opener  # slow to load, for a help that names web hooks

    class NoRedirects(HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    return build_opener(NoRedirects)


def key_of(record: Record) -> str:
    """Return the key of a record, the same whenever it is sent; ASCII, as headers are."""
    key = ":".join(str(record[name]) for name in ("kind", "id", "state", "version") if name in record)
    return quote(key, safe=_AS_THEY_ARE)


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_good = False
    if not is_good or any(each <= " " or each > "~" for each in url):
        raise ParameterError(
            f"web hook {url!r} must be http(s)://HOST[:PORT]/PATH, with other characters than ASCII escaped"
        )
    if parts.username or parts.password:
        raise ParameterError("the address of a web hook must not contain a user or password; use a secret path")
    return url


def sink(address: str) -> WebhookSink:
    """Open the web hook at an address."""
    return WebhookSink(address)
