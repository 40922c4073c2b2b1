"""Which worktrees a path lies in, told as git would."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from devpy_pip_guard import worktrees

GIT = shutil.which("git") or "git"
ENVIRON = {
    "PATH": os.environ.get("PATH", os.defpath),
    "GIT_CONFIG_NOSYSTEM": "1",
    "HOME": "/nowhere",
    **{f"GIT_{who}_{what}": "x@x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}


def git(folder: Path, *args: str) -> None:
    subprocess.run([GIT, *args], cwd=folder, env=ENVIRON, check=True, capture_output=True, timeout=30)


def repository(folder: Path) -> Path:
    folder.mkdir(parents=True)
    git(folder, "init", "-q")
    git(folder, "commit", "-q", "--allow-empty", "-m", "first")
    return folder


@pytest.fixture
def main(tmp_path: Path) -> Path:
    """A repository with a worktree beside it, another one inside it, and a submodule in the one beside it."""
    main = repository(tmp_path / "main")
    git(main, "worktree", "add", "-q", "../beside")
    git(main, "worktree", "add", "-q", "work/inside")
    other = repository(tmp_path / "other")
    git(tmp_path / "beside", "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(other), "sub")
    repository(main / "vendored")
    for name in ("main", "beside", "main/work/inside", "other"):
        (tmp_path / name / "tests").mkdir()
    (main / "linked").symlink_to(tmp_path / "beside" / "tests")
    (tmp_path / "loose").symlink_to(tmp_path / "beside" / "tests")
    return main


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("main/tests", None),
        ("beside", "beside"),
        ("beside/tests/test_x.py", "beside"),
        ("beside/sub", "beside"),
        ("main/work/inside/tests", "main/work/inside"),
        ("main/vendored", None),
        ("main/work", None),
        ("main/linked", None),
        ("loose", "beside"),
        ("other/tests", None),
        (".", None),
        ("/", None),
    ],
)
def test_find_sibling(main: Path, tmp_path: Path, path: str, expected: str | None) -> None:
    pair = worktrees.find_sibling(str(tmp_path / path), [str(main)])
    assert pair == (None if expected is None else (str(main), str(tmp_path / expected)))


def test_ours_inside_another(main: Path) -> None:
    inside = str(main / "work" / "inside")
    assert worktrees.find_sibling(str(main / "tests"), [inside]) == (inside, str(main))
    assert worktrees.find_sibling(f"{inside}/tests", [inside]) is None
