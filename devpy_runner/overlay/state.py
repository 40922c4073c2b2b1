"""The overlay's state, its making and its removal."""

from __future__ import annotations

import os
from errno import EEXIST, ENOTEMPTY
from typing import NamedTuple

from devpy_pip_guard.errors import DevpyError
from devpy_pip_guard.files import exists, is_file, read_bytes, real_path
from devpy_virtualenv_plugin import __version__, record
from devpy_virtualenv_plugin.layout import LAUNCHER, PTH_BRIDGE, START_BRIDGE, in_site_packages, site_packages
from devpy_virtualenv_plugin.record import Record

from ..activate import scripts
from ..worktree import is_managed_elsewhere
from . import editables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from devpy_pip_guard.config import Config

    from ..base.lookup import Base

ABSENT = "absent"
FOREIGN = "foreign"
INCOMPLETE = "incomplete"
STALE = "stale"
CURRENT = "current"


class Overlay(NamedTuple):
    """What stands at `python.venv`."""

    state: str
    """One of the five states above."""
    reasons: list[str]
    """Why it is incomplete or stale, in words for the user."""
    rebuild: bool
    """Whether its own files must be written, not only its packages be brought up to date."""
    record: Record | None
    """What it says of itself, if it does."""


def examine(config: Config, base: str | None = None) -> Overlay:
    """Tell the state of the overlay that a config asks for; everything else asks here. Only reads.

    :param config: from devpy.toml
    :param base: the prefix that the config's name leads to now; None to trust the one found when the overlay was made
    """
    venv = config.venv
    if not record.is_marked(venv):
        if record.is_vacant(venv):
            return Overlay(ABSENT, [], True, None)
        if not record.is_marked(venv):  # nor has it been made meanwhile
            return Overlay(FOREIGN, [], False, None)
    found = record.read(venv)
    if found is None or not found.complete:
        return Overlay(INCOMPLETE, ["its making or its last change was interrupted"], True, found)
    own = list(_outdated_files(config, found, base))
    reasons = [*own, *_unknown_base(config, found, base), *_outdated_packages(config, found)]
    return Overlay(STALE if reasons else CURRENT, reasons, bool(own), found)


def build(config: Config, base: Base, overlay: Overlay, environ: Mapping[str, str]) -> None:
    """Write the overlay's own files through virtualenv. Call it under the lock.

    Packages that are in it stay, unless its making was interrupted or their console scripts are gone. Those for another
    Python than the base's do not stay either: the creator sees to that.

    :param overlay: what `examine` said
    :param environ: the caller's environment variables
    :raises DevpyError: if virtualenv or the base's interpreter fails
    """
    from devpy_virtualenv_plugin.lock import empty

    from .creation import make, unforeseen

    if overlay.record is None or not _may_stay(overlay.record, config.venv):
        empty(config.venv)
    elif overlay.state == INCOMPLETE:
        _remove_remains(site_packages(config.venv, overlay.record.python))
    make(config, base.prefix, environ)
    made = record.read(config.venv)
    missing = missing_parts(config.venv, made.python) if made else [os.path.join(config.venv, record.FILE_NAME)]
    if missing:
        raise unforeseen(f"has left {config.venv} without {os.path.relpath(missing[0], config.venv)}")


def _may_stay(made: Record, venv: str) -> bool:
    """Tell whether what is installed in an overlay is of use when its own files are written anew."""
    if not (made.complete or made.built) or not _has_pyvenv_cfg(venv):
        return False
    return os.path.isdir(site_packages(venv, made.python)) and os.path.isdir(os.path.join(venv, "bin"))


def remove(venv: str) -> None:
    """Remove an overlay, waiting for whoever is changing it; a symlink in its place is unlinked, not followed.

    :param venv: absolute
    :raises DevpyError: if it does not carry devpy's mark by the time that nobody else changes it
    """
    from devpy_virtualenv_plugin.lock import empty, locked

    if os.path.islink(venv):
        os.unlink(venv)
        return
    with locked(venv):
        if os.path.islink(venv) or not (record.is_marked(venv) or record.is_vacant(venv)):
            raise DevpyError(f"{venv} was not made by devpy", "see what has come there meanwhile")
        empty(venv)
        os.unlink(os.path.join(venv, record.LOCK_NAME))
        try:
            os.rmdir(venv)
        except OSError as error:
            if error.errno not in (ENOTEMPTY, EEXIST):  # somebody else has begun to make a new one there
                raise


def refuse_foreign(overlay: Overlay, config: Config) -> None:
    """Refuse to go on where something stands that devpy did not make, or that belongs to another worktree.

    :raises DevpyError: if the overlay's state is foreign, or it lies in a worktree inside this one
    """
    other = None if config.is_stack else _worktree_around(config.venv, config.root)
    if other is not None:
        problem = f"{config.file}: python.venv leads into another worktree, {other}"
        raise DevpyError(problem, f"cd {other}, or name a folder outside of it")
    if overlay.state == FOREIGN:
        mend = f"rename or remove it, or set python.venv in {config.file} to another folder"
        raise DevpyError(f"{config.venv} was not made by devpy", mend)


def is_writable(venv: str) -> bool:
    """Tell whether an overlay can be changed, or made where there is none.

    :param venv: absolute
    """
    while not os.path.lexists(venv):
        venv = os.path.dirname(venv)
    return os.access(venv, os.W_OK | os.X_OK)


def _worktree_around(venv: str, root: str) -> str | None:
    """Return the other worktree inside `root`, absolute, in which an overlay lies, if it does."""
    folder = os.path.dirname(venv)
    while len(folder) > len(os.path.realpath(root)):
        if os.path.exists(os.path.join(folder, ".git")) and is_managed_elsewhere(folder, root):
            return folder
        folder = os.path.dirname(folder)
    return None


def _outdated_files(config: Config, found: Record, base: str | None) -> Iterator[str]:
    if found.venv != real_path(config.venv):
        yield f"moved or copied from {found.venv}"
    if found.version != __version__:
        yield f"made by devpy {found.version}, this is {__version__}"
    if found.config != config.file:
        yield f"made for {found.config}"
    if base not in (None, found.base):
        yield f"made for the conda environment {found.base}"
    elif not exists(os.path.join(config.venv, "bin", "python")):
        yield f"its Python is no longer in {found.base}"
    elif found.base_stamp != record.base_stamp(found.base):
        yield f"{found.base} has changed"
    yield from _broken_files(config.venv, found.python)


def _broken_files(venv: str, python: str) -> Iterator[str]:
    if missing_parts(venv, python):
        yield "a part of it is missing"
    for script in scripts.not_extended(os.path.join(venv, "bin")):
        yield f"{script} does not activate the base"


def _has_pyvenv_cfg(venv: str) -> bool:
    """Tell whether there is a pyvenv.cfg without which the overlay's Python would be the base's, and unguarded."""
    try:
        lines = read_bytes(os.path.join(venv, "pyvenv.cfg")).decode("utf-8").splitlines()
    except (DevpyError, ValueError):
        return False
    return {"home", "devpy-config"} <= {line.partition(" = ")[0] for line in lines}


def missing_parts(venv: str, python: str) -> list[str]:
    """Return the files without which an overlay does not work and that are not there, or hold nothing of use.

    :param venv: absolute
    :param python: as its record has it
    """
    missing = [path for path in parts(venv, python) if not is_file(path)]
    return missing if missing or _has_pyvenv_cfg(venv) else [os.path.join(venv, "pyvenv.cfg")]


def parts(venv: str, python: str) -> list[str]:
    """Return the files without which an overlay does not work, absolute.

    :param venv: absolute
    :param python: as its record has it
    """
    own = in_site_packages(site_packages(venv, python))
    return [os.path.join(venv, "pyvenv.cfg"), os.path.join(venv, LAUNCHER), *own]


def _unknown_base(config: Config, found: Record, base: str | None) -> Iterator[str]:
    if base is None and found.base_name != config.base:
        yield f"made for {found.base_name or found.base}, not for {config.base}"


def _outdated_packages(config: Config, found: Record) -> Iterator[str]:
    for path in config.editables:
        if path not in found.editables:
            yield f"not installed: {path}"
        elif editables.build_files_changed(path, found.editables[path]):
            yield f"build files changed: {path}"
    for path in found.editables:
        if path not in config.editables:
            yield f"no longer declared: {path}"
    if config.install_deps and not found.has_deps:
        yield "dependencies not installed"
    if found.site_stamp != record.site_stamp(site_packages(config.venv, found.python)):
        yield "packages in it have changed"


def _remove_remains(folder: str) -> None:
    """Remove what an interrupted pip leaves in the way of the next one.

    It has put files aside, under names with a tilde, whose metadata would still be found. And it has begun to install:
    RECORD comes last, and without it nothing can be uninstalled.

    :param folder: the overlay's site-packages, absolute
    """
    import shutil

    for entry in os.scandir(folder):
        is_put_aside = entry.name.startswith("~") and entry.name not in (PTH_BRIDGE, START_BRIDGE)
        is_begun = entry.name.endswith(".dist-info") and not os.path.exists(os.path.join(entry.path, "RECORD"))
        if not (is_put_aside or is_begun):
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)
