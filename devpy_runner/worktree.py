"""Finding the root of the git worktree that a folder lies in."""

from __future__ import annotations

import os

from devpy_pip_guard.errors import DevpyError
from devpy_pip_guard.files import exists, is_file, note_read, real_path, with_parents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# If one of these is set, only git itself can tell where the worktree is.
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

    git is started only if its environment variables or its configuration may move the root.

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
        if os.path.basename(candidate) == ".git":  # git does not count this folder as part of the worktree
            return _ask_git(folder)
    raise _outside_error(folder)


def find_other_root(folder: str, root: str, environ: Mapping[str, str]) -> str | None:
    """Return the root of the worktree that a folder lies in, or None if it lies in this worktree or in none.

    :param folder: absolute
    :param root: the root of this worktree, absolute
    :param environ: the caller's environment variables
    """
    try:
        containing_root = find_root(folder, environ)
    except DevpyError:
        return None
    return containing_root if containing_root != root else None


def is_managed_elsewhere(other_root: str, root: str) -> bool:
    """Tell whether code in another worktree must not run in this one.

    It must not if both belong to one repository, or if the other has a devpy.toml.

    :param other_root: the root of the other worktree, absolute
    :param root: the root of this worktree, absolute
    """
    return is_same_repository(root, other_root) or exists(os.path.join(other_root, "devpy.toml"))


def is_same_repository(root: str, other_root: str) -> bool:
    """Tell whether two worktrees, given by their absolute roots, belong to one repository."""
    from devpy_pip_guard.worktrees import repository  # not at the top: few commands need it

    return repository(root) == repository(other_root)


def _may_move_root(git_dir: str) -> bool:
    """Tell whether a repository's configuration may set core.worktree or core.bare, or include a file that sets one."""
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
        raise _outside_error(folder)
    return os.fsdecode(done.stdout[:-1])  # the path may itself end in white space; the final newline is git's


def _outside_error(folder: str) -> DevpyError:
    return DevpyError("not inside a git worktree: " + folder, "cd into one, or make one with `git init`")
