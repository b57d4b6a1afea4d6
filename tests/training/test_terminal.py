"""What a person sees while a detector is trained, and what a script does not see."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FIT = """
import numpy as np
from tsae import AnomalyDetector
time = np.arange(300)
table = np.column_stack([np.sin(time / 5), np.cos(time / 7)])
AnomalyDetector(window_size=8, max_steps=60, random_state=0).fit(table).detect(table)
"""


def test_a_script_sees_nothing(tmp_path):
    command = [sys.executable, "-W", "error", "-c", FIT]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


def test_a_person_sees_progress_and_a_pipe_does_not():
    terminal, inside = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", FIT], stderr=inside, stdout=subprocess.PIPE) as process:
        os.close(inside)
        shown = b""
        with contextlib.suppress(OSError):  # the other end was closed
            while part := os.read(terminal, 4096):
                shown += part
        os.close(terminal)
        assert process.stdout.read() == b""
    assert process.returncode == 0
    assert b"60/60" in shown
    assert b"held-out loss" in shown
    assert b"warn" not in shown.lower()
