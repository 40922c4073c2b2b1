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


def test_a_submodule_belongs_to_the_worktree_around_it(main: Path, tmp_path: Path) -> None:
    beside = str(tmp_path / "beside")
    assert worktrees.own_roots(f"{beside}/sub") == [f"{beside}/sub", beside]
    assert worktrees.find_sibling(str(main / "tests"), worktrees.own_roots(f"{beside}/sub")) == (beside, str(main))
    assert worktrees.own_roots(str(main / "work" / "inside")) == [str(main / "work" / "inside")]


def test_git_files_that_lead_nowhere(main: Path, tmp_path: Path) -> None:
    """A container may have worktrees at other paths, with or without the repository."""
    for name in ("beside", "work/inside"):
        (tmp_path / "container" / name).mkdir(parents=True)
        (main.parent / "beside" / ".git" if name == "beside" else main / name / ".git").rename(
            tmp_path / "container" / name / ".git"
        )
    beside, inside = str(tmp_path / "container" / "beside"), str(tmp_path / "container" / "work" / "inside")
    moved = str(main.rename(tmp_path / "container" / "main"))
    assert worktrees.find_sibling(inside, [beside]) == (beside, inside)
    assert worktrees.find_sibling(moved, [beside]) == (beside, moved)
    assert worktrees.find_sibling(inside, [moved]) == (moved, inside)
    assert worktrees.find_sibling(str(tmp_path / "other"), [beside]) is None


def test_a_clone_inside_a_sibling_is_no_part_of_it(main: Path, tmp_path: Path) -> None:
    """All worktrees may well share it; a submodule is the sibling's own."""
    beside = str(tmp_path / "beside")
    assert worktrees.find_sibling(str(main / "vendored"), [beside]) is None
    assert worktrees.find_sibling(f"{beside}/sub", [str(main)]) == (str(main), beside)
    assert worktrees.own_roots(str(main / "vendored")) == [str(main / "vendored")]


@pytest.mark.parametrize("name", ["beside", "elsewhere"])
def test_git_files_that_lead_nowhere_with_relative_paths(main: Path, tmp_path: Path, name: str) -> None:
    """As `worktree.useRelativePaths` has git write them."""
    git(main, "worktree", "add", "-q", "../relative")
    (main / ".git" / "worktrees" / "relative" / "gitdir").write_text("../../../../relative/.git\n", encoding="utf-8")
    (tmp_path / "container" / name).mkdir(parents=True)
    (tmp_path / "relative" / ".git").rename(tmp_path / "container" / name / ".git")
    (tmp_path / "container" / name / ".git").write_text(
        "gitdir: ../gone/main/.git/worktrees/relative", encoding="utf-8"
    )
    moved = str(main.rename(tmp_path / "container" / "main"))
    pair = worktrees.find_sibling(moved, [str(tmp_path / "container" / name)])
    assert pair == (str(tmp_path / "container" / name), moved)


def test_unrelated_worktrees_that_are_listed_under_one_name(main: Path, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "beside")
    stranger = tmp_path / "container" / "stranger"
    stranger.mkdir(parents=True)
    (stranger / ".git").write_text("gitdir: /gone/project/.git/worktrees/beside", encoding="utf-8")
    assert worktrees.find_sibling(str(stranger), [str(main)]) is None


def test_a_worktree_of_another_repository_that_is_called_alike(main: Path, tmp_path: Path) -> None:
    broken = tmp_path / "container" / "beside"
    broken.mkdir(parents=True)
    (broken / ".git").write_text("gitdir: /gone/.git/worktrees/beside", encoding="utf-8")
    assert worktrees.find_sibling(str(broken), [str(main)]) is None
