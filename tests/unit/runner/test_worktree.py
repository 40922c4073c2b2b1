from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from devpy_pip_guard.errors import DevpyError
from devpy_runner.worktree import find_root

ENVIRON = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "t",
    "GIT_AUTHOR_EMAIL": "t@example.invalid",
    "GIT_COMMITTER_NAME": "t",
    "GIT_COMMITTER_EMAIL": "t@example.invalid",
}


@pytest.fixture(autouse=True)
def no_git_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


def git(folder: Path, *arguments: str, **variables: str) -> str:
    environ = {**ENVIRON, "HOME": str(folder), **variables}
    completed = subprocess.run(["git", *arguments], cwd=folder, env=environ, check=True, capture_output=True)  # noqa: S607
    return os.fsdecode(completed.stdout[:-1])


def make_repository(path: Path) -> Path:
    path.mkdir(parents=True)
    git(path, "init", "-q")
    git(path, "commit", "-q", "--allow-empty", "-m", "x")
    return path


def agrees_with_git(folder: Path) -> str:
    root = find_root(str(folder), ENVIRON)
    assert root == git(folder, "rev-parse", "--show-toplevel")
    return root


@pytest.mark.parametrize("name", ["plain", "with space", "ünïcödé", "new\nline", "end\n"])
def test_a_repository_and_its_folders(tmp_path: Path, name: str) -> None:
    repository = make_repository(tmp_path / name)
    (repository / "a/b").mkdir(parents=True)
    assert agrees_with_git(repository) == str(repository)
    assert agrees_with_git(repository / "a/b") == str(repository)


def test_a_linked_worktree(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repository")
    git(repository, "worktree", "add", "-q", "-b", "linked", str(tmp_path / "lïnked tree"))
    (tmp_path / "lïnked tree/sub").mkdir()
    assert agrees_with_git(tmp_path / "lïnked tree/sub") == str(tmp_path / "lïnked tree")


def test_a_submodule(tmp_path: Path) -> None:
    inner = make_repository(tmp_path / "inner")
    outer = make_repository(tmp_path / "outer")
    git(outer, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "sub")
    assert agrees_with_git(outer / "sub") == str(outer / "sub")
    assert agrees_with_git(outer) == str(outer)


def test_a_folder_reached_through_a_symlink(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repository")
    (repository / "sub").mkdir()
    (tmp_path / "link").symlink_to(repository / "sub")
    assert agrees_with_git(tmp_path / "link") == str(repository)


def test_a_folder_called_dot_git_that_is_no_repository(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repository")
    (repository / "sub/.git").mkdir(parents=True)
    assert agrees_with_git(repository / "sub") == str(repository)


def test_a_configured_worktree(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repository")
    (tmp_path / "elsewhere").mkdir()
    git(repository, "config", "core.worktree", str(tmp_path / "elsewhere"))
    assert agrees_with_git(repository) == str(tmp_path / "elsewhere")


@pytest.mark.parametrize("variables", [{"GIT_DIR": "{r}/.git", "GIT_WORK_TREE": "{r}"}, {"GIT_DIR": "{r}/.git"}])
def test_git_variables_decide(tmp_path: Path, variables: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    repository = make_repository(tmp_path / "repository")
    other_repository = make_repository(tmp_path / "other")
    chosen = {name: value.format(r=repository) for name, value in variables.items()}
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    expected = git(other_repository, "rev-parse", "--show-toplevel", **chosen)
    assert find_root(str(other_repository), {**ENVIRON, **chosen}) == expected


def test_git_is_not_started_in_the_usual_cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = make_repository(tmp_path / "repository")
    git(repository, "worktree", "add", "-q", str(tmp_path / "linked"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_root(str(repository), {}) == str(repository)
    assert find_root(str(tmp_path / "linked"), {}) == str(tmp_path / "linked")


@pytest.mark.parametrize("folder", ["", "repository/.git", "bare"])
def test_outside_a_worktree(tmp_path: Path, folder: str) -> None:
    make_repository(tmp_path / "repository")
    git(tmp_path, "init", "-q", "--bare", "bare")
    with pytest.raises(DevpyError, match="not inside a git worktree"):
        find_root(str(tmp_path / folder), ENVIRON)
