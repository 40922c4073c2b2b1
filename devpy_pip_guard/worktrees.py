"""Which git worktrees a path lies in, and which of them belong to one repository; git itself is not asked."""

from __future__ import annotations

import os
from typing import Iterator

from .files import is_file, note_read, real_path, with_parents


def roots(path: str) -> Iterator[str]:
    """Yield the roots of the worktrees that a file or folder lies in, the innermost first; real paths.

    There is more than one around what lies in a submodule, or in a worktree that was made inside another. Those in
    which a path leads elsewhere by a symlink come before those that it leads to.
    """
    for start in dict.fromkeys([os.path.abspath(path), os.path.realpath(path)]):
        for folder in with_parents(start):
            dot_git = os.path.join(folder, ".git")
            if os.path.isfile(dot_git) or os.path.isfile(os.path.join(dot_git, "HEAD")):
                yield os.path.realpath(folder)


def repository(root: str) -> str:
    """Return the folder that all worktrees of a repository share, as `git rev-parse --git-common-dir` does.

    :param root: of one of them, absolute
    """
    git_dir = os.path.join(root, ".git")
    if is_file(git_dir):  # a linked worktree or a submodule
        git_dir = os.path.join(root, _text(git_dir).partition("gitdir:")[2].strip())
    return real_path(os.path.join(git_dir, _text(os.path.join(git_dir, "commondir")).strip()))


def find_other(path: str, roots_of_ours: list[str]) -> tuple[str, str] | None:
    """Return ours and the other one if a path lies in another worktree of a repository of which we have one.

    :param roots_of_ours: the roots of our worktrees, real paths
    """
    for root in roots(path):
        if root in roots_of_ours:
            return None
        ours = next((ours for ours in roots_of_ours if repository(ours) == repository(root)), None)
        if ours is not None:
            return ours, root
    return None


def _text(path: str) -> str:
    note_read(path)
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except OSError:
        return ""
