from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.cli.reference import tsae
from tsae import load


def test_the_facts_of_a_model(model: Path) -> None:
    result = tsae("inspect", model)
    assert result.exit_code == 0
    words = " ".join(result.stdout.replace("│", " ").split())
    for fact in ("period 1 min", "lag ", "held-out rows", "flow l/s analog", "running switch", "window_size=16"):
        assert fact in words
    assert "pressure bar analog 3" in words
    assert "Bottleneck: what is not rebuilt of later data" in words
    assert "the code" in words


def test_the_receptive_field_of_a_convolutional_model(workshop: Path, here: Path) -> None:
    options = ["--kind", "convolutional", "--window-size", "32", "--max-steps", "5"]
    assert tsae("fit", workshop / "train.csv", "-o", "c.tsae", *options).exit_code == 0
    words = " ".join(tsae("inspect", "c.tsae").stdout.replace("│", " ").split())
    assert f"the window {load(here / 'c.tsae').receptive_field_} rows" in words


def test_the_facts_for_machines(model: Path) -> None:
    facts = json.loads(tsae("inspect", model, "--json").stdout)
    assert [channel["name"] for channel in facts["channels"]] == ["flow", "pressure", "temperature", "running"]
    assert facts["channels"][3]["role"] == "switch"
    assert facts["fitted"]["period_"] == 60.0
    assert facts["parameters"]["window_size"] == 16


def test_it_needs_no_torch(model: Path) -> None:
    code = f"""
import sys
from tsae.cli import main
sys.argv = ["tsae", "inspect", {str(model)!r}]
try:
    main()
finally:
    print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "sklearn", "pytorch_lightning"} & set(done.stdout.splitlines()[-1].split())
