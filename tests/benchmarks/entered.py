"""How much of the package a scored table enters: files, functions, and moves between files.

`tsae score` of the pump data, once to load what is imported on first use, and once more counted.

    python -m tests.benchmarks.entered
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from tsae import bundled_dataset
from tsae.cli import main as tsae

PACKAGE = str(Path(__file__).parents[2] / "tsae")
_NOT_FUNCTIONS = ("<module>", "<listcomp>", "<genexpr>", "<dictcomp>", "<setcomp>", "<lambda>")


def entered(call: Callable[[], Any]) -> tuple[Counter[str], set[CodeType], set[tuple[str, str]]]:
    """Functions entered in each file of the package, all of them, and distinct moves between two files."""
    functions: set[CodeType] = set()
    moves: set[tuple[str, str]] = set()
    stack: list[str] = []

    def look(frame: FrameType, event: str, _: Any) -> None:
        file = frame.f_code.co_filename
        if not file.startswith(PACKAGE):
            return
        if event == "call":
            functions.add(frame.f_code)
            if stack and stack[-1] != file:
                moves.add((stack[-1], file))
            stack.append(file)
        elif event == "return" and stack:
            stack.pop()

    sys.setprofile(look)
    try:
        call()
    finally:
        sys.setprofile(None)
    named = {code for code in functions if code.co_name not in _NOT_FUNCTIONS}
    return Counter(code.co_filename for code in named), named, moves


def command(*words: str) -> None:
    sys.argv = ["tsae", *words]
    try:
        tsae()
    except SystemExit as stop:
        if stop.code:
            raise


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pump = bundled_dataset("pump")
        model, scores, events = (str(folder / each) for each in ("m.tsae", "scores.csv", "events.csv"))
        command("fit", str(pump.train), "--output", model, "--max-steps", "20")
        words = ("score", model, str(pump.later), "--output", scores, "--events", events)
        command(*words)
        files, functions, moves = entered(lambda: command(*words))
    for file, n_functions in sorted(files.items()):
        print(f"{n_functions:4} {Path(file).relative_to(PACKAGE)}")
    print(f"{len(files)} files, {len(functions)} functions, {len(moves)} moves from file to file")


if __name__ == "__main__":
    main()
