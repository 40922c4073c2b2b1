"""The probe runs in the base's Python, from 3.8 on, with nothing installed."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import devpy_pip_guard
from devpy_runner.doctor import probe

from ...guard import pep829

SOURCE = Path(probe.__file__)
OLDEST_STANDARD_LIBRARY = {
    "__future__", "collections", "importlib", "json", "os", "re", "sys", "traceback", "typing",
}  # fmt: skip
START = "import _devpy_guard; _devpy_guard.own_path[:] = sys.path[:]; _devpy_guard.own_finders[:] = sys.meta_path"


class Interpreter:
    """A Python that has the guard in a site-packages folder of its own, as an overlay's has.

    :param minor: of the Python 3.X whose `site` is emulated; 0 for this one's own
    """

    def __init__(self, folder: Path, minor: int = 0) -> None:
        self._prelude = pep829.prelude(minor) if minor else ""
        self.site_packages = folder / "lib" / "python3.x" / "site-packages"
        shutil.copytree(Path(devpy_pip_guard.__file__).parent, self.site_packages / "_devpy_guard")

    def add_path(self, name: str, line: str) -> None:
        (self.site_packages / name).write_text(f"{line}\n", encoding="utf-8")

    def ask(self, *task: str, pythonpath: Path | None = None) -> Any:
        added = [] if pythonpath is None else [str(pythonpath)]
        steps = [
            "import site, runpy, sys",
            self._prelude,
            f"site.addsitedir({str(self.site_packages)!r})",
            START,
            f"sys.argv = {['probe', *task]!r}",
            f"runpy.run_path({str(SOURCE)!r}, run_name='__main__')",
        ]
        environ = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(added)}
        command = [sys.executable, "-S", "-c", "\n".join(steps)]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
        assert "noise" not in done.stdout
        return json.loads(done.stdout)


@pytest.fixture
def interpreter(tmp_path: Path) -> Interpreter:
    return Interpreter(tmp_path / "overlay")


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_syntax_is_that_of_python_3_8() -> None:
    ast.parse(SOURCE.read_text(encoding="utf-8"), feature_version=(3, 8))


def test_imports_nothing_that_may_be_missing() -> None:
    nodes = list(ast.walk(ast.parse(SOURCE.read_text(encoding="utf-8"))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= OLDEST_STANDARD_LIBRARY


def test_copies_in_the_order_of_precedence(interpreter: Interpreter, tmp_path: Path) -> None:
    own = write(tmp_path / "own" / "mine" / "__init__.py")
    first = write(tmp_path / "first" / "mine.py")
    interpreter.add_path("own.pth", str(own.parent.parent))
    (found,) = interpreter.ask("find", "mine", pythonpath=first.parent)["modules"]
    assert [(copy["file"], copy["kind"], copy["pth"]) for copy in found["copies"]] == [
        (str(first), "PYTHONPATH", ""),
        (str(own), "pth", str(interpreter.site_packages / "own.pth")),
    ]
    assert found["expected"] == str(own)


def test_a_folder_is_shadowed_by_a_module_further_down_the_path(interpreter: Interpreter, tmp_path: Path) -> None:
    write(tmp_path / "first" / "mine" / "data.txt")
    module = write(interpreter.site_packages / "mine.py")
    (found,) = interpreter.ask("find", "mine", pythonpath=tmp_path / "first")["modules"]
    assert [copy["file"] or copy["portions"] for copy in found["copies"]] == [
        str(module),
        [str(tmp_path / "first" / "mine")],
    ]


def test_finding_imports_parents_alone(interpreter: Interpreter) -> None:
    write(interpreter.site_packages / "parent" / "__init__.py", "print('noise')\n")
    child = write(interpreter.site_packages / "parent" / "child.py", "raise SystemExit\n")
    (found,) = interpreter.ask("find", "parent.child")["modules"]
    assert [(copy["file"], copy["kind"]) for copy in found["copies"]] == [(str(child), "parent")]


def test_finding_below_a_parent_that_fails(interpreter: Interpreter) -> None:
    write(interpreter.site_packages / "parent" / "__init__.py", "raise ValueError('broken')\n")
    (found,) = interpreter.ask("find", "parent.child")["modules"]
    assert (found["copies"], found["error"]) == ([], "ValueError: broken")


def test_module_of_python_itself(interpreter: Interpreter) -> None:
    found = interpreter.ask("find", "os", "sys", "json", "nowhere")["modules"]
    assert [[copy["kind"] for copy in each["copies"]] for each in found] == [["stdlib"], ["stdlib"], ["stdlib"], []]
    assert found[0]["copies"][0]["file"] == os.path.realpath(os.__file__)


def test_finder_and_the_paths_it_leads_to(interpreter: Interpreter, tmp_path: Path) -> None:
    """As setuptools writes one."""
    module = write(tmp_path / "project" / "mapped.py")
    code = [
        "import sys",
        "from importlib.util import spec_from_file_location",
        f"MAPPING = {{'mapped': {str(module)!r}}}",
        "class _EditableFinder:",
        "    @classmethod",
        "    def find_spec(cls, name, path=None, target=None):",
        "        return spec_from_file_location(name, MAPPING[name]) if name in MAPPING else None",
        "def install(): sys.meta_path.append(_EditableFinder)",
    ]
    write(interpreter.site_packages / "__editable___project_finder.py", "\n".join(code))
    interpreter.add_path("p.pth", "import __editable___project_finder as it; it.install()")
    state = interpreter.ask("state")
    pth = str(interpreter.site_packages / "p.pth")
    finder = {"name": "__editable___project_finder._EditableFinder", "paths": [str(module)], "kind": "pth", "pth": pth}
    assert finder in state["finders"]
    (found,) = interpreter.ask("find", "mapped")["modules"]
    assert [(copy["file"], copy["kind"], copy["pth"]) for copy in found["copies"]] == [(str(module), "finder", pth)]


@pytest.mark.parametrize("module", ["_impl", "_impl.finder"])
@pytest.mark.parametrize("minor", [15, 18])
def test_finder_that_an_entry_point_installs(tmp_path: Path, module: str, minor: int) -> None:
    """On Pythons of PEP 829, whatever the `.pth` file beside it says."""
    interpreter = Interpreter(tmp_path / "overlay", minor)
    code = f"import sys\nclass Finder: find_spec = lambda *_: None\nFinder.__module__ = {module!r}\n"
    write(interpreter.site_packages / "_impl.py", f"{code}def install(): sys.meta_path.append(Finder)\n")
    interpreter.add_path("a.pth", "import _impl; _impl.install()")
    interpreter.add_path("a.start", "_impl:install")
    state = interpreter.ask("state")
    start = str(interpreter.site_packages / "a.start")
    assert {"name": f"{module}.Finder", "paths": [], "kind": "pth", "pth": start} in state["finders"]


def test_copy_that_devpy_has_left_out(interpreter: Interpreter, tmp_path: Path) -> None:
    """Its folder is no longer on the path, and a finder of its own is kept from answering."""
    folder, module = tmp_path / "folder" / "mine.py", tmp_path / "finder" / "mine.py"
    for each in (folder, module):
        write(each)
    interpreter.add_path("folder.pth", str(folder.parent))
    code = [
        "import sys",
        "from importlib.util import spec_from_file_location",
        "class Inner:",
        f"    paths = [{str(module)!r}]",
        "    def find_spec(self, name, path=None, target=None):",
        f"        return spec_from_file_location(name, {str(module)!r}) if name == 'mine' else None",
        "class Wrapper:",
        "    def __init__(self): self.inner = Inner()",
        "    def find_spec(self, name, path=None, target=None): return None",
        "Wrapper.__module__ = '_devpy_guard.precedence'",
        "def install():",
        "    sys.meta_path.append(Wrapper())",
        f"    sys.path.remove({str(folder.parent)!r})",
    ]
    write(interpreter.site_packages / "stranger.py", "\n".join(code))
    interpreter.add_path("stranger.pth", "import stranger; stranger.install()")
    (found,) = interpreter.ask("find", "mine")["modules"]
    assert found["copies"] == []
    pths = [str(interpreter.site_packages / name) for name in ("stranger.pth", "folder.pth")]
    assert [(copy["file"], copy["pth"]) for copy in found["left_out"]] == list(zip((str(module), str(folder)), pths))
    assert "stranger.Inner" in [finder["name"] for finder in interpreter.ask("state")["finders"]]


def test_scripts_beside_a_package_are_not_imported(interpreter: Interpreter, tmp_path: Path) -> None:
    source = tmp_path / "project" / "src"
    write(source / "mine" / "__init__.py")
    for script in ("train.py", "data/wipe.py", "other/__init__.py"):
        write(source / script, "raise SystemExit('usage: train.py FILE')\n")
    info = interpreter.site_packages / "mine-1.0.dist-info"
    origin = {"url": (tmp_path / "project").as_uri(), "dir_info": {"editable": True}}
    write(info / "direct_url.json", json.dumps(origin))
    write(info / "METADATA", "Name: mine\n")
    write(info / "RECORD", "mine.pth,,\n")
    interpreter.add_path("mine.pth", str(source))
    modules = interpreter.ask("import", str(tmp_path / "project"))["modules"]
    assert {module["name"]: module["error"] for module in modules} == dict.fromkeys(["mine", "data.wipe", "other"], "")
