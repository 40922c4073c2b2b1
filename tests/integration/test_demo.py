"""`devpy demo`: the whole story on a machine without conda."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .commands import Devpy, run
from .environments import CondaEnvironment
from .projects import MakeRepository

Environ = dict[str, str]  # the variables of a process


def without_conda(environ: Environ) -> Environ:
    return {name: value for name, value in environ.items() if name not in ("CONDA_ENVS_DIRS", "MAMBA_ROOT_PREFIX")}


@pytest.mark.bounds
def test_tells_the_story_and_leaves_nothing(tmp_path: Path, devpy: Devpy, devpy_environ: Environ) -> None:
    environ = {**without_conda(devpy_environ), "TMPDIR": str(tmp_path)}
    result = devpy("demo", cwd=tmp_path, environ=environ)
    assert result.code == 0
    assert result.err == ""
    folder = re.search(r"worktree +(\S+)/main ", result.out)
    assert folder is not None
    for name in ("main", "feature"):
        root = f"{folder[1]}/{name}"
        assert re.search(rf"worktree +{root} +\(ready in [\d.]+ s, .venv takes \d+ KB\)", result.out)
        assert re.search(rf"devpy python +imports {root}/src/greeter/__init__.py", result.out)
        assert re.search(rf"\.venv/bin/python +imports {root}/src/greeter/__init__.py", result.out)
    assert f"{folder[1]}/undeclared is not declared in {folder[1]}/main/devpy.toml" in result.out
    assert list(tmp_path.iterdir()) == []
    # There virtualenv notes that it has started to look for a newer pip, in a process that goes on by itself.
    assert list(Path(environ["HOME"]).rglob("virtualenv/**/embed/*/pip.json")) == []


def test_keeps_a_working_repository_in_a_folder_with_spaces(
    tmp_path: Path, devpy: Devpy, devpy_environ: Environ
) -> None:
    environ = without_conda(devpy_environ)
    assert devpy("demo", "--keep", "a folder/é", cwd=tmp_path, environ=environ).code == 0
    folder = tmp_path / "a folder" / "é"
    for name in ("main", "feature"):
        code = "import greeter; print(greeter.GREETING)"
        assert devpy("python", "-c", code, cwd=folder / name, environ=environ).out == f"hello from {name}\n"
    worktrees = run(
        ["git", "-c", "core.quotePath=false", "worktree", "list", "--porcelain"], cwd=folder / "main", environ=environ
    ).out
    assert f"worktree {folder / 'feature'}\n" in worktrees


def test_existing_folder_is_left_alone(tmp_path: Path, devpy: Devpy) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "mine").write_text("mine\n", encoding="utf-8")
    result = devpy("demo", "--keep", "kept", cwd=tmp_path)
    assert result.code == 2
    assert "--keep kept: exists already" in result.err
    assert [path.name for path in kept.iterdir()] == ["mine"]


def test_real_environment(tmp_path: Path, devpy: Devpy, conda_env: CondaEnvironment) -> None:
    result = devpy("demo", "--base", conda_env.name, "--keep", "kept", cwd=tmp_path)
    assert result.code == 0
    assert (tmp_path / "kept" / "main" / ".venv" / "bin" / "python").resolve().is_relative_to(conda_env.prefix)
    assert not (tmp_path / "kept" / "base").exists()


def test_unknown_environment_is_named_once(tmp_path: Path, devpy: Devpy, conda_env: CondaEnvironment) -> None:
    result = devpy("demo", "--base", conda_env.name + "x", cwd=tmp_path)
    assert result.code != 0
    everything = result.out + result.err
    assert everything.count(f"conda environment {conda_env.name}x: not found") == 1
    assert f"did you mean {conda_env.name} " in everything
    assert "No such file or directory" not in everything


def test_callers_git_variables_do_not_lead_astray(
    tmp_path: Path, devpy: Devpy, devpy_environ: Environ, repository: MakeRepository, conda_env: CondaEnvironment
) -> None:
    """As in a git hook, which git starts with GIT_DIR and GIT_INDEX_FILE set."""
    other = repository(tmp_path / "other")
    environ = {
        **devpy_environ,
        "GIT_DIR": str(other / ".git"),
        "GIT_WORK_TREE": str(other),
        "GIT_INDEX_FILE": str(other / ".git" / "index"),
    }
    result = devpy("demo", "--base", conda_env.name, cwd=other, environ=environ)
    assert result.code == 0
    assert sorted(path.name for path in other.iterdir()) == [".git"]
