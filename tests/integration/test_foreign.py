"""What devpy did not make stands in the overlay's place: every command says so, and nothing is touched."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from . import sample_worktree
from .commands import Devpy
from .environments import CondaEnvironment
from .projects import MakeRepository
from .sample_worktree import wrong

COMMANDS = [["true"], ["--no-sync", "true"], ["update-editables"], ["update-editables", "--reinstall"], ["clean"]]


@pytest.fixture
def root(tmp_path: Path, repository: MakeRepository, conda_env: CondaEnvironment) -> Path:
    """A worktree without an overlay."""
    return sample_worktree.make(tmp_path / "repository", repository, conda_env)


def everything(folder: Path) -> dict[str, tuple[object, ...]]:
    """Return mode, time and content of all that is in a folder, that folder included."""
    found: dict[str, tuple[object, ...]] = {}
    for path in (folder, *folder.rglob("*")):
        status = path.lstat()
        content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[str(path)] = (status.st_mode, status.st_mtime_ns, content)
    return found


def by_venv(venv: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)


def by_virtualenv(venv: Path) -> None:
    command = [sys.executable, "-m", "virtualenv", "--quiet", "--no-seed", "--no-vcs-ignore", str(venv)]
    subprocess.run(command, check=True)


def by_uv(venv: Path) -> None:
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not there")
    subprocess.run([uv, "venv", "--quiet", "--offline", "--python", sys.executable, venv], check=True)


def file(venv: Path) -> None:
    venv.write_text("precious\n", encoding="utf-8")


def empty_file(venv: Path) -> None:
    venv.touch()


def folder_with_a_file(venv: Path) -> None:
    venv.mkdir()
    (venv / "precious").touch()


def folder_with_a_folder(venv: Path) -> None:
    (venv / "precious").mkdir(parents=True)


def folder_with_a_file_of_our_name(venv: Path) -> None:
    venv.mkdir()
    (venv / "devpy.json").write_text('{"version": 1}', encoding="utf-8")


def pipe(venv: Path) -> None:
    os.mkfifo(venv)


def link_to_nowhere(venv: Path) -> None:
    venv.symlink_to("nowhere")


def link_to_itself(venv: Path) -> None:
    venv.symlink_to(venv.name)


def link_to_a_folder(venv: Path) -> None:
    folder_with_a_file(venv.with_name("elsewhere"))
    venv.symlink_to("elsewhere")


def link_to_an_empty_folder(venv: Path) -> None:
    venv.with_name("elsewhere").mkdir()
    venv.symlink_to("elsewhere")


def link_to_a_folder_outside(venv: Path) -> None:
    folder_with_a_file(venv.parent.parent / "elsewhere")
    venv.symlink_to("../elsewhere")


def link_to_the_sources(venv: Path) -> None:
    venv.symlink_to("self-built")


KINDS = [
    by_venv,
    by_virtualenv,
    by_uv,
    file,
    empty_file,
    folder_with_a_file,
    folder_with_a_folder,
    folder_with_a_file_of_our_name,
    pipe,
    link_to_nowhere,
    link_to_itself,
    link_to_a_folder,
    link_to_an_empty_folder,
    link_to_a_folder_outside,
    link_to_the_sources,
]


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_it_is_left_alone(root: Path, devpy: Devpy, make: Callable[[Path], None]) -> None:
    make(root / ".venv")
    before = everything(root.parent)
    for command in COMMANDS:
        assert_refused(devpy, root, command)
    result = devpy("info", "--json", cwd=root)
    assert result.code == 2 or json.loads(result.out)["overlay state"] == "foreign"
    assert "Traceback" not in result.err
    assert everything(root.parent) == before


@pytest.mark.slow
def test_overlay_of_another_worktree(root: Path, devpy: Devpy, worktree: Callable[[Path, str], Path]) -> None:
    """A link to it would let this worktree's packages into the other one's overlay."""
    linked = worktree(root, "linked")
    assert wrong(devpy, root) == ""
    (linked / ".venv").symlink_to(root / ".venv")
    before = everything(root.parent)
    for command in COMMANDS:
        assert_refused(devpy, linked, command)
    assert everything(root.parent) == before


def assert_refused(devpy: Devpy, root: Path, command: list[str]) -> None:
    result = devpy(*command, cwd=root)
    assert (result.code, result.out) == (2, "")
    problem, mend = result.err.splitlines()
    assert problem.startswith("devpy: ")
    assert ".venv" in problem
    assert mend.startswith("  ")
    assert 'such as ".venv"' not in mend
