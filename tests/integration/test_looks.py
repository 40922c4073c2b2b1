"""What a run looks at until it leaves a run cache, as the system sees it: all of that is in the cache."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from devpy_runner.commands import demo_base
from devpy_runner.records import run_cache
from devpy_runner.records.run_cache import Evidence

from .commands import clean_environ, run
from .projects import MakeRepository, copy_package

Environ = dict[str, str]  # the variables of a process

STACK = """\
[devpy]
kind = "stack"

[python]
base_conda_env = "shared"

[editables]
packages = ["main/self-built", "main/link", "~/library"]
"""

# Nothing else of what lies in the world may be looked at without being noted.
EXCEPTIONS = {
    r"/home/\.cache/devpy/.*": "the run caches themselves",
    r"/home/\.local/.*": "Python looks for its user's site-packages as it starts",
    r"/sources": "Python looks for what it imports on PYTHONPATH",
    r"/stack/main/\.git(/HEAD|/config)?": "each run looks for the worktree's root anew",
    r".*/site-packages/[^/]+\.dist-info/.*": "whoever installs replaces the folder, which site-packages tells",
}

# Programs in a folder of their own: else Python would look for what it imports in the current folder.
PROGRAM = """\
import sys
from devpy_runner.cli import main
sys.exit(main(["/bin/true"]))
"""
AUDITED = """\
import sys
log = open(sys.argv[1], "w")
def write_down(event, arguments):
    if event in ("open", "os.listdir", "os.scandir") and isinstance(arguments[0], str):
        print(arguments[0], file=log, flush=True)
sys.addaudithook(write_down)
"""


class World(NamedTuple):
    """A folder that holds all that devpy may look at, and the variables of its user."""

    folder: Path
    environ: Environ

    @property
    def root(self) -> Path:
        return self.folder / "stack" / "main"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, pip_cache: Path) -> World:
    """A stack of packages in three repositories, one declared through a symlink, and settings in many places."""
    folder = Path(os.path.realpath(tmp_path_factory.mktemp("looks")))
    environ = clean_environ(folder / "home", pip_cache)
    files = {
        "conda/condarc": "env_prompt: '<{name}>'\n",
        "conda/conda-meta/history": "",
        "conda/bin/conda": f"#!{folder}/conda/bin/python\n",
        "home/.condarc": "envs_dirs: [$ENVS]\n",
        "home/.conda/condarc.d/x.yml": "channels: []\n",
        "home/.conda/environments.txt": f"{folder}/envs/shared\n",
        "stack/devpy.toml": STACK,
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "sources").mkdir()
    (folder / "conda/bin/conda").chmod(0o755)
    demo_base.make(str(folder / "envs" / "shared"))
    for name, text in (("activate.d/script.sh", "export X=1\n"), ("env_vars.d/a.json", '{"Y": "1"}')):
        (folder / "envs/shared/etc/conda" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "envs/shared/etc/conda" / name).write_text(text, encoding="utf-8")
    make = MakeRepository(environ)
    make(folder / "stack/main", "self-built", files={"devpy.toml": '[devpy]\nextends = "../devpy.toml"\n'})
    make(folder / "other")
    for name, place in (("linked", "other/package"), ("library", "home/library")):
        package = copy_package("self-built", folder / place)
        for file in (package / "pyproject.toml", package / "backend.py"):
            file.write_text(file.read_text("utf-8").replace("self-built", name), encoding="utf-8")
    (folder / "stack/main/link").symlink_to("../../other/package")
    environ["PYTHONPATH"] = str(folder / "sources")
    return World(folder, {**environ, "ENVS": str(folder / "envs")})


CALLERS: dict[str, Environ] = {
    "usual root": {},
    "conda on PATH": {"PATH": "{folder}/conda/bin:/usr/bin:/bin"},
    "CONDA_EXE": {"CONDA_EXE": "{folder}/conda/bin/conda"},
    "active": {"CONDA_PREFIX": "{folder}/envs/shared", "CONDA_SHLVL": "1"},
    "active base": {"CONDA_PREFIX": "{folder}/conda", "CONDA_SHLVL": "1"},
    "CONDARC": {"CONDARC": "{folder}/home/.conda/condarc.d", "XDG_CONFIG_HOME": "{folder}/home/config"},
    "MAMBA_ROOT_PREFIX": {"MAMBA_ROOT_PREFIX": "{folder}/conda"},
}


@pytest.fixture(params=CALLERS)
def caller(request: pytest.FixtureRequest, world: World) -> Environ:
    """The variables of a caller who has no run cache yet, in a worktree where all is ready and has been so for long."""
    variables = CALLERS[request.param]
    environ = {**world.environ, **{name: value.format(folder=world.folder) for name, value in variables.items()}}
    for _ in range(9):
        result = run([sys.executable, "-m", "devpy_runner", "/bin/true"], cwd=world.root, environ=environ)
        assert result.code == 0
        if run_cache.read(str(world.root), environ) is not None:
            break
        time.sleep(0.5)
    assert result.err == ""
    run_cache.forget(str(world.root), environ)
    return environ


def traced(world: World, environ: Environ, folder: Path) -> Iterator[tuple[str, bool]]:
    """Run a command and yield each path that the process looks at, and whether it reads what is there."""
    (folder / "program.py").write_text(PROGRAM, encoding="utf-8")
    calls: list[str | Path] = ["strace", "-qq", "-s", "4096", "-e", "trace=%file", "-o", folder / "log"]
    assert run([*calls, sys.executable, folder / "program.py"], cwd=world.root, environ=environ).code == 0
    for line in (folder / "log").read_text("utf-8").splitlines():
        match = re.match(r'(?P<call>\w+)\((?:AT_FDCWD, )?"(?P<path>[^"]+)"', line)
        if match:
            yield match["path"], match["call"].startswith("open")


def audited(world: World, environ: Environ, folder: Path) -> Iterator[tuple[str, bool]]:
    """Do the same by Python's own means, which tell of what is read and of nothing else."""
    (folder / "program.py").write_text(AUDITED + PROGRAM, encoding="utf-8")
    command: list[str | Path] = [sys.executable, folder / "program.py", folder / "log"]
    assert run(command, cwd=world.root, environ=environ).code == 0
    yield from ((path, True) for path in (folder / "log").read_text("utf-8").splitlines())


def is_noted(path: str, evidence: Evidence, *, as_read: bool) -> bool:
    """Tell whether the cache would not hold after a change to a file or folder that the look would show."""
    if path in evidence.looks["state"] or _is_in_gap(path, evidence):
        return True
    return not as_read and any(path in shown for shown in (*evidence.looks.values(), evidence.gaps))


def _is_in_gap(path: str, evidence: Evidence) -> bool:
    """Tell whether a path is missing, and the cache asks for the folder in which it is."""
    folder, name = os.path.split(path)
    while not os.path.exists(folder):
        folder, name = os.path.split(folder)
    names = evidence.gaps.get(folder, "").split("//")[1:]
    return not os.path.lexists(os.path.join(folder, name)) and (name in names or folder in evidence.looks["state"])


@pytest.mark.parametrize("watch", [traced, audited])
def test_everything_that_is_looked_at_is_noted(world: World, caller: Environ, tmp_path: Path, watch: object) -> None:
    if watch is traced and not shutil.which("strace"):
        pytest.skip("there is no strace")
    assert callable(watch)
    looks = list(watch(world, caller, tmp_path))
    cache = run_cache.read(str(world.root), caller)
    assert cache is not None
    assert cache.evidence is not None
    assert cache.holds(caller)
    until_it_is_written = itertools.takewhile(lambda look: not re.search(r"/run-record-\w+\.\d+$", look[0]), looks)
    relevant = {(os.path.normpath(path), as_read) for path, as_read in until_it_is_written if matters(path, world)}
    assert len(relevant) > 15
    unnoted = [(path, as_read) for path, as_read in relevant if not is_noted(path, cache.evidence, as_read=as_read)]
    assert unnoted == []


def matters(path: str, world: World) -> bool:
    """Tell whether devpy may look at a path only if it notes that."""
    inside = path[len(str(world.folder)) :] if path.startswith(f"{world.folder}/") else ""
    is_exception = any(re.fullmatch(pattern, inside) for pattern in EXCEPTIONS)
    return (inside != "" and not is_exception) or path.startswith(("/etc/conda", "/var/lib/conda"))
