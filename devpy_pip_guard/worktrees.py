"""Which git worktrees a path lies in, and which of them belong to one repository; git itself is not asked."""

from __future__ import annotations

import os

from . import is_inside
from .files import exists, git_dir, is_dir, is_same_folder, note_read, real_path, with_parents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable, Iterator

_WORKTREES = "worktrees"
"""The folder in git's own in which it keeps a folder for each linked worktree."""


def roots(path: str) -> Iterator[str]:
    """Yield the roots of the worktrees that a file or folder lies in, the innermost first; real paths.

    There is more than one around a submodule, and around a worktree that was made inside another. Where a path has
    symlinks, the worktrees around the path as it is written come before those around the place that it leads to.
    """
    for start in _starts(path):
        yield from _around(start)


def _starts(path: str) -> list[str]:
    """Return a path as it is written, and the place that it leads to if that is another one; absolute."""
    absolute = os.path.abspath(path)
    return list(dict.fromkeys([absolute, real_path(absolute)]))


def _around(start: str) -> Iterator[str]:
    for folder in with_parents(start):
        if git_dir(folder):
            yield real_path(folder)


def own_roots(root: str) -> list[str]:
    """Return the root of a worktree, and those of the worktrees around it that it is a submodule of.

    :param root: a real path, as are what is returned
    """
    return [*_with_superprojects(root)] or [root]


def own_roots_around(folders: Iterable[str]) -> list[str]:
    """Return what `own_roots` returns for the innermost worktree around each of some folders, each root once.

    :param folders: absolute
    """
    innermost = dict.fromkeys(root for folder in folders for root in [*roots(folder)][:1])
    return list(dict.fromkeys(root for each in innermost for root in own_roots(each)))


def _with_superprojects(start: str) -> Iterator[str]:
    """Yield the root of the innermost worktree around a folder, and of those that it is a submodule of.

    Git keeps a submodule's own folder in that of the worktree around it. A sibling, or a clone, may lie there as well.
    """
    inner = ""
    for root in _around(start):
        if inner and not _is_submodule(inner, root):
            return
        yield root
        inner = root


def _is_submodule(root: str, other_root: str) -> bool:
    outer = repository(other_root)
    return repository(root) != outer and is_inside(real_path(git_dir(root)), outer)


def repository(root: str) -> str:
    """Return the folder that all worktrees of a repository share, as `git rev-parse --git-common-dir` does.

    In a container, what the `.git` file of a linked worktree leads to may not be there. Then the path itself tells: it
    is `worktrees/ID` below that folder, see gitrepository-layout(5).

    :param root: of one of them, absolute
    """
    git_folder = git_dir(root) or os.path.join(root, ".git")
    worktrees = os.path.dirname(git_folder)
    if os.path.basename(worktrees) == _WORKTREES and not is_dir(git_folder):
        return real_path(os.path.dirname(worktrees))
    return real_path(os.path.join(git_folder, _text(os.path.join(git_folder, "commondir")).strip()))


def is_same_repository(root: str, other_root: str) -> bool:
    """Tell whether two worktrees, given by their absolute roots, belong to one repository."""
    return (
        repository(root) == repository(other_root)
        or _lists(repository(root), other_root)
        or _lists(repository(other_root), root)
    )


def _lists(repository: str, root: str) -> bool:
    """Tell whether a repository lists a worktree whose `.git` file leads nowhere, as it may in a container.

    Other repositories may have one that is listed under the same name. So one of the two folders has to be called as it
    is outside of the container.
    """
    git_folder = git_dir(root)
    if not git_folder or is_dir(git_folder):
        return False
    entry = os.path.join(repository, _WORKTREES, os.path.basename(git_folder))
    listed = _text(os.path.join(entry, "gitdir")).strip()
    if not listed:
        return False
    listed = os.path.join(entry, listed)  # git may write it relative to its own folder
    if exists(listed):
        return is_same_folder(os.path.dirname(listed), root)
    named_alike = os.path.basename(os.path.dirname(listed)) == os.path.basename(root)
    outside = os.path.dirname(os.path.dirname(git_folder))
    return named_alike or outside.split(os.sep)[-2:] == repository.split(os.sep)[-2:]


def find_sibling(path: str, overlay_roots: list[str]) -> tuple[str, str] | None:
    """Return one of the overlay's worktrees, and the sibling of it that a path lies in; None if it lies in none.

    :param overlay_roots: the roots of the overlay's worktrees, real paths; a sibling belongs to the same repository
    """
    for root in [root for start in _starts(path) for root in _with_superprojects(start)]:
        if root in overlay_roots:
            return None
        overlay_root = next((each for each in overlay_roots if is_same_repository(each, root)), None)
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
