"""The sources of a package's compiled parts: whether they are still what the binaries were built from.

No import brings a binary up to date. What the sources were is noted in the overlay's record when they have been built,
as if they were one file. Times alone would not do: git gives files new times when it switches branches back and forth.
"""

from __future__ import annotations

import os
from typing import Iterable, NamedTuple

from .files import scan, status

NAME = "native sources"
"""Under which a package's record has them, among the files that decide how it is built."""

_SUFFIXES = (
    *(".c", ".cc", ".cpp", ".cxx", ".cu", ".h", ".hh", ".hpp", ".hxx", ".cuh", ".inl", ".ipp", ".tpp", ".m", ".mm"),
    *(".f", ".f90", ".f95", ".for", ".pyx", ".pxd", ".pxi", ".rs", ".i", ".s", ".asm", ".cmake", ".zig", ".go"),
)
_BINARY_SUFFIXES = (".so", ".dylib")
_CYTHON, _GENERATED_BY_CYTHON = ".pyx", (".c", ".cpp")
_LEFT_OUT = ("build", "dist", "node_modules", "target", "__pycache__")
_MARKS_OF_OTHERS = ("pyproject.toml", "setup.py", "pyvenv.cfg")
"""What stands in the folder of another package, or of a virtual environment."""

_MOST_LOOKS = 1000
"""A package with more folders and sources is not looked at: it would take each command too long."""


class Tree(NamedTuple):
    """What is in a package's folder."""

    sources: dict[str, int]
    """The sources by their absolute paths, with the time of the last change in nanoseconds."""
    newest_binary: int
    """The time at which a binary was last written there, in nanoseconds; 0 if there is none."""


def find(project: str) -> Tree:
    """Look for the sources of a package.

    :param project: its folder, absolute
    :return: nothing for one that has too many
    """
    sources: dict[str, int] = {}
    newest_binary = 0
    folders = [project]
    for count, folder in enumerate(folders):  # which grows meanwhile
        if count + len(sources) > _MOST_LOOKS:
            return Tree({}, 0)
        for entry in _entries(folder, is_project=folder == project):
            if entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith(".") and entry.name not in _LEFT_OUT:
                    folders.append(entry.path)
            elif entry.name.endswith(_BINARY_SUFFIXES):
                newest_binary = max(newest_binary, _time(entry.path))
            elif entry.name.lower().endswith(_SUFFIXES) and entry.is_file() and not _is_generated(entry.path):
                sources[entry.path] = _time(entry.path)
    return Tree(sources, newest_binary)


def contents(project: str, sources: Iterable[str]) -> dict[str, str]:
    """Return the hash of each source by its path, relative to the package's folder.

    :param project: the package's folder, absolute
    :param sources: absolute
    """
    import hashlib  # takes long

    hashes = {}
    for path in sources:
        try:
            with open(path, "rb") as stream:
                hashes[os.path.relpath(path, project)] = hashlib.sha256(stream.read()).hexdigest()
        except OSError:
            hashes[os.path.relpath(path, project)] = ""
    return hashes


def digest(contents: dict[str, str]) -> str:
    """Return one hash for all sources.

    :param contents: what `contents` returned
    """
    import hashlib

    return hashlib.sha256(repr(sorted(contents.items())).encode("utf-8", "surrogateescape")).hexdigest()


def newer(project: str, built: tuple[int, int, str]) -> str:
    """Return the newest source of a package, an absolute path, if the sources are not those that were built.

    :param project: the package's folder, absolute
    :param built: the time of the last change of a source when they were built, in nanoseconds, or 0 if they changed
        meanwhile; how many there were; and what `digest` gave
    :return: empty if they are, or if somebody has built them by hand since
    """
    time, count, built_digest = built
    tree = find(project)
    newest = max(tree.sources, key=tree.sources.__getitem__, default="")
    if not newest or (len(tree.sources) == count and tree.sources[newest] <= time):
        return ""
    if time and tree.newest_binary > tree.sources[newest]:
        return ""
    return newest if digest(contents(project, tree.sources)) != built_digest else ""


def _entries(folder: str, *, is_project: bool) -> list[os.DirEntry[str]]:
    """Return what is in a folder; nothing for one that cannot be read, or is another package's."""
    try:
        entries = scan(folder)
    except OSError:
        return []
    is_other = not is_project and any(entry.name in _MARKS_OF_OTHERS for entry in entries)
    return [] if is_other else entries


def _is_generated(path: str) -> bool:
    stem, suffix = os.path.splitext(path)
    return suffix in _GENERATED_BY_CYTHON and os.path.exists(stem + _CYTHON)


def _time(path: str) -> int:
    """Return the time of a file's last change in nanoseconds: of what it holds, or of what has taken its place."""
    try:
        found = status(path)
    except OSError:
        return 0
    return max(found.st_mtime_ns, found.st_ctime_ns)
