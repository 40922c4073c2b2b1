"""The guard runs in the base's Python, from 3.8 on, with nothing installed: what may it import?"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import devpy_pip_guard

SOURCES = sorted(Path(devpy_pip_guard.__file__).parent.glob("*.py"))
AT_EVERY_START = ("__init__.py", "sitecustomize.py")
BESIDE_THE_STANDARD_LIBRARY = {
    "config.py": {"tomli"},  # outside an overlay, on a Python that has no tomllib
    "hook.py": {"pip"},
    "pytest_plugin.py": {"pytest"},
    "sitecustomize.py": {"_devpy_guard"},
}
# Modules that Python 3.8 lacks or that a later one has dropped, by the file that asks for them with care.
NOT_EVERYWHERE = {"config.py": {"tomllib"}}
IN_EVERY_PYTHON = {
    "__future__", "_frozen_importlib", "_frozen_importlib_external", "difflib", "functools", "hashlib", "importlib",
    "json", "os", "re", "shlex", "site", "stat", "sys", "types", "typing", "urllib",
}  # fmt: skip

by_name = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield the top-level name of each module that a file imports, by statement or `import_module`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield str(node.module).split(".")[0]
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "import_module":
            yield str(ast.literal_eval(node.args[0])).split(".")[0]


@by_name
def test_imports_nothing_that_may_be_missing(source: Path) -> None:
    allowed = BESIDE_THE_STANDARD_LIBRARY.get(source.name, set()) | NOT_EVERYWHERE.get(source.name, set())
    assert set(imported(ast.parse(source.read_text()))) <= IN_EVERY_PYTHON | allowed


@by_name
def test_relative_imports_stay_inside(source: Path) -> None:
    levels = [node.level for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, ast.ImportFrom)]
    assert set(levels) <= {0, 1}


@by_name
def test_syntax_is_that_of_python_3_8(source: Path) -> None:
    ast.parse(source.read_text(), feature_version=(3, 8))


@pytest.mark.parametrize("name", AT_EVERY_START)
def test_start_imports_only_what_is_loaded_already(name: str) -> None:
    """Statements outside functions; those inside run when pip asks, or for modules that `site` has loaded."""
    source = next(path for path in SOURCES if path.name == name)
    statements = [node for node in ast.parse(source.read_text()).body if isinstance(node, (ast.Import, ast.ImportFrom))]
    loaded = {"sys", "_frozen_importlib_external", "_devpy_guard"}
    assert {module for statement in statements for module in imported(statement)} <= loaded


def test_start_loads_no_other_module(tmp_path: Path) -> None:
    """What an interpreter has loaded after its start, with the guard and without.

    `-S` keeps out what the tests' own environment adds to a start.
    """
    program = (
        "import site, sys; bare = set(sys.modules); sys.path.insert(0, sys.argv[1]); "
        "import devpy_pip_guard as guard; guard.BASE = sys.argv[2].encode(); guard.MADE = guard.OVERLAY.encode(); "
        "guard.start(set()); print(sorted(set(sys.modules) - bare))"
    )
    command = [sys.executable, "-I", "-S", "-c", program, str(SOURCES[0].parent.parent), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ast.literal_eval(done.stdout) == ["devpy_pip_guard"]
