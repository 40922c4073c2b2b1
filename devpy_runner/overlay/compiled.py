"""Packages with compiled parts: what they were built from, and what builds them."""

from __future__ import annotations

import os
import shutil

from devpy_pip_guard import native_sources
from devpy_pip_guard.native_sources import NativeSources

from .. import programs
from ..worktree import without_locations
from .backends import backend_of
from .requirements import installed_versions, unmet

_NINJA = "ninja"


def contents(path: str) -> dict[str, str]:
    """Return what the sources of a package hold, before it is built.

    :param path: its folder, absolute
    """
    return native_sources.contents(path, native_sources.find(path).sources)


def built_sources(path: str, before: dict[str, str]) -> NativeSources | None:
    """Return what a package's compiled parts have been built from; None if nothing can tell, or need be told.

    What the build itself writes there counts as it is after the build. What somebody else edits meanwhile counts as it
    was before. Which of them it is, git tells: it does not track what builds write.

    :param path: its folder, absolute
    :param before: what `contents` returned before it was built
    """
    tree = native_sources.find(path)
    if not tree.sources or backend_of(path).rebuilds_on_import:
        return None
    now = native_sources.contents(path, tree.sources)
    changed = [name for name in now if before.get(name, now[name]) != now[name]]
    edited = {name: before[name] for name in _tracked(path, changed)}
    time = 0 if edited else max(tree.sources.values())
    return NativeSources(time, len(now), native_sources.digest({**now, **edited}), tree.newest_binary)


def _tracked(path: str, names: list[str]) -> list[str]:
    """Return those of a package's files that git tracks.

    :param path: the package's folder, absolute
    :param names: relative to it
    """
    if not names:
        return []
    environ = without_locations(os.environ)
    ran = programs.run(["git", "ls-files", "-z", "--", *names], environ, path)
    return [name for name in ran.out.split("\0") if name in names]


def missing_at_import(path: str, site_packages: list[str], search_path: str, python: str) -> list[str] | None:
    """Return the build requirements that a package needs to be imported, and that are not there for good.

    Those that pip installs for a build are gone after it.

    :param path: the package's folder, absolute
    :param site_packages: those of the overlay and of the base, absolute
    :param search_path: the PATH of commands in the overlay
    :param python: as the overlay's record has it
    :return: names, each with the versions that would do; None for a package that imports build nothing for
    """
    backend = backend_of(path)
    if not backend.is_meson_python:
        return None
    versions = installed_versions(site_packages)
    version = python[len("python") :].rstrip("t")
    lacking = filter(None, (unmet(text, versions, version) for text in backend.requires))
    missing = [f"{requirement.name}{requirement.specifier}" for requirement in lacking]
    has_ninja = shutil.which(_NINJA, path=search_path) or _NINJA in versions
    return missing if has_ninja else [*missing, _NINJA]
