"""The base's editables that are the code of another worktree, and that the overlay has nothing to put in the place of.

An import gives that code, whichever worktree it is in. A base's editable of a package that the overlay has as well is
no such thing: the overlay's comes first, see `rivals`.
"""

from __future__ import annotations

import os
import shlex
from typing import Iterable, Iterator, NamedTuple

from . import distributions, is_same_file
from .errors import DevpyError
from .files import note_read
from .worktrees import find_sibling

_BUILD_FILES = ("pyproject.toml", "setup.py")


class SiblingEditable(NamedTuple):
    """An editable in the base; every path is absolute."""

    name: str
    """As its metadata spells it; empty for what `conda develop` has put on the path."""
    path: str
    """Its folder, in the sibling; a real path."""
    sibling: str
    """The root of the other worktree."""
    own: str
    """The folder in the overlay's worktree that holds the package as well; empty if there is none."""


def find(base: str, overlay: str, declared: Iterable[str], roots: list[str]) -> Iterator[SiblingEditable]:
    """Yield them.

    :param base: the base's site-packages, absolute
    :param overlay: the overlay's site-packages, absolute
    :param declared: the folders of the declared packages, absolute
    :param roots: the roots of the overlay's worktrees, real paths
    """
    in_overlay = {name for name, _ in distributions.metadata(overlay)}
    for name, path in sorted({*_editables(base)}):
        pair = None if name and distributions.normalized(name) in in_overlay else find_sibling(path, roots)
        if pair is not None:
            own = os.path.join(pair[0], os.path.relpath(path, pair[1]))
            if not any(is_same_file(own, folder) for folder in declared):
                is_there = any(os.path.isfile(os.path.join(own, build_file)) for build_file in _BUILD_FILES)
                yield SiblingEditable(name, path, pair[1], own if is_there else "")


def _editables(site_packages: str) -> Iterator[tuple[str, str]]:
    """Yield name and folder of each editable."""
    note_read(site_packages)  # enough for the metadata in it: installers replace whole folders there
    note_read(os.path.join(site_packages, distributions.CONDA_PTH))
    for _, path in distributions.metadata(site_packages):
        folder = distributions.project_folder(path)
        if folder:
            yield distributions.spelled_name(path), folder
    for folder in distributions.developed_folders(site_packages):
        yield "", folder


def describe(editable: SiblingEditable, base: str, config: str) -> DevpyError:
    """Return what to tell the user of an editable.

    :param base: the prefix of the conda environment, absolute
    :param config: the file that declares the packages, absolute
    """
    what = editable.name or "a path"
    problem = f"{what} in {base} is the code of another worktree, {editable.path}, and would run here"
    return DevpyError(problem, _mend(editable, base, config))


def _mend(editable: SiblingEditable, base: str, config: str) -> str:
    if editable.own:
        relative = os.path.relpath(editable.own, os.path.realpath(os.path.dirname(config)))
        return f'declare this worktree\'s own: add "{relative}" to packages in {config}, then: devpy update-editables'
    if not editable.name:
        return shlex.join(["conda", "develop", "--uninstall", "-p", base, editable.path])
    return shlex.join([os.path.join(base, "bin", "python"), "-m", "pip", "uninstall", editable.name])
