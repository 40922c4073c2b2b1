"""Several users of one worktree, and a base of which this user may not read everything."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .commands import Result, run
from .environments import CondaEnvironment, MakeCondaEnv
from .projects import MakeRepository, import_name

CONFIG = '[python]\nbase_conda_env = "{base}"\n[editables]\npackages = ["self-built"]\n'
SOMEBODY = 12345
UNPRIVILEGED = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
"""What makes root an ordinary user, to whom somebody else's files are as to any other."""

pytestmark = pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("setpriv") is None, reason="takes root, and setpriv, to be two users"
)


@pytest.fixture
def root(tmp_path: Path, own_base: CondaEnvironment, repository: MakeRepository) -> Path:
    return repository(tmp_path / "root", "self-built", files={"devpy.toml": CONFIG.format(base=own_base.name)})


@pytest.fixture
def own_base(tmp_path: Path, make_conda_env: MakeCondaEnv, conda_env: CondaEnvironment) -> Iterator[CondaEnvironment]:
    base = make_conda_env.clone(conda_env, f"of-{tmp_path.name}")
    yield base
    shutil.rmtree(base.prefix)


def devpy(*arguments: str, root: Path, environ: dict[str, str]) -> Result:
    """Run devpy as a user who is in the group of the worktree, with the umask that such a group uses."""
    line = 'umask 002; exec "$@"'
    command = [*UNPRIVILEGED, "sh", "-c", line, "sh", sys.executable, "-m", "devpy_runner", *arguments]
    return run(command, cwd=root, environ=environ)


def give_away(folder: Path) -> None:
    """Make everything below a folder somebody else's, and leave it writable to the group."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, SOMEBODY, 0, follow_symlinks=False)
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | 0o060)


def test_second_user_of_a_worktree(root: Path, devpy_environ: dict[str, str]) -> None:
    origin = ("python", "-c", f"import {import_name('self-built')} as it; print(it.origin())")
    assert devpy("update-editables", root=root, environ=devpy_environ).code == 0
    give_away(root)
    for arguments in (["update-editables", "--reinstall"], [*origin]):
        assert devpy(*arguments, root=root, environ=devpy_environ).code == 0
    (root / ".venv" / "lib" / "devpy" / "base-script").unlink()
    give_away(root)
    result = devpy(*origin, root=root, environ=devpy_environ)
    assert (result.code, result.out) == (0, f"{root}/self-built/src/{import_name('self-built')}/__init__.py\n")
    assert devpy("pytest", "--version", root=root, environ=devpy_environ).code == 0
    assert devpy("clean", root=root, environ=devpy_environ).code == 0


def test_unreadable_file_in_the_bases_bin(
    root: Path, own_base: CondaEnvironment, devpy_environ: dict[str, str]
) -> None:
    secret = own_base.prefix / "bin" / "secret"
    secret.write_text("#!/bin/sh\n", encoding="utf-8")
    secret.chmod(0o711)
    os.chown(secret, SOMEBODY, SOMEBODY)
    assert devpy("update-editables", root=root, environ=devpy_environ).code == 0
    assert devpy("pytest", "--version", root=root, environ=devpy_environ).code == 0


def test_base_whose_bin_cannot_be_listed(root: Path, own_base: CondaEnvironment, devpy_environ: dict[str, str]) -> None:
    os.chown(own_base.prefix / "bin", SOMEBODY, SOMEBODY)
    (own_base.prefix / "bin").chmod(0o711)
    assert devpy("update-editables", root=root, environ=devpy_environ).code == 0
    where = ("-c", "import shutil, sys; print(sys.prefix, shutil.which('pytest'))")
    for python in ("python", "python3", f"python3.{own_base.site_packages.parent.name.partition('.')[2]}"):
        result = devpy(python, *where, root=root, environ=devpy_environ)
        assert result.out == f"{root}/.venv {root}/.venv/bin/pytest\n"
    assert devpy("doctor", root=root, environ=devpy_environ).code == 0
