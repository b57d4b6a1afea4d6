"""The examples call `tsae watch` as it is."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from tsae.cli.app import app
from tsae.streaming.transports.registry import sink_of, source_of

EXAMPLES = Path(__file__).parents[2] / "examples"


def of_unit() -> list[str]:
    text = (EXAMPLES / "tsae-watch.service").read_text().replace("\\\n", " ")
    (line,) = [line for line in text.splitlines() if line.startswith("ExecStart=")]
    return shlex.split(line.removeprefix("ExecStart="))[1:]


def of_container() -> list[str]:
    lines = (EXAMPLES / "Containerfile").read_text().splitlines()
    entry, command = (
        json.loads(next(line for line in lines if line.startswith(word)).removeprefix(word))
        for word in ("ENTRYPOINT ", "CMD ")
    )
    return [*entry[1:], *command]


@pytest.mark.parametrize("words", [of_unit(), of_container()], ids=["systemd", "container"])
def test_examples_are_understood(words: list[str]) -> None:
    name, *arguments = words
    command = get_command(app).commands[name]  # type: ignore[attr-defined]
    found = command.make_context(name, arguments).params
    assert name == "watch"
    assert found["events_only"]
    assert found["state"]
    assert type(source_of(found["source"])).__name__ == "MqttSource"
    assert [type(sink_of(address)).__name__ for address in found["sinks"]] == ["FileSink"]
