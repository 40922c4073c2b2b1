"""The sources of a package's compiled parts: whether they are still what the binaries were built from.

No import brings a binary up to date. What the sources were is noted in the overlay's record when they have been built,
as if they were one file. Times alone would not do: git gives files new times when it switches branches back and forth.
"""

from __future__ import annotations

import os
from typing import Any, Iterable, NamedTuple

from .files import scan, status

_SUFFIXES = (
    *(".c", ".cc", ".cpp", ".cxx", ".cu", ".h", ".hh", ".hpp", ".hxx", ".cuh", ".inl", ".ipp", ".tcc", ".tpp", ".txx"),
    *(".m", ".mm", ".f", ".f90", ".f95", ".for", ".pyx", ".pxd", ".pxi", ".rs", ".i", ".s", ".asm", ".zig", ".go"),
    *(".cmake", ".in", "cmakelists.txt", "meson.build"),
)
_BINARY_SUFFIXES = (".so", ".dylib")
_CYTHON, _GENERATED_BY_CYTHON = ".pyx", (".c", ".cpp")
_LEFT_OUT = ("__pycache__", "node_modules")
_RESULTS = ("build", "dist", "target")
"""Folders of a package, not further down, that hold what builds have made."""

_MARKS_OF_OTHERS = ("pyproject.toml", "setup.py", "pyvenv.cfg", "CACHEDIR.TAG", "CMakeCache.txt", "meson-info")
"""What stands in the folder of another package, of a virtual environment, or of what a build has made."""

_MOST_LOOKS = 1000
"""A package with more folders and sources is not looked at: it would take each command too long."""


class NativeSources(NamedTuple):
    """What the compiled parts of a package were built from."""

    time_ns: int
    """When a source was last changed, in nanoseconds; 0 if one was changed during the build."""
    files: int
    """How many sources there were."""
    digest: str
    """What `digest` gave for them."""
    binary_ns: int
    """When a binary in the package's folder was last changed, in nanoseconds; 0 if there was none."""


class Tree(NamedTuple):
    """What is in a package's folder."""

    sources: dict[str, int]
    """The sources by their absolute paths, with the time of the last change in nanoseconds."""
    newest_binary: int
    """When a binary there was last changed, in nanoseconds; 0 if there is none."""


def native_sources_in(record: dict[str, Any]) -> dict[str, NativeSources]:
    """Return what an overlay's record has of compiled parts, by the folder of the package.

    :param record: as JSON has it
    :raises ValueError, TypeError, KeyError, AttributeError: if that is broken
    """
    return {
        path: NativeSources(int(each["time_ns"]), int(each["files"]), str(each["digest"]), int(each["binary_ns"]))
        for path, each in record.get("native_sources", {}).items()
    }


def find(project: str, most: float = _MOST_LOOKS) -> Tree:
    """Look for the sources of a package.

    :param project: its folder, absolute
    :param most: how many folders and sources are looked at
    :return: nothing for a package that has more
    """
    sources: dict[str, int] = {}
    newest_binary = 0
    folders = [project]
    for count, folder in enumerate(folders):  # which grows meanwhile
        if count + len(sources) > most:
            return Tree({}, 0)
        entries = _entries(folder, is_project=folder == project)
        compiled = {f"{entry.name.partition('.')[0]}.py" for entry in entries if _is_binary(entry)}
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith(".") and entry.name not in _LEFT_OUT:
                    folders += [entry.path] if folder != project or entry.name not in _RESULTS else []
            elif _is_binary(entry):
                newest_binary = max(newest_binary, _time(entry.path))
            elif entry.is_file() and (entry.name in compiled or _is_source(entry)):
                sources[entry.path] = _time(entry.path)
    return Tree(sources, newest_binary)


def _is_binary(entry: os.DirEntry[str]) -> bool:
    return entry.name.endswith(_BINARY_SUFFIXES)


def _is_source(entry: os.DirEntry[str]) -> bool:
    return entry.name.lower().endswith(_SUFFIXES) and not _is_generated(entry.path)


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


def newer(project: str, built: NativeSources) -> str:
    """Return the newest source of a package, an absolute path, if the binaries are not built from the sources.

    :param project: the package's folder, absolute
    :param built: what they were built from when devpy installed the package
    :return: empty if they are, or if somebody has built them by hand since
    """
    tree = find(project, most=float("inf"))
    newest = max(tree.sources, key=tree.sources.__getitem__, default="")
    if not newest:
        return ""
    if built.time_ns and tree.newest_binary > built.binary_ns:  # it has been built by hand
        return newest if tree.sources[newest] > tree.newest_binary else ""
    if len(tree.sources) == built.files and tree.sources[newest] <= built.time_ns:
        return ""
    return newest if digest(contents(project, tree.sources)) != built.digest else ""


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
