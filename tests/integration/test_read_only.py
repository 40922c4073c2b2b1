"""Places that cannot be written to, as in an agent's sandbox, homes that are not there, and odd umasks."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from . import sample_worktree
from .commands import Devpy, Result, run
from .environments import CondaEnvironment
from .mounts import DevpyInMounts, Mounts
from .projects import MakeRepository
from .sample_worktree import ORIGIN, own_module, wrong

Environ = dict[str, str]  # the variables of a process


@pytest.fixture
def root(tmp_path: Path, repository: MakeRepository, conda_env: CondaEnvironment) -> Path:
    """A worktree without an overlay."""
    return sample_worktree.make(tmp_path / "repository", repository, conda_env)


@pytest.fixture
def ready(root: Path, devpy: Devpy) -> Path:
    """A worktree with a current overlay."""
    assert wrong(devpy, root) == ""
    return root


@pytest.fixture
def confined(mounts: Mounts, devpy_environ: Environ) -> Devpy:
    return DevpyInMounts(mounts, devpy_environ)


def assert_error(result: Result, *words: str) -> None:
    """Check for one error of two lines that contains the words."""
    assert result.code == 2
    problem, mend = result.err.splitlines()
    assert problem.startswith("devpy: ")
    assert mend.startswith("  ")
    assert [word for word in words if word not in problem] == []


# The worktree.


def test_current_overlay(ready: Path, mounts: Mounts, confined: Devpy) -> None:
    mounts.make_read_only(ready)
    for _ in range(2):
        result = confined("python", "-c", ORIGIN, cwd=ready)
        assert result == (0, f"{own_module(ready)}\n", "")
    assert "overlay state: current" in confined("info", cwd=ready).out
    nothing = confined("update-editables", cwd=ready)
    assert nothing == (0, "Nothing to do: 1 declared, all installed and up to date\n", "")


def test_current_overlay_where_everything_is_read_only(ready: Path, mounts: Mounts, confined: Devpy) -> None:
    mounts.make_read_only(Path("/"))
    for _ in range(2):
        result = confined("python", "-c", ORIGIN, cwd=ready)
        assert result == (0, f"{own_module(ready)}\n", "")
    assert "Nothing to do" in confined("update-editables", cwd=ready).out


def test_changes_to_a_current_overlay_are_refused(ready: Path, mounts: Mounts, confined: Devpy) -> None:
    mounts.make_read_only(ready)
    assert_error(confined("update-editables", "--reinstall", cwd=ready), str(ready / ".venv"), "cannot be written to")
    assert_error(confined("clean", cwd=ready), str(ready / ".venv"), "Read-only file system")
    assert confined("true", cwd=ready).code == 0


def test_stale_overlay(ready: Path, mounts: Mounts, confined: Devpy, devpy: Devpy) -> None:
    with (ready / "self-built" / "pyproject.toml").open("a", encoding="utf-8") as stream:
        stream.write("# edited\n")
    mounts.make_read_only(ready)
    for command in (["true"], ["update-editables"]):
        result = confined(*command, cwd=ready)
        assert_error(result, str(ready / ".venv"), "stale", "build files changed", "cannot be written to")
    as_it_is = confined("--no-sync", "python", "-c", ORIGIN, cwd=ready)
    assert (as_it_is.code, as_it_is.out) == (0, f"{own_module(ready)}\n")
    assert wrong(devpy, ready) == ""


def test_no_overlay(root: Path, mounts: Mounts, confined: Devpy) -> None:
    mounts.make_read_only(root)
    for command in (["true"], ["update-editables"]):
        assert_error(confined(*command, cwd=root), str(root / ".venv"), "absent", "cannot be written to")
    assert confined("clean", cwd=root).code == 0


# The home, the cache and the place for temporary files.


def test_home(root: Path, mounts: Mounts, confined: Devpy, devpy_environ: Environ) -> None:
    mounts.make_read_only(Path(devpy_environ["HOME"]))
    for _ in range(2):
        assert wrong(confined, root) == ""
    assert "update-editables" not in confined("update-editables", cwd=root).err
    assert confined("clean", cwd=root).code == 0


def test_everything_but_the_worktree(root: Path, mounts: Mounts, confined: Devpy) -> None:
    """As long as the current folder can be written to, Python has a place for temporary files."""
    mounts.make_read_only(Path("/"))
    mounts.mount("--bind", root, root)
    mounts.mount("-o", "remount,bind,rw", root)
    before = sorted(path.name for path in root.iterdir())
    for _ in range(2):
        assert wrong(confined, root) == ""
    assert confined("update-editables", cwd=root).code == 0
    assert sorted(path.name for path in root.iterdir()) == sorted([*before, ".venv"])


@pytest.mark.parametrize(
    "odd",
    [
        {"HOME": None},
        {"HOME": ""},
        {"HOME": "/nonexistent/home"},
        {"HOME": "relative"},
        {"HOME": "/dev/null"},
        {"XDG_CACHE_HOME": "relative"},
        {"XDG_CACHE_HOME": "/dev/null"},
        {"XDG_CACHE_HOME": "/nonexistent/cache", "XDG_CONFIG_HOME": "/dev/null", "XDG_DATA_HOME": "/dev/null"},
        {"TMPDIR": "/nonexistent/tmp"},
        {"HOME": None, "TMPDIR": "", "XDG_CACHE_HOME": "", "XDG_DATA_HOME": "relative"},
    ],
    ids=str,
)
def test_odd_variables(root: Path, devpy_environ: Environ, odd: dict[str, str | None]) -> None:
    environ = {name: value for name, value in {**devpy_environ, **odd}.items() if value is not None}
    devpy = Devpy(environ)
    before = sorted(path.name for path in root.iterdir())
    for _ in range(2):
        assert wrong(devpy, root) == ""
    made = {path.name for path in root.iterdir()}.difference(before)
    assert made - {"relative"} == {".venv"}  # older releases of virtualenv keep their cache there
    assert devpy("clean", cwd=root).code == 0


# The umask.


class DevpyUnderUmask(Devpy):
    """The `devpy` command under a umask, in octal digits."""

    def __init__(self, umask: str, environ: Environ) -> None:
        super().__init__(environ)
        self._umask = umask

    def __call__(self, *args: str, cwd: Path, environ: Mapping[str, str] | None = None, stdin: str = "") -> Result:
        command = ["sh", "-c", f'umask {self._umask}; exec "$@"', "sh", sys.executable, "-m", "devpy_runner", *args]
        return run(command, cwd=cwd, environ=self._environ if environ is None else environ, stdin=stdin)


@pytest.mark.parametrize("umask", ["077", "000", "027"])
def test_umask(root: Path, devpy_environ: Environ, umask: str) -> None:
    devpy = DevpyUnderUmask(umask, devpy_environ)
    for _ in range(2):
        assert wrong(devpy, root) == ""
    assert (root / ".venv").stat().st_mode & 0o777 == 0o777 & ~int(umask, 8)
    assert devpy("pytest", "--version", cwd=root).code == 0
    assert devpy("update-editables", "--reinstall", cwd=root).code == 0
    assert devpy("clean", cwd=root).code == 0
    assert not (root / ".venv").exists()
