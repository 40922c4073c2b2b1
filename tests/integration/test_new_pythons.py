"""Everything that an overlay is for, on the newest Pythons: 3.14 and, whose `site` is another (PEP 829), 3.15."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from .commands import Devpy, Result, run
from .environments import CondaEnvironment, MakeCondaEnv
from .projects import MakeRepository, import_name

pytestmark = pytest.mark.slow

PYTHONS = ("3.14", "3.15")
IN_BASE = ("pip", "setuptools", "hatchling", "editables", "pytest")
KINDS = ("setuptools-flat", "setuptools-src", "hatchling", "start-file")
MODULES = [import_name(kind) for kind in KINDS]
TOML = '[python]\nbase_conda_env = "{base}"\n[editables]\npackages = {packages}\n'
TEST = """\
import os, sys
import {module}

def test_own_code():
    assert {module}.origin().startswith(os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep)
    assert sys.version_info[:2] == {version}
"""
BACKEND = """
import importlib.util, json, os, pathlib, zipfile

def build_wheel(directory, *_):
    names = json.loads(pathlib.Path("asked.json").read_text())
    found = [name for name in names if importlib.util.find_spec(name)]
    pathlib.Path("found.json").write_text(json.dumps(found))
    info = "isolated-1.0.dist-info"
    files = {
        "METADATA": "Metadata-Version: 2.1\\nName: isolated\\nVersion: 1.0\\n",
        "WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        "RECORD": "",
    }
    with zipfile.ZipFile(os.path.join(directory, "isolated-1.0-py3-none-any.whl"), "w") as archive:
        for name, text in files.items():
            archive.writestr(f"{info}/{name}", text)
    return "isolated-1.0-py3-none-any.whl"
"""
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "isolated"
version = "1.0"
"""
PIPS = ("25.3", "26.1.2", "26.2.1", "26.3")  # older ones do not run on Python 3.15
WHERE = """
import importlib, json, sys
def where(name):
    try:
        return importlib.import_module(name).__file__
    except ImportError as error:
        return type(error).__name__
print(json.dumps({name: where(name) for name in sys.argv[1:]}))
"""


class Worktrees(NamedTuple):
    """Two worktrees of one repository, `main` with an overlay, on a base that may be changed."""

    main: Path
    other: Path
    base: CondaEnvironment
    environ: dict[str, str]

    @property
    def site_packages(self) -> Path:
        return next(self.main.glob(".venv/lib/python3.*/site-packages"))

    def devpy(self, *args: str) -> Result:
        return Devpy(self.environ)(*args, cwd=self.main)

    def plain(self, program: str, *args: str, **environ: str) -> Result:
        """Run a program of the overlay as an IDE does, without devpy."""
        kept = {name: value for name, value in self.environ.items() if name.startswith("PIP_") or name == "HOME"}
        return run([self.main / ".venv" / "bin" / program, *args], cwd=self.main, environ={**kept, **environ})

    def both(self, *args: str) -> Iterator[Result]:
        """Run Python in both ways; nothing is to be said on stderr."""
        for result in (self.devpy("python", *args), self.plain("python", *args)):
            assert result.err == ""
            yield result


@pytest.fixture(scope="module", params=PYTHONS)
def python(request: pytest.FixtureRequest) -> str:
    version: str = request.param
    return version


@pytest.fixture(scope="module")
def usual(make_conda_env: MakeCondaEnv, python: str) -> CondaEnvironment:
    return make_conda_env(f"new-{python}", python, IN_BASE)


def make(folder: Path, base: CondaEnvironment, environ: dict[str, str], python: str, *packages: str) -> Worktrees:
    test = TEST.format(module=import_name(packages[0]), version=tuple(map(int, python.split("."))))
    files = {
        "devpy.toml": TOML.format(base=base.name, packages=json.dumps(packages)),
        "tests/test_own_code.py": test,
        "pytest.ini": "[pytest]\n",
        ".gitignore": ".venv\n__pycache__\nbuilds.txt\n*.egg-info\n.pytest_cache\n",
    }
    repository = MakeRepository(environ)
    main = repository(folder / "main", *packages, files=files)
    return Worktrees(main, repository.worktree(main, "other"), base, environ)


@pytest.fixture(scope="module")
def healthy(
    tmp_path_factory: pytest.TempPathFactory, usual: CondaEnvironment, python: str, devpy_environ: dict[str, str]
) -> Worktrees:
    """One package on a base with nothing special in it; tests leave the overlay as it is."""
    made = make(tmp_path_factory.mktemp("healthy"), usual, devpy_environ, python, "self-built")
    assert made.devpy("update-editables").code == 0
    return made


@pytest.fixture(scope="module")
def crowded(
    tmp_path_factory: pytest.TempPathFactory,
    make_conda_env: MakeCondaEnv,
    usual: CondaEnvironment,
    python: str,
    devpy_environ: dict[str, str],
) -> Worktrees:
    """A package of each kind; in the base, the editables of the other worktree, which has a module more in each."""
    base = make_conda_env.clone(usual, f"crowded-{python}")
    made = make(tmp_path_factory.mktemp("crowded"), base, devpy_environ, python, *KINDS)
    for module in MODULES:
        (file,) = made.other.glob(f"*/**/{module}/__init__.py")
        file.with_name("dropped.py").touch()
    editables = [f"--editable={made.other / kind}" for kind in KINDS]
    options = ("--no-deps", "--no-build-isolation", *editables)
    assert run([base.python, "-m", "pip", "install", *options], cwd=made.other, environ=devpy_environ).code == 0
    assert made.devpy("update-editables").code == 0
    return made


@pytest.mark.bounds
def test_runs_the_worktrees_code(healthy: Worktrees) -> None:
    file = healthy.main / "self-built" / "src" / "sample_self_built" / "__init__.py"
    for result in healthy.both("-c", "import sample_self_built as s; print(s.origin())"):
        assert result.out == f"{file}\n"
    assert healthy.plain("python", "-m", "pip", "--version").code == 0


def test_start_of_python(healthy: Worktrees, python: str) -> None:
    """Nothing is let in twice, the base comes last, and one file leads there: none that a newer Python warns of."""
    for result in healthy.both("-W", "error", "-c", "import json, sys; print(json.dumps(sys.path))"):
        path = json.loads(result.out)
        assert len(path) == len(set(path))
        source = healthy.main / "self-built" / "src"
        assert path[-3:] == [str(folder) for folder in (healthy.site_packages, source, healthy.base.site_packages)]
    bridges = [path.name for path in healthy.site_packages.glob("~*")]
    assert bridges == ["~devpy.pth" if python == "3.14" else "~devpy.start"]


def test_pytest(healthy: Worktrees) -> None:
    for result in (
        healthy.devpy("pytest", "-p", "no:cacheprovider"),
        healthy.plain("pytest", "-p", "no:cacheprovider"),
    ):
        assert (result.code, result.err) == (0, "")
        assert f"devpy: overlay .venv on base {healthy.base.prefix}\n  sample-self-built: self-built/src/" in result.out
        assert "1 passed" in result.out


def test_doctor(healthy: Worktrees) -> None:
    result = healthy.devpy("doctor")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[-1] == "12 ok"


@pytest.mark.bounds
def test_undeclared_editable_is_refused(healthy: Worktrees) -> None:
    project = healthy.other / "self-built"
    assert healthy.devpy("pip", "install", "-e", str(project)).code == 2
    result = healthy.plain("pip", "install", "-e", str(project))
    assert result.code == 1
    assert f"ERROR: devpy: {project} is not declared" in result.err
    assert not (project / "builds.txt").exists()


def test_bridge_that_fails(healthy: Worktrees) -> None:
    """Then there is no base and so no pip, or, if a plain path lets the base in, the guard is armed nevertheless."""
    project = healthy.other / "self-built"
    (bridge,) = healthy.site_packages.glob("~*")
    text = bridge.read_text("ascii")
    plain = healthy.site_packages / "plain.pth"
    try:
        bridge.write_text(text.replace("start", "nothing"), encoding="ascii")
        without_base = healthy.plain("python", "-m", "pip", "install", "-e", str(project))
        plain.write_text(f"{healthy.base.site_packages}\n", encoding="utf-8")
        with_base = healthy.plain("python", "-m", "pip", "install", "-e", str(project))
    finally:
        bridge.write_text(text, encoding="ascii")
        plain.unlink(missing_ok=True)
    assert without_base.code != 0
    assert without_base.err.endswith("No module named pip\n")
    assert with_base.code == 1
    assert f"ERROR: devpy: {project} is not declared" in with_base.err


def test_each_kind_of_editable_comes_from_its_own_worktree(crowded: Worktrees) -> None:
    names = [*MODULES, *(f"{module}.dropped" for module in MODULES)]
    for result in crowded.both("-c", WHERE, *names):
        found = json.loads(result.out)
        assert [name for name in MODULES if not found[name].startswith(f"{crowded.main}{os.sep}")] == []
        assert {found[name] for name in names[len(MODULES) :]} == {"ModuleNotFoundError"}


@pytest.mark.parametrize("pip", PIPS)
def test_isolated_build(crowded: Worktrees, pip: str, tmp_path: Path) -> None:
    """It sees neither the base nor the overlay, whichever way pip asks Python what they have added to `sys.path`."""
    library, project = tmp_path / "library", tmp_path / "project"
    command: list[str | Path] = [crowded.base.python, "-m", "pip", "install", "--quiet", "--target", library]
    assert run([*command, f"pip=={pip}"], cwd=tmp_path, environ=crowded.environ).code == 0
    project.mkdir()
    asked = ["hatchling", "sample_hatchling", "sample_setuptools_src"]
    for name, text in {"backend.py": BACKEND, "pyproject.toml": PYPROJECT, "asked.json": json.dumps(asked)}.items():
        (project / name).write_text(text, encoding="utf-8")
    wheels = ["wheel", "--no-deps", "--wheel-dir", str(tmp_path / "wheels"), str(project)]
    assert crowded.plain("python", str(library / "pip"), *wheels).code == 0
    assert json.loads((project / "found.json").read_text("utf-8")) == []
    assert crowded.plain("python", str(library / "pip"), *wheels, "--no-build-isolation").code == 0
    assert json.loads((project / "found.json").read_text("utf-8")) == asked


def test_base_itself_runs_the_other_worktree(crowded: Worktrees) -> None:
    result = run([crowded.base.python, "-c", WHERE, *MODULES], cwd=crowded.main, environ=crowded.environ)
    assert [file for file in json.loads(result.out).values() if not file.startswith(f"{crowded.other}{os.sep}")] == []


def test_base_that_pythonpath_names(crowded: Worktrees) -> None:
    """Nor does the worktree's code change if it names the overlay's."""
    for folder in (crowded.base.site_packages, crowded.site_packages):
        result = crowded.plain("python", "-c", WHERE, *MODULES, PYTHONPATH=str(folder))
        assert result.err == ""
        found = json.loads(result.out)
        assert [file for file in found.values() if not file.startswith(f"{crowded.main}{os.sep}")] == []


def test_pytest_beside_other_editables(crowded: Worktrees) -> None:
    result = crowded.devpy("pytest", "-p", "no:cacheprovider")
    assert (result.code, result.err) == (0, "")
    for kind, module in zip(KINDS, MODULES):
        assert f"\n  sample-{kind}: {kind}/" in result.out, module


def test_doctor_beside_other_editables(crowded: Worktrees, python: str) -> None:
    verdicts = json.loads(crowded.devpy("doctor", "--json").out)["verdicts"]
    assert {verdict["check"] for verdict in verdicts if verdict["state"] != "ok"} == {"base editables"}
    assert {verdict["state"] for verdict in verdicts} == {"ok", "warning"}
    told = crowded.devpy("doctor", "sample_start_file").out
    suffix = "pth" if python == "3.14" else "start"
    assert f"{crowded.site_packages}/_sample_start_file.{suffix}" in told
