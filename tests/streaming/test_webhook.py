"""Web hooks that are down, have moved, refuse, or answer nonsense."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tsae.errors import OutputError, ParameterError
from tsae.streaming.transports.webhook import WebhookSink, key_of

RECORDS = [{"kind": "row", "id": f"a/{row}"} for row in range(2)]


class Receiver:
    """A web hook that gives these answers in turn (0: nonsense), and then takes everything."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.keys: list[str] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.keys.append(self.headers["Idempotency-Key"])
                self.rfile.read(int(self.headers["Content-Length"]))
                answer = receiver.answers.pop(0) if receiver.answers else 204
                if not answer:
                    self.wfile.write(b"nonsense\r\n\r\n")
                    return
                self.send_response(answer)
                if answer in (301, 307):
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            def do_GET(self) -> None:
                receiver.keys.append("a GET, without the record")
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (503, "HTTP 503"),
        (401, "HTTP 401"),
        (404, "HTTP 404"),
        (301, "HTTP 301, moved to '/elsewhere'"),
        (307, "HTTP 307, moved to '/elsewhere'"),
        (0, "nonsense"),
    ],
)
def test_what_is_not_taken_is_told_and_sent_again(receiver: Receiver, answer: int, reason: str) -> None:
    receiver.answers = [204, answer, answer]
    sink = WebhookSink(receiver.url)
    for _ in range(2):
        with pytest.raises(OutputError) as caught:
            sink.write(RECORDS)
        assert f"does not accept results ({reason}" in str(caught.value)
    sink.write(RECORDS)
    assert receiver.keys == ["row:a/0", *["row:a/1"] * 3]


def test_a_record_that_is_refused_itself_is_told_and_costs_no_other(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.answers = [422]
    WebhookSink(receiver.url).write(RECORDS)
    assert receiver.keys == ["row:a/0", "row:a/1"]
    assert "rejected row:a/0 (HTTP 422); it is not sent again" in caplog.text


def test_any_name_of_a_machine_fits_into_the_key(receiver: Receiver) -> None:
    names = ["Süd", "насос", "a\r\nX: b", "50%", 'x "y"/{z}']
    records = [{"kind": "event", "id": f"{name}/event-3", "state": "opened", "version": 1} for name in names]
    WebhookSink(receiver.url).write(records)
    assert receiver.keys == [key_of(record) for record in records]
    assert len(set(receiver.keys)) == len(names)
    assert all(key.isascii() and key.isprintable() for key in receiver.keys)


@pytest.mark.parametrize(
    "url", ["http://", "http://host:port/", "http://a b/", "https://user:secret@host/x", "ftp://h"]
)
def test_addresses_that_cannot_be_used_are_refused(url: str) -> None:
    with pytest.raises(ParameterError) as caught:
        WebhookSink(url)
    assert ("must not contain a user" if "user" in url else "must be http(s)://HOST[:PORT]/PATH") in str(caught.value)


def test_a_receiver_that_is_not_there_is_told() -> None:
    with pytest.raises(OutputError, match=r"does not accept results \(.*Connection refused\); check the receiver"):
        WebhookSink("http://127.0.0.1:9/").write(RECORDS)
