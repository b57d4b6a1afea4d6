"""The rules of the house: style, types, room order, sizes, and what an import may cost."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "tsae").rglob("*.py"))


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the interpreter of the tests from the repository root, as a developer would."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )


def assert_succeeds(*arguments: str) -> str:
    done = run(*arguments)
    assert done.returncode == 0, f"{' '.join(arguments)}\n{done.stdout}{done.stderr}"
    return done.stdout


def name_of(module: Path) -> str:
    return module.relative_to(ROOT).as_posix()


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(("-m", "ruff", "check"), id="ruff-check"),
        pytest.param(("-m", "ruff", "format", "--check"), id="ruff-format"),
        pytest.param(("-m", "mypy"), id="mypy"),
        pytest.param(("-c", "from importlinter.cli import lint_imports_command as c; c()"), id="room-order"),
    ],
)
def test_checker_finds_nothing(command: tuple[str, ...]) -> None:
    assert_succeeds(*command)


def lengths() -> dict[str, int]:
    return {name_of(module): len(module.read_text("utf-8").splitlines()) for module in MODULES}


def test_a_file_tells_one_story() -> None:
    """Neither so long that it tells several, nor one story in splinters."""
    too_long = {name: length for name, length in lengths().items() if length > 600}
    assert not too_long, f"over 600 lines: {too_long}"
    long = {name: length for name, length in lengths().items() if length > 400}
    assert len(long) <= 0.05 * len(MODULES), f"more than 5 % of the files are over 400 lines: {long}"
    short = [name for name, length in lengths().items() if length < 30 and not name.endswith("__init__.py")]
    assert len(short) <= 0.05 * len(MODULES), f"more than 5 % of the files are under 30 lines: {short}"


def test_no_room_outgrows_the_house() -> None:
    """A fifth of the lines is the most that a room may have, so that a newcomer can tell what is where."""
    rooms: dict[str, int] = {}
    for name, length in lengths().items():
        room = name.split("/")[1]
        rooms[room] = rooms.get(room, 0) + length
    too_large = {room: n_lines for room, n_lines in rooms.items() if n_lines > 0.2 * sum(rooms.values())}
    assert not too_large, f"over a fifth of all lines: {too_large}"


def n_lines_of_work(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function below its signature and its docstring."""
    first = function.body[min(len(function.body) - 1, 1 if ast.get_docstring(function) else 0)]
    return (function.end_lineno or 0) - first.lineno + 1


def test_functions_are_short() -> None:
    too_long = [
        f"{name_of(module)}:{node.lineno} {node.name}"
        for module in MODULES
        for node in ast.walk(ast.parse(module.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and n_lines_of_work(node) > 50
    ]
    assert not too_long, f"over 50 lines: {too_long}"


def test_importing_the_package_is_cheap() -> None:
    loaded = assert_succeeds("-c", "import sys, tsae; print(*sys.modules)").split()
    assert not {"torch", "pandas", "numpy", "sklearn", "pytorch_lightning"} & set(loaded)


def test_help_is_cheap() -> None:
    code = """
import sys
from tsae.cli import main
sys.argv = ["tsae", "--help"]
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
heavy = {"torch", "pandas", "sklearn", "pytorch_lightning", "plotly"} & set(sys.modules)
sys.exit(f"loaded by --help: {heavy}" if heavy else 0)
"""
    assert "Usage" in assert_succeeds("-c", code)


def test_public_names_can_be_imported_and_others_are_refused() -> None:
    import tsae
    from tsae import errors

    assert all(getattr(tsae, name) is not None for name in tsae.__all__)
    assert dir(tsae) == sorted(tsae.__all__)
    assert tsae.metrics.vus_pr is tsae.evaluation.vus_pr
    assert set(errors.__all__) <= set(tsae.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'; it exports Annotation"):
        _ = tsae.nonsense


def imported_modules(module: Path, known: frozenset[str]) -> set[str]:
    """Modules of the package that a file imports, also inside functions and for types only."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found & known


def test_no_files_import_each_other_in_a_circle() -> None:
    dotted = {".".join(module.relative_to(ROOT).with_suffix("").parts): module for module in MODULES}
    named = {name.removesuffix(".__init__"): module for name, module in dotted.items()}
    del named["tsae"]  # it imports everything, when asked for it
    graph = {name: imported_modules(module, frozenset(named)) - {name} for name, module in named.items()}
    graph = {name: {one for one in found if not name.startswith(f"{one}.")} for name, found in graph.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"files import each other in a circle: {' ← '.join(error.args[1])}")
