from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.reference import tsae

COMMANDS = ["demo", "check", "fit", "score", "annotate", "recalibrate", "watch", "export", "inspect"]


def test_help_loads_nothing_but_typer_and_rich() -> None:
    code = """
import sys
from tsae.cli import main
sys.argv = ["tsae", "--help"]
try:
    main()
finally:
    print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    heavy = {"numpy", "pandas", "pyarrow", "torch", "pytorch_lightning", "sklearn", "scipy", "plotly", "safetensors"}
    assert "typer" in loaded
    assert not heavy & loaded


def test_help_names_commands_and_exit_codes() -> None:
    result = tsae("--help")
    assert result.exit_code == 0
    words = " ".join(result.output.split())
    assert all(command in words for command in COMMANDS)
    for code in ("0 done", "3 bad data", "4 bad model file", "5 cannot write", "10 events", "130 interrupted"):
        assert code in words


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    result = tsae(command, "--help")
    assert result.exit_code == 0
    assert "--debug" in result.output


def test_version() -> None:
    import tsae as package

    assert tsae("--version").output == f"tsae {package.__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["fit"],
        ["score", "--nonsense"],
        ["score", "m", "t", "--direction", "up"],
        ["fit", "x.csv", "--seed", "a"],
    ],
)
def test_wrong_usage(arguments: list[str]) -> None:
    assert tsae(*arguments).exit_code == 2
