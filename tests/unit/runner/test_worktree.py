from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from devpy_pip_guard.errors import DevpyError
from devpy_runner.worktree import current_root, find_other_worktree, find_root

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


def test_a_hook_of_a_linked_worktree(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repository")
    git(repository, "worktree", "add", "-q", str(tmp_path / "linked"))
    linked = tmp_path / "linked"
    (linked / "sub/deeper").mkdir(parents=True)
    git_dir = git(linked, "rev-parse", "--absolute-git-dir")
    variables = {**ENVIRON, "GIT_DIR": git_dir, "GIT_INDEX_FILE": f"{git_dir}/index"}
    assert find_root(str(linked / "sub/deeper"), variables) == str(linked)
    assert find_root(str(linked), variables) == str(linked)
    assert find_other_worktree(str(repository), str(linked), variables) == str(repository)


@pytest.mark.parametrize(
    "text", ['[branch "worktree"]\n\tremote = origin\n', "[core]\n\tsparseCheckout = true\n# bare = true, worktree\n"]
)
def test_a_configuration_that_only_speaks_of_worktrees(
    tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = make_repository(tmp_path / "repository")
    with (repository / ".git/config").open("a", encoding="utf-8") as stream:
        stream.write(text)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_root(str(repository), {}) == str(repository)


def test_a_sparse_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = make_repository(tmp_path / "repository")
    git(repository, "worktree", "add", "-q", str(tmp_path / "linked"))
    git(tmp_path / "linked", "sparse-checkout", "init")
    assert agrees_with_git(tmp_path / "linked") == str(tmp_path / "linked")
    assert agrees_with_git(repository) == str(repository)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_root(str(repository), {}) == str(repository)


def test_a_worktree_that_its_own_configuration_moves(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repository")
    (tmp_path / "elsewhere").mkdir()
    git(repository, "config", "extensions.worktreeConfig", "true")
    git(repository, "config", "--worktree", "core.worktree", str(tmp_path / "elsewhere"))
    assert agrees_with_git(repository) == str(tmp_path / "elsewhere")


def test_a_container_of_worktrees_is_none(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repository")
    container = tmp_path / "container"
    git(tmp_path, "clone", "-q", "--bare", str(repository), str(container / ".bare"))
    (container / ".git").write_text("gitdir: ./.bare\n", encoding="utf-8")
    git(container, "worktree", "add", "-q", "-b", "feature", "feature")
    assert agrees_with_git(container / "feature") == str(container / "feature")
    with pytest.raises(DevpyError, match="not inside a git worktree"):
        find_root(str(container), ENVIRON)


def test_gits_own_words_where_it_refuses(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repository")
    with (repository / ".git/config").open("a", encoding="utf-8") as stream:
        stream.write("[include]\n\tpath = x\n[core\n")
    with pytest.raises(DevpyError, match="bad config line") as raised:
        find_root(str(repository), ENVIRON)
    assert raised.value.problem.startswith(f"{repository}: git: ")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a repository to somebody else")
def test_dubious_ownership_and_its_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = make_repository(tmp_path / "repository")
    git(repository, "config", "core.worktree", str(repository))
    for path in (repository, repository / ".git", repository / ".git/config"):
        os.chown(path, 12345, 12345)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("SUDO_UID", "0")
    with pytest.raises(DevpyError, match="detected dubious ownership") as raised:
        find_root(str(repository), ENVIRON)
    assert raised.value.mend == f"git config --global --add safe.directory {repository}"


@pytest.mark.parametrize("mark", [".hg", ".jj", ".sl"])
def test_a_working_copy_of_another_kind_inside_a_git_worktree(tmp_path: Path, mark: str) -> None:
    repository = make_repository(tmp_path / "repository")
    (repository / "copies/mine" / mark).mkdir(parents=True)
    (repository / "copies/mine/sub").mkdir()
    assert find_root(str(repository / "copies/mine/sub"), ENVIRON) == str(repository / "copies/mine")


def test_a_copy_without_git_has_its_root_at_devpy_toml(tmp_path: Path) -> None:
    (tmp_path / "copy/sub/deeper").mkdir(parents=True)
    (tmp_path / "copy/devpy.toml").touch()
    assert find_root(str(tmp_path / "copy/sub/deeper"), ENVIRON) == str(tmp_path / "copy")


def test_a_nearer_devpy_toml_that_is_not_used_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    repository = make_repository(tmp_path / "repository")
    (repository / "copy/sub").mkdir(parents=True)
    for folder in (repository, repository / "copy"):
        (folder / "devpy.toml").touch()
    monkeypatch.chdir(repository / "copy/sub")
    assert current_root(ENVIRON) == str(repository)
    assert f"warning: {repository}/copy/devpy.toml is not used" in capsys.readouterr().err
    monkeypatch.chdir(repository)
    assert current_root(ENVIRON) == str(repository)
    assert capsys.readouterr().err == ""
