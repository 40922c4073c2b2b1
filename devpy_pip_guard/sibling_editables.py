"""The base's editables that are the code of another worktree, and that the overlay has nothing to put in the place of.

An import gives that code, whichever worktree it is in. A base's editable of a package that the overlay has as well is
no such thing: the overlay's comes first, see `rivals`.
"""

from __future__ import annotations

import os
import shlex
from typing import Iterable, Iterator, NamedTuple

from . import distributions, is_inside, site_files
from .config import problem_of
from .errors import DevpyError
from .files import is_same_folder, note_read, real_path, scan
from .worktrees import find_sibling


class SiblingEditable(NamedTuple):
    """An editable in the base, or something else there that leads to code; every path is absolute."""

    name: str
    """As its metadata spells it; empty for what has no metadata."""
    path: str
    """Its folder, in the sibling; a real path."""
    sibling: str
    """The root of the other worktree."""
    own: str
    """The folder of the same package in the overlay's worktree, if that is to be declared; else empty."""
    way: str
    """What leads there without metadata: a `.pth` file or a link in the base's site-packages; else empty."""


def find(base: str, overlay: str, declared: Iterable[str], roots: list[str]) -> Iterator[SiblingEditable]:
    """Yield them.

    :param base: the base's site-packages, absolute
    :param overlay: the overlay's site-packages, absolute
    :param declared: the folders of the declared packages, absolute
    :param roots: the roots of the overlay's worktrees, real paths
    """
    note_read(overlay)
    in_overlay = {name for name, _ in distributions.metadata(overlay)}
    editables = sorted({*_editables(base)})
    folders = [path for _, path in editables]
    ways = {(path, way) for path, way in _ways(base) if not any(is_inside(path, folder) for folder in folders)}
    for name, path, way in [*((name, path, "") for name, path in editables), *(("", *each) for each in sorted(ways))]:
        pair = None if name and distributions.normalized(name) in in_overlay else find_sibling(path, roots)
        if pair is not None:
            own = _own_project(os.path.join(pair[0], os.path.relpath(path, pair[1])), pair[0])
            is_declared = any(is_same_folder(own, folder) for folder in declared)
            if not (is_declared and way):  # what is only searched comes behind the overlay's
                # A declared one that the overlay has not got by this name has another name there.
                yield SiblingEditable(name, path, pair[1], "" if is_declared else own, way)


def _own_project(folder: str, root: str) -> str:
    """Return the folder that can be declared, a folder itself or one around it; empty if there is none."""
    while is_inside(folder, root):
        if not problem_of(folder):
            return folder
        folder = os.path.dirname(folder)
    return ""


def _editables(site_packages: str) -> Iterator[tuple[str, str]]:
    """Yield name and folder of each editable."""
    note_read(site_packages)  # enough for folders of metadata in it: installers replace them as a whole
    for _, path in distributions.metadata(site_packages):
        if path.endswith(distributions.EGG_LINK):  # which is rewritten in place
            note_read(path)
        folder = distributions.project_folder(path, real_path)
        if folder:
            yield distributions.spelled_name(path), folder


def _ways(site_packages: str) -> Iterator[tuple[str, str]]:
    """Yield what lines of `.pth` files and links there lead to, each with the file or link."""
    for entry in scan(site_packages) if os.path.isdir(site_packages) else ():
        if entry.name.endswith(".pth"):
            note_read(entry.path)
        elif entry.is_symlink():
            yield real_path(entry.path), entry.path
    for file, folder in site_files.folders(site_packages) if os.path.isdir(site_packages) else ():
        yield real_path(os.path.normpath(folder)), file


def describe(editable: SiblingEditable, base: str, config: str) -> DevpyError:
    """Return what to tell the user of an editable.

    :param base: the prefix of the conda environment, absolute
    :param config: the file that declares the packages, absolute
    """
    what = editable.name or os.path.basename(editable.way)
    problem = f"{what} in {base} is the code of another worktree, {editable.path}, and would run here"
    return DevpyError(problem, _mend(editable, base, config))


def _mend(editable: SiblingEditable, base: str, config: str) -> str:
    if editable.own:
        relative = os.path.relpath(editable.own, os.path.realpath(os.path.dirname(config)))
        return f'declare this worktree\'s own: add "{relative}" to packages in {config}, then: devpy update-editables'
    if editable.name or os.path.basename(editable.way) == distributions.CONDA_PTH:
        return removal(editable.name, editable.path, base)
    is_link = os.path.islink(editable.way)
    return shlex.join(["rm", editable.way]) if is_link else f"take {editable.path} out of {editable.way}"


def removal(name: str, path: str, base: str) -> str:
    """Return the command that takes an editable out of a base.

    :param name: as its metadata spells it; empty for what `conda develop` has put on the path
    :param path: its folder, absolute
    :param base: the prefix of the conda environment, absolute
    """
    if not name:
        return shlex.join(["conda", "develop", "--uninstall", "-p", base, path])
    return shlex.join([os.path.join(base, "bin", "python"), "-m", "pip", "uninstall", name])
