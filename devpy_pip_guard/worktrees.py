"""Which git worktrees a path lies in, and which of them belong to one repository; git itself is not asked."""

from __future__ import annotations

import os
from typing import Iterator

from .files import git_dir, note_read, real_path, with_parents


def roots(path: str) -> Iterator[str]:
    """Yield the roots of the worktrees that a file or folder lies in, the innermost first; real paths.

    There is more than one around a submodule, and around a worktree that was made inside another. Where a path has
    symlinks, the worktrees around the path as it is written come before those around the place that it leads to.
    """
    for start in dict.fromkeys([os.path.abspath(path), os.path.realpath(path)]):
        for folder in with_parents(start):
            if git_dir(folder):
                yield os.path.realpath(folder)


def repository(root: str) -> str:
    """Return the folder that all worktrees of a repository share, as `git rev-parse --git-common-dir` does.

    :param root: of one of them, absolute
    """
    git_folder = git_dir(root) or os.path.join(root, ".git")
    return real_path(os.path.join(git_folder, _text(os.path.join(git_folder, "commondir")).strip()))


def find_sibling(path: str, overlay_roots: list[str]) -> tuple[str, str] | None:
    """Return one of the overlay's worktrees, and the sibling of it that a path lies in; None if it lies in none.

    :param overlay_roots: the roots of the overlay's worktrees, real paths; a sibling belongs to the same repository
    """
    for root in roots(path):
        if root in overlay_roots:
            return None
        overlay_root = next((each for each in overlay_roots if repository(each) == repository(root)), None)
        if overlay_root is not None:
            return overlay_root, root
    return None


def _text(path: str) -> str:
    note_read(path)
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except OSError:
        return ""
