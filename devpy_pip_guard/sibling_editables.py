"""The base's editables that are the code of another worktree, and that the overlay has nothing to put in the place of.

An import gives that code, whichever worktree it is in. A base's editable of a package that the overlay has as well is
no such thing: the overlay's comes first, see `rivals`.
"""

from __future__ import annotations

import os
import shlex
from typing import Iterable, Iterator, NamedTuple

from . import distributions
from .config import problem_of
from .errors import DevpyError
from .files import is_same_folder, note_read, real_path
from .worktrees import find_sibling


class SiblingEditable(NamedTuple):
    """An editable in the base; every path is absolute."""

    name: str
    """As its metadata spells it; empty for what `conda develop` has put on the path."""
    path: str
    """Its folder, in the sibling; a real path."""
    sibling: str
    """The root of the other worktree."""
    own: str
    """The folder of the same package in the overlay's worktree, if that is to be declared; else empty."""


def find(base: str, overlay: str, declared: Iterable[str], roots: list[str]) -> Iterator[SiblingEditable]:
    """Yield them.

    :param base: the base's site-packages, absolute
    :param overlay: the overlay's site-packages, absolute
    :param declared: the folders of the declared packages, absolute
    :param roots: the roots of the overlay's worktrees, real paths
    """
    note_read(overlay)
    in_overlay = {name for name, _ in distributions.metadata(overlay)}
    for name, path in sorted({*_editables(base)}):
        pair = None if name and distributions.normalized(name) in in_overlay else find_sibling(path, roots)
        if pair is not None:
            own = os.path.join(pair[0], os.path.relpath(path, pair[1]))
            # Where this worktree's own is declared already, the base has it under another name.
            is_to_be_declared = not problem_of(own) and not any(is_same_folder(own, folder) for folder in declared)
            yield SiblingEditable(name, path, pair[1], own if is_to_be_declared else "")


def _editables(site_packages: str) -> Iterator[tuple[str, str]]:
    """Yield name and folder of each editable."""
    note_read(site_packages)  # enough for folders of metadata in it: installers replace them as a whole
    note_read(os.path.join(site_packages, distributions.CONDA_PTH))
    for _, path in distributions.metadata(site_packages):
        if not os.path.isdir(path):  # an `.egg-link`
            note_read(path)
        folder = distributions.project_folder(path, real_path)
        if folder:
            yield distributions.spelled_name(path), folder
    for folder in distributions.developed_folders(site_packages, real_path):
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
    if not editable.own:
        return removal(editable.name, editable.path, base)
    relative = os.path.relpath(editable.own, os.path.realpath(os.path.dirname(config)))
    return f'declare this worktree\'s own: add "{relative}" to packages in {config}, then: devpy update-editables'


def removal(name: str, path: str, base: str) -> str:
    """Return the command that takes an editable out of a base.

    :param name: as its metadata spells it; empty for what `conda develop` has put on the path
    :param path: its folder, absolute
    :param base: the prefix of the conda environment, absolute
    """
    if not name:
        return shlex.join(["conda", "develop", "--uninstall", "-p", base, path])
    return shlex.join([os.path.join(base, "bin", "python"), "-m", "pip", "uninstall", name])
