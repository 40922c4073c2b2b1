"""`devpy clean` removes what devpy made, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .commands import Devpy
from .environments import CondaEnvironment
from .projects import MakeRepository

MODULE = "src/sample/__init__.py"


@pytest.fixture
def root(tmp_path: Path, repository: MakeRepository, conda_env: CondaEnvironment) -> Path:
    """A worktree that declares no packages, so that its overlay is made quickly."""
    return repository(tmp_path / "main", files={"devpy.toml": config(conda_env.name), MODULE: "", "deep/er/file": ""})


def config(base: str, venv: str = ".venv") -> str:
    return f'[python]\nbase_conda_env = "{base}"\nvenv = "{venv}"\n'


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Return mode and size in bytes of everything in a folder."""
    status = {str(path.relative_to(folder)): path.lstat() for path in folder.rglob("*")}
    return {name: (each.st_mode, each.st_size) for name, each in status.items()}


def set_venv(root: Path, venv: str) -> None:
    (root / "devpy.toml").write_text(config("shared", venv), encoding="utf-8")


def test_overlay_is_removed_and_nothing_else(root: Path, devpy: Devpy) -> None:
    before = tree(root)
    assert devpy("true", cwd=root).code == 0
    result = devpy("clean", cwd=root)
    assert (result.code, result.out) == (0, f"Removed {root / '.venv'}\n")
    assert tree(root) == before
    again = devpy("clean", cwd=root)
    assert (again.code, again.out) == (0, f"Already clean: {root / '.venv'}\n")


def test_from_a_subfolder(root: Path, devpy: Devpy) -> None:
    assert devpy("true", cwd=root).code == 0
    assert devpy("clean", cwd=root / "deep" / "er").code == 0
    assert not (root / ".venv").exists()


def test_overlay_of_another_name_leaves_no_folder_behind(root: Path, devpy: Devpy) -> None:
    set_venv(root, "build/venv")
    assert devpy("true", cwd=root).code == 0
    assert (root / "build" / "venv" / "bin" / "python").exists()
    assert devpy("clean", cwd=root).code == 0
    assert not (root / "build" / "venv").exists()


def test_overlay_whose_environment_is_gone(root: Path, devpy: Devpy) -> None:
    assert devpy("true", cwd=root).code == 0
    (root / "devpy.toml").write_text(config("no-such-environment"), encoding="utf-8")
    assert devpy("clean", cwd=root).code == 0
    assert not (root / ".venv").exists()


def test_half_removed_overlay(root: Path, devpy: Devpy) -> None:
    assert devpy("true", cwd=root).code == 0
    shutil.rmtree(root / ".venv" / "bin")
    shutil.rmtree(root / ".venv" / "lib")
    assert devpy("clean", cwd=root).code == 0
    assert not (root / ".venv").exists()


@pytest.mark.parametrize("command", [["clean"], ["clean", "--shared"], ["update-editables"], ["true"]])
@pytest.mark.parametrize("venv", [".", "src", "src/..", "./", "..", ".git", ".git/venv", "", "deep/er/file", "/"])
def test_folder_that_is_not_devpys_is_left_alone(root: Path, devpy: Devpy, venv: str, command: list[str]) -> None:
    set_venv(root, venv)
    before = tree(root)
    result = devpy(*command, cwd=root)
    assert result.code == 2
    assert result.err.startswith("devpy: ")
    assert str(root) in result.err
    assert tree(root) == before


def test_absolute_path_of_the_root_is_refused(root: Path, devpy: Devpy) -> None:
    set_venv(root, str(root))
    before = tree(root)
    assert "is not strictly inside" in devpy("clean", cwd=root).err
    assert tree(root) == before


def test_symlink_to_the_root_is_refused(root: Path, devpy: Devpy) -> None:
    (root / ".venv").symlink_to(".")
    before = tree(root / "src")
    assert devpy("clean", cwd=root).code == 2
    assert tree(root / "src") == before


def test_another_tools_environment_is_left_alone(root: Path, devpy: Devpy) -> None:
    (root / ".venv" / "bin").mkdir(parents=True)
    (root / ".venv" / "pyvenv.cfg").write_text("home = /usr/bin\n", encoding="utf-8")
    before = tree(root)
    for command in (["clean"], ["update-editables"], ["true"]):
        result = devpy(*command, cwd=root)
        assert result.code == 2
        assert f"{root / '.venv'} was not made by devpy" in result.err
    assert tree(root) == before


def test_symlink_is_unlinked_and_not_followed(root: Path, devpy: Devpy) -> None:
    assert devpy("true", cwd=root).code == 0
    (root / ".venv").rename(root / "kept")
    (root / ".venv").symlink_to("kept")
    before = tree(root / "kept")
    assert devpy("clean", cwd=root).code == 0
    assert not (root / ".venv").is_symlink()
    assert tree(root / "kept") == before


def test_symlink_to_a_place_outside_is_not_followed(root: Path, tmp_path: Path, devpy: Devpy) -> None:
    assert devpy("true", cwd=root).code == 0
    (root / ".venv").rename(tmp_path / "elsewhere")
    (root / ".venv").symlink_to(tmp_path / "elsewhere")
    before = tree(tmp_path / "elsewhere")
    devpy("clean", cwd=root)
    assert tree(tmp_path / "elsewhere") == before


@pytest.mark.parametrize("argument", ["--force", "-x", ".venv"])
def test_unknown_argument_removes_nothing(root: Path, devpy: Devpy, argument: str) -> None:
    assert devpy("true", cwd=root).code == 0
    result = devpy("clean", argument, cwd=root)
    assert result.code == 2
    assert argument in result.err
    assert (root / ".venv" / "bin" / "python").exists()


def test_help_removes_nothing(root: Path, devpy: Devpy) -> None:
    assert devpy("true", cwd=root).code == 0
    result = devpy("clean", "--help", cwd=root)
    assert result.code == 0
    assert "--shared" in result.out
    assert (root / ".venv" / "bin" / "python").exists()


def test_outside_of_a_worktree(tmp_path: Path, devpy: Devpy) -> None:
    result = devpy("clean", cwd=tmp_path)
    assert result.code == 2
    assert f"not inside a git worktree: {tmp_path}" in result.err


def test_without_devpy_toml_nothing_is_removed(root: Path, devpy: Devpy) -> None:
    assert devpy("true", cwd=root).code == 0
    (root / "devpy.toml").unlink()
    result = devpy("clean", cwd=root)
    assert result.code == 2
    assert f"missing {root / 'devpy.toml'}" in result.err
    assert 'base_conda_env = "' in result.err  # the template to paste
    assert (root / ".venv" / "bin" / "python").exists()
