"""The overlay's state, its making and its removal."""

from __future__ import annotations

import os
from errno import EEXIST, ENOTEMPTY
from typing import NamedTuple

from devpy_pip_guard.errors import DevpyError
from devpy_pip_guard.files import exists, is_file, read_bytes, real_path
from devpy_virtualenv_plugin import __version__, record
from devpy_virtualenv_plugin.layout import BRIDGE, IN_SITE_PACKAGES, LAUNCHER
from devpy_virtualenv_plugin.record import Record

from . import editables
from .prefix import python_version
from .worktree import is_managed_elsewhere

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from devpy_pip_guard.config import Config

    from .conda import Base

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

    Packages that are in it stay, unless its making was interrupted, it was made for another minor version of Python, or
    their console scripts are gone.

    :param overlay: what `examine` said
    :param environ: the caller's environment variables
    :raises DevpyError: if virtualenv or the base's interpreter fails
    """
    from devpy_virtualenv_plugin.lock import empty

    version = ".".join((python_version(base.prefix) or "").split(".")[:2])
    crashed = overlay.state == INCOMPLETE and not (overlay.record and overlay.record.built)
    crashed = crashed or not _has_pyvenv_cfg(config.venv)  # virtualenv reads it, too
    homes = [os.path.join("lib", f"python{version}"), "bin"]
    if crashed or not all(os.path.isdir(os.path.join(config.venv, home)) for home in homes):
        empty(config.venv)
    elif overlay.state == INCOMPLETE:
        _remove_remains(config.venv)
    _run_virtualenv(config, base, environ)


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
    if not all(is_file(path) for path in parts(config.venv)) or not _has_pyvenv_cfg(config.venv):
        yield "a part of it is missing"


def _has_pyvenv_cfg(venv: str) -> bool:
    """Tell whether there is a pyvenv.cfg without which the overlay's Python would be the base's, and unguarded."""
    try:
        lines = read_bytes(os.path.join(venv, "pyvenv.cfg")).decode("utf-8").splitlines()
    except (DevpyError, ValueError):
        return False
    return {"home", "devpy-config"} <= {line.partition(" = ")[0] for line in lines}


def parts(venv: str) -> list[str]:
    """Return the files without which an overlay does not work, absolute.

    :param venv: absolute
    """
    site_packages = record.site_packages(venv) or os.path.join(venv, "lib")
    own = [os.path.join(site_packages, name) for name in IN_SITE_PACKAGES]
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
    if found.site_stamp != record.site_stamp(config.venv):
        yield "packages in it have changed"


def _remove_remains(venv: str) -> None:
    """Remove what an interrupted pip leaves in the way of the next one.

    It has put files aside, under names with a tilde, whose metadata would still be found. And it has begun to install:
    RECORD comes last, and without it nothing can be uninstalled.
    """
    import shutil

    folder = record.site_packages(venv)
    for entry in os.scandir(folder) if folder else ():
        is_put_aside = entry.name.startswith("~") and entry.name != BRIDGE
        is_begun = entry.name.endswith(".dist-info") and not os.path.exists(os.path.join(entry.path, "RECORD"))
        if not (is_put_aside or is_begun):
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)


def _run_virtualenv(config: Config, base: Base, environ: Mapping[str, str]) -> None:
    from virtualenv import cli_run

    options = ["--creator", "devpy", "--devpy-config", config.file, "--discovery", "builtin"]
    python = os.path.join(base.prefix, "bin", "python")
    # The overlay shall not depend on what the user has set for virtual environments of his own.
    kept = {name: value for name, value in environ.items() if not name.startswith("VIRTUALENV_")}
    kept["VIRTUALENV_CONFIG_FILE"] = os.devnull
    try:
        cli_run([*options, "--python", python, config.venv], setup_logging=False, env=kept)
    except (RuntimeError, SystemExit) as error:
        raise DevpyError(f"{config.venv}: virtualenv failed: {error}", f"try it by hand: {python} --version") from error
