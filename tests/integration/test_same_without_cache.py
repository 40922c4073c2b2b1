"""A run with a run cache behaves as one without, whatever has changed since the cache was left.

Two worktrees that are alike in all but their names see the same change. One has a run cache, the other has lost its.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Callable

import pytest

from devpy_pip_guard import read_start_variables
from devpy_runner.commands import demo_base
from devpy_runner.records import observations, run_cache

from .commands import Result, clean_environ, run
from .projects import MakeRepository, copy_package

pytestmark = pytest.mark.slow

Environ = dict[str, str]  # the variables of a process

TOML = """\
[python]
base_conda_env = "shared"

[editables]
packages = ["self-built", "link"]

[env]
WHICH = "{root}/{venv}/{base}"
"""
# What is two seconds old is trusted by then; the test does not wait for so long.
LEAVE_CACHE = f"""\
import sys
import {observations.__name__} as observations
from devpy_runner.cli import main
observations._YOUNG_SECONDS = 0.05
sys.exit(main(["true"]))
"""


class World:
    """A base, two worktrees on it, and a user's home; `undo` takes back what a test has changed.

    :param folder: holds everything
    :param environ: the variables of a caller
    """

    def __init__(self, folder: Path, environ: Environ) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.base = folder / "envs" / "shared"
        self.trees = [folder / "one" / "tree", folder / "two" / "tree"]
        self.environ = environ
        self._undo = ExitStack()

    def write(self, path: Path, text: str) -> None:
        topmost = path
        while not topmost.parent.exists():
            topmost = topmost.parent
        self.remove(topmost)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def edit(self, path: Path, more: str) -> None:
        self.write(path, path.read_text("utf-8") + more)

    def link(self, path: Path, target: str) -> None:
        self.remove(path)
        path.symlink_to(target)

    def remove(self, path: Path) -> None:
        """Take away what is at a path until the changes are undone."""
        aside = self.folder / "aside" / str(time.monotonic_ns())
        aside.parent.mkdir(exist_ok=True)
        self._undo.callback(lambda: self._put_back(aside, path))
        if os.path.lexists(path):
            path.rename(aside)

    def when_undone(self, step: Callable[[], object]) -> None:
        """Take a step when the changes are undone, ahead of those that were given before."""
        self._undo.callback(step)

    def undo(self) -> None:
        self._undo.close()

    def _put_back(self, aside: Path, path: Path) -> None:
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.is_dir():
            shutil.rmtree(path)
        if os.path.lexists(aside):
            aside.rename(path)

    def devpy(self, root: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> Result:
        return run([sys.executable, "-m", "devpy_runner", *arguments], cwd=root, environ=environ or self.environ)

    def leave_cache(self, root: Path) -> None:
        for _ in range(9):
            found = run_cache.read(str(root), self.environ)
            if found is not None and found.holds(self.environ):
                return
            time.sleep(0.1)
            result = run([sys.executable, "-c", LEAVE_CACHE], cwd=root, environ=self.environ)
            assert (result.code, result.out) == (0, "")
        pytest.fail("no run cache")

    def outcome(self, root: Path, environ: Mapping[str, str]) -> list[str]:
        """Run a command and return all that it has shown and done, with the worktrees' places left out."""
        result = self.devpy(root, "env", "-0", environ=environ)
        variables = "\n".join(sorted(result.out.split("\0")))
        info = self.devpy(root, "info", "--json", environ=environ)
        facts = json.loads(info.out) if info.code == 0 else {}
        facts.get("activation record", {}).pop("seconds", None)
        found = [str(result.code), result.err, variables, json.dumps(facts), info.err, self._start_variables(root)]
        return [text.replace(str(root.parent), "") for text in found]

    def _start_variables(self, root: Path) -> str:
        try:
            venv, base, _, *rules = read_start_variables(str(root / ".venv"))
        except (OSError, ValueError) as error:
            return str(error)
        return repr((venv, base, rules))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, pip_cache: Path) -> World:
    folder = Path(os.path.realpath(tmp_path_factory.mktemp("world")))
    programs = folder / "programs"
    programs.mkdir()
    environ = clean_environ(folder / "home", pip_cache)
    environ["PATH"] = os.pathsep.join([str(programs), environ["PATH"]])
    environ["CONDA_ENVS_DIRS"] = os.pathsep.join([str(folder / "earlier"), str(folder / "envs")])
    environ["CONDARC"] = str(folder / "condarc.yml")
    environ["PYTHONPATH"] = str(folder / "sources" / "lib")
    world = World(folder, environ)
    world.home.mkdir()
    (folder / "sources" / "lib").mkdir(parents=True)
    demo_base.make(str(world.base))
    script = world.base / "etc" / "conda" / "activate.d" / "script.sh"
    script.parent.mkdir(parents=True)
    script.write_text("export BY_SCRIPT=first\n", encoding="utf-8")
    for root in world.trees:
        MakeRepository(environ)(root, "self-built", files={"devpy.toml": TOML})
        other = copy_package("self-built", root.parent / "lib")
        for file in (other / "pyproject.toml", other / "backend.py"):
            file.write_text(file.read_text("utf-8").replace("self-built", "linked"), encoding="utf-8")
        (root / "link").symlink_to(other)
    return world


@pytest.fixture
def world(made: World) -> Iterator[World]:
    """The world in which a command has left a run cache in both worktrees, and a moment has passed."""
    for root in made.trees:
        made.leave_cache(root)
    time.sleep(0.05)  # longer than the clock of any file system ticks
    yield made
    made.undo()


def assert_same(world: World, more: Mapping[str, str] | None = None) -> list[str]:
    """Check that the worktree with a run cache and the one without come to the same, and return that."""
    one, two = world.trees
    environ = {**world.environ, **(more or {})}
    before = run_cache.read(str(one), world.environ)
    assert before is not None
    run_cache.forget(str(two), environ)
    outcomes = [world.outcome(root, environ) for root in (one, two)]
    assert outcomes[0] == outcomes[1]
    return outcomes[0]


OF_TREE: dict[str, Callable[[World, Path], None]] = {
    "devpy.toml, [env]": lambda world, root: world.edit(root / "devpy.toml", 'NEW = "{root}"\n'),
    "devpy.toml, broken": lambda world, root: world.edit(root / "devpy.toml", "[nonsense]\n"),
    "devpy.toml, gone": lambda world, root: world.remove(root / "devpy.toml"),
    "devpy.toml, a pointer": lambda world, root: point_to_stack(world, root),
    "devpy.toml, fewer packages": lambda world, root: world.write(root / "devpy.toml", TOML.replace(', "link"', "")),
    "pyproject.toml": lambda world, root: world.edit(root / "self-built" / "pyproject.toml", "# edited\n"),
    "setup.cfg": lambda world, root: world.write(root / "self-built" / "setup.cfg", "[metadata]\n"),
    "CMakeLists.txt": lambda world, root: world.write(root / "self-built" / "CMakeLists.txt", "project(x)\n"),
    "meson.build": lambda world, root: world.write(root / "self-built" / "meson.build", "project('x')\n"),
    "Cargo.toml": lambda world, root: world.write(root / "self-built" / "Cargo.toml", "[package]\n"),
    "a source file": lambda world, root: world.write(root / "self-built" / "new.py", "\n"),
    "a package's folder, moved and linked": lambda world, root: move_and_link(world, root / "self-built"),
    "a package's folder, gone": lambda world, root: world.remove(root / "self-built"),
    "a link to a package, to another one": lambda world, root: link_to_copy(world, root),
    "devpy.json, gone": lambda world, root: world.remove(root / ".venv" / "devpy.json"),
    "devpy.json, broken": lambda world, root: world.edit(root / ".venv" / "devpy.json", "}"),
    "pyvenv.cfg, gone": lambda world, root: world.remove(root / ".venv" / "pyvenv.cfg"),
    "pyvenv.cfg, broken": lambda world, root: world.write(root / ".venv" / "pyvenv.cfg", "home = /\n"),
    "bin/python, gone": lambda world, root: world.remove(root / ".venv" / "bin" / "python"),
    "bin/python, dangling": lambda world, root: world.link(root / ".venv" / "bin" / "python", "/nowhere/python"),
    "the launcher, gone": lambda world, root: world.remove(root / ".venv" / "lib" / "devpy" / "base-script"),
    "the bridge, gone": lambda world, root: world.remove(site_packages(root) / "~devpy.pth"),
    "sitecustomize, gone": lambda world, root: world.remove(site_packages(root) / "sitecustomize.py"),
    "the guard, gone": lambda world, root: world.remove(site_packages(root) / "_devpy_guard"),
    "a part of the guard, gone": lambda world, root: world.remove(site_packages(root) / "_devpy_guard" / "rest.zip"),
    "site-packages, gone": lambda world, root: world.remove(site_packages(root)),
    "the overlay, gone": lambda world, root: world.remove(root / ".venv"),
    "the overlay, somebody else's": lambda world, root: world.write(root / ".venv" / "mine" / "file", ""),
    "devpy-start, gone": lambda world, root: world.remove(root / ".venv" / "devpy-start"),
    "devpy-start, broken": lambda world, root: world.write(root / ".venv" / "devpy-start", "9\0"),
    "an editable of another tool": lambda world, root: drop_editable(world, root),
    "conda.pth": lambda world, root: world.write(site_packages(root) / "conda.pth", f"{world.folder}/sources/lib\n"),
    "easy-install.pth": lambda world, root: world.write(site_packages(root) / "easy-install.pth", "/nowhere\n"),
}

OF_BASE_OR_HOME: dict[str, Callable[[World], None]] = {
    "history": lambda world: world.edit(world.base / "conda-meta" / "history", "==> later <==\n"),
    "a new program of the base": lambda world: world.write(world.base / "bin" / "new-program", "#!/bin/sh\n"),
    "state": lambda world: world.write(world.base / "conda-meta" / "state", '{"env_vars": {"BY_STATE": "1"}}'),
    "state, broken": lambda world: world.write(world.base / "conda-meta" / "state", "{"),
    "env_vars.d": lambda world: world.write(world.base / "etc/conda/env_vars.d/a.json", '{"BY_PACKAGE": "1"}'),
    "a script, new": lambda world: world.write(world.base / "etc/conda/activate.d/new.sh", "export NEW=1\n"),
    "a script, edited": lambda world: world.edit(
        world.base / "etc/conda/activate.d/script.sh", "export BY_SCRIPT=other\n"
    ),
    "a script, gone": lambda world: world.remove(world.base / "etc/conda/activate.d/script.sh"),
    "a script, a dangling link": lambda world: world.link(world.base / "etc/conda/activate.d/new.sh", "nowhere"),
    "the base's Python, gone": lambda world: world.remove(world.base / "bin" / "python{}.{}".format(*sys.version_info)),
    "the base, gone": lambda world: world.remove(world.base),
    "the base, not conda's": lambda world: world.remove(world.base / "conda-meta" / "history"),
    "an earlier folder of its name": lambda world: world.write(world.folder / "earlier" / "shared" / "file", ""),
    "another folder of environments": lambda world: world.write(world.folder / "earlier" / "other" / "file", ""),
    ".condarc": lambda world: world.write(world.home / ".condarc", "changeps1: false\n"),
    ".condarc, broken": lambda world: world.write(world.home / ".condarc", "changeps1: [\n"),
    ".condarc, of nothing": lambda world: world.write(world.home / ".condarc", "channels: [x]\n"),
    ".condarc, a folder": lambda world: world.write(world.home / ".condarc" / "x.yml", "changeps1: false\n"),
    ".conda/.condarc": lambda world: world.write(world.home / ".conda" / ".condarc", "changeps1: false\n"),
    ".conda/condarc.d": lambda world: world.write(world.home / ".conda/condarc.d/x.yml", "env_prompt: '<{name}>'\n"),
    ".config/conda": lambda world: world.write(world.home / ".config/conda/condarc", "env_prompt: '<{name}>'\n"),
    "CONDARC": lambda world: world.write(world.folder / "condarc.yml", "env_prompt: '<{name}>'\n"),
    "environments.txt": lambda world: world.write(world.home / ".conda" / "environments.txt", "/nowhere\n"),
    "a usual root": lambda world: world.write(world.home / "miniforge3" / "envs" / "shared" / "file", ""),
    "conda on PATH": lambda world: put_conda(world, world.folder / "programs" / "conda"),
    "conda around the base": lambda world: put_conda(world, world.folder / "bin" / "conda"),
    "a repository around PYTHONPATH": lambda world: put_repository(world, world.folder / "sources"),
    "a repository around everything": lambda world: put_repository(world, world.folder),
}

OF_CALLER: dict[str, Environ] = {
    "CONDA_CHANGEPS1": {"CONDA_CHANGEPS1": "false"},
    "CONDA_EXE": {"CONDA_EXE": "/bin/sh"},
    "CONDA_PREFIX": {"CONDA_PREFIX": "/nowhere", "CONDA_SHLVL": "1"},
    "CONDA_ENVS_DIRS": {"CONDA_ENVS_DIRS": "/nowhere"},
    "HOME": {"HOME": "/nowhere"},
    "XDG_CONFIG_HOME": {"XDG_CONFIG_HOME": "/nowhere"},
    "CONDARC": {"CONDARC": "/nowhere.yml"},
    "PATH": {"PATH": "/usr/bin:/bin"},
    "PYTHONPATH": {"PYTHONPATH": "/nowhere"},
    "TERM": {"TERM": "dumb"},
}


def site_packages(root: Path) -> Path:
    return next(root.glob(".venv/lib/python3.*/site-packages"))


def point_to_stack(world: World, root: Path) -> None:
    stack = '[devpy]\nkind = "stack"\n\n' + TOML.replace('["self-built", "link"]', "[]")
    world.write(root / "stack.toml", stack.replace("[editables]", 'venv = ".stack-venv"\n[editables]'))
    world.remove(root / ".stack-venv")
    world.write(root / "devpy.toml", '[devpy]\nextends = "stack.toml"\n')


def move_and_link(world: World, folder: Path) -> None:
    moved = folder.with_name("moved")
    folder.rename(moved)
    folder.symlink_to(moved)
    world.when_undone(lambda: moved.rename(folder))
    world.when_undone(folder.unlink)


def link_to_copy(world: World, root: Path) -> None:
    other = root.parent / "other"
    world.remove(other)
    shutil.copytree(root.parent / "lib", other)
    world.link(root / "link", str(other))


def drop_editable(world: World, root: Path) -> None:
    metadata = site_packages(root) / "dropped-1.dist-info"
    origin = {"url": f"file://{world.folder}/sources", "dir_info": {"editable": True}}
    world.write(metadata / "direct_url.json", json.dumps(origin))
    (metadata / "METADATA").write_text("Name: dropped\nVersion: 1\n", encoding="utf-8")


def put_conda(world: World, program: Path) -> None:
    root = program.parent.parent
    world.write(root / "conda-meta" / "history", "")
    world.write(program, f"#!{root}/bin/python\n")
    program.chmod(0o755)


def put_repository(world: World, root: Path) -> None:
    world.write(root / ".git" / "HEAD", "ref: refs/heads/main\n")
    (root / ".git" / "config").touch()
    world.write(root / "devpy.toml", TOML)


@pytest.mark.parametrize("change", OF_TREE.values(), ids=OF_TREE)
def test_in_the_worktree(world: World, change: Callable[[World, Path], None]) -> None:
    for root in world.trees:
        change(world, root)
    assert_same(world)


@pytest.mark.parametrize("change", OF_BASE_OR_HOME.values(), ids=OF_BASE_OR_HOME)
def test_in_the_base_or_at_home(world: World, change: Callable[[World], None]) -> None:
    change(world)
    assert_same(world)


@pytest.mark.parametrize("variables", OF_CALLER.values(), ids=OF_CALLER)
def test_another_caller(world: World, variables: Environ) -> None:
    assert_same(world, variables)


def test_nothing(world: World) -> None:
    assert assert_same(world)[:2] == ["0", ""]
