"""From a folder to the root of the git worktree that it lies in."""

from __future__ import annotations

import os

from devpy_pip_guard.errors import DevpyError
from devpy_pip_guard.files import exists, is_file, note_read, real_path, with_parents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# With one of these set, only git itself can tell where the worktree is.
_REDIRECTIONS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM")


def current_folder() -> str:
    """Return the current folder, absolute.

    :raises DevpyError: if it has been removed
    """
    try:
        return os.getcwd()
    except FileNotFoundError:
        raise DevpyError("the current folder no longer exists", "cd to one that does") from None


def find_root(folder: str, environ: Mapping[str, str]) -> str:
    """Return the worktree root, absolute and without symlinks, as `git rev-parse --show-toplevel` prints it.

    Git is started only where its environment variables or its configuration may move the root.

    :param folder: where to start, absolute
    :param environ: the caller's environment variables
    :raises DevpyError: outside a git worktree
    """
    if any(name in environ for name in _REDIRECTIONS):
        return _ask_git(folder)
    for candidate in with_parents(real_path(folder)):
        dot_git = os.path.join(candidate, ".git")
        if is_file(dot_git):  # a linked worktree or a submodule
            return candidate
        if is_file(os.path.join(dot_git, "HEAD")):
            return _ask_git(folder) if _may_move_root(dot_git) else candidate
        if os.path.basename(candidate) == ".git":  # git does not count its own folder as part of the worktree
            return _ask_git(folder)
    raise _outside(folder)


def find_other_root(folder: str, root: str, environ: Mapping[str, str]) -> str | None:
    """Return the root of the worktree that a folder lies in, or None if that is no other one.

    :param folder: absolute
    :param root: the worktree root that is not another one
    :param environ: the caller's environment variables
    """
    try:
        other = find_root(folder, environ)
    except DevpyError:
        return None
    return other if other != root else None


def is_managed_elsewhere(other: str, root: str) -> bool:
    """Tell whether the code in another worktree, given by its root, has no place in this one."""
    return is_same_repository(root, other) or exists(os.path.join(other, "devpy.toml"))


def is_same_repository(root: str, other: str) -> bool:
    """Tell whether two worktree roots, absolute, are worktrees of one repository."""
    from devpy_pip_guard.worktrees import repository  # on the path of few commands

    return repository(root) == repository(other)


def _may_move_root(git_dir: str) -> bool:
    """Tell whether the repository's configuration may set core.worktree or core.bare, or include a file that does."""
    config = os.path.join(git_dir, "config")
    note_read(config)
    try:
        with open(config, "rb") as stream:
            text = stream.read().lower()
    except OSError:
        return True
    return b"worktree" in text or b"include" in text or b"bare = true" in text


def _ask_git(folder: str) -> str:
    import subprocess

    command = ["git", "rev-parse", "--show-toplevel"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    except FileNotFoundError:
        raise DevpyError("git: command not found", "install git, or unset " + ", ".join(_REDIRECTIONS)) from None
    if done.returncode != 0:
        raise _outside(folder)
    return os.fsdecode(done.stdout[:-1])  # the path may itself end in white space; the final newline is git's


def _outside(folder: str) -> DevpyError:
    return DevpyError("not inside a git worktree: " + folder, "cd into one, or make one with `git init`")
