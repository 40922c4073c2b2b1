"""The overlay's state, and whether it is devpy's to change."""

from __future__ import annotations

import os
from typing import NamedTuple

from devpy_pip_guard import is_inside, pyvenv_cfg
from devpy_pip_guard.config import problem_of
from devpy_pip_guard.errors import DevpyError
from devpy_pip_guard.files import exists, is_file, is_same_folder, may_execute, names_in, real_path
from devpy_virtualenv_plugin import __version__, record
from devpy_virtualenv_plugin.layout import LAUNCHER, SCRIPT_FOLDERS, in_site_packages, site_packages
from devpy_virtualenv_plugin.mends import command
from devpy_virtualenv_plugin.record import Record

from ..activate import scripts
from ..worktree import is_managed_elsewhere
from . import editables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from devpy_pip_guard.config import Config

ABSENT = "absent"
FOREIGN = "foreign"
INCOMPLETE = "incomplete"
STALE = "stale"
CURRENT = "current"

_MOST_NAMED = 3


class Overlay(NamedTuple):
    """What stands at `python.venv`."""

    state: str
    """One of the five states above."""
    reasons: list[str]
    """Why it is incomplete or stale, in words for the user."""
    rebuild: bool
    """Whether its own files must be written, not only its packages be brought up to date."""
    record: Record | None
    """What it says of itself, if it has a record that can be read."""


def examine(config: Config, base: str | None = None) -> Overlay:
    """Tell the state of the overlay that a config asks for. Changes nothing; whoever needs the state asks here.

    :param config: from devpy.toml
    :param base: the prefix that the config's name leads to now; None to trust the one in the record
    """
    venv = config.venv
    if not record.is_marked(venv):
        if record.is_vacant(venv):
            return Overlay(ABSENT, [], True, None)
        if not record.is_marked(venv):  # nor has it been made meanwhile
            return Overlay(FOREIGN, [], False, None)
    recorded = record.read(venv)
    if recorded is None or not recorded.complete:
        return Overlay(INCOMPLETE, ["its making or its last change was interrupted"], True, recorded)
    outdated_files = list(_outdated_files(config, recorded, base))
    reasons = [
        *outdated_files,
        *_unknown_base(config, recorded, base),
        *_outdated_packages(config, recorded),
        *_missing_links(venv, recorded),
    ]
    return Overlay(STALE if reasons else CURRENT, reasons, bool(outdated_files), recorded)


def refuse_foreign(overlay: Overlay, config: Config) -> None:
    """Refuse an overlay that is not this worktree's to change.

    :raises DevpyError: if devpy did not make what stands there, or it lies in another worktree inside this one
    """
    worktree = None if config.is_stack else _worktree_around(config.venv, config.root)
    if worktree is not None:
        problem = f"{config.file}: python.venv leads into another worktree, {worktree}"
        raise DevpyError(problem, f"{command('cd', worktree)}, or name a folder outside of it")
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
    from devpy_pip_guard.worktrees import roots  # on the path of few commands

    real_root = os.path.realpath(root)
    inner = (folder for folder in roots(os.path.dirname(venv)) if folder != real_root and is_inside(folder, real_root))
    return next((folder for folder in inner if is_managed_elsewhere(folder, root)), None)


def _outdated_files(config: Config, recorded: Record, base: str | None) -> Iterator[str]:
    if recorded.venv != real_path(config.venv):
        yield f"moved or copied from {recorded.venv}"
    if recorded.version != __version__:
        yield f"made by devpy {recorded.version}, this is {__version__}"
    if recorded.config != config.file:
        yield f"made for {recorded.config}"
    if base is not None and not is_same_folder(base, recorded.base):
        yield f"made for the conda environment {recorded.base}"
    elif not exists(os.path.join(config.venv, "bin", "python")):
        yield f"its Python is no longer in {recorded.base}"
    elif recorded.base_stamp != record.base_stamp(recorded.base):
        yield f"{recorded.base} has changed"
    yield from _broken_files(config.venv, recorded.python)


def _broken_files(venv: str, python: str) -> Iterator[str]:
    if missing_parts(venv, python):
        yield "a part of it is missing"
    elif not may_execute(os.path.join(venv, LAUNCHER)):
        yield "what runs the base's console scripts in it cannot be executed"
    for script in scripts.not_extended(os.path.join(venv, "bin")):
        yield f"{script} does not activate the base"


def has_pyvenv_cfg(venv: str) -> bool:
    """Tell whether pyvenv.cfg is there with the keys that devpy needs.

    Without them, the overlay's Python would be the base's, and no guard would run.
    """
    return {"home", pyvenv_cfg.CONFIG_KEY} <= pyvenv_cfg.keys(os.path.join(venv, pyvenv_cfg.FILE_NAME))


def missing_parts(venv: str, python: str) -> list[str]:
    """Return those of the files that an overlay needs which are missing, or hold nothing of use.

    :param venv: absolute
    :param python: as its record has it
    """
    missing = [path for path in parts(venv, python) if not is_file(path)]
    return missing if missing or has_pyvenv_cfg(venv) else [os.path.join(venv, pyvenv_cfg.FILE_NAME)]


def missing_scripts(venv: str, recorded: Record) -> list[str]:
    """Return the names of the base's console scripts for which an overlay lacks a link.

    :param venv: the overlay, absolute
    :param recorded: its record
    """
    in_bin, in_second_folder = (set(names_in(os.path.join(venv, folder))) for folder in SCRIPT_FOLDERS)
    in_bin.update(recorded.replaced_scripts)
    return [name for name in recorded.scripts if name not in in_bin or name not in in_second_folder]


def falls_through(venv: str, recorded: Record) -> bool:
    """Tell whether PATH leads from an overlay to console scripts of the base, which run on the base's Python.

    :param venv: the overlay, absolute
    :param recorded: the overlay's record
    """
    linked = names_in(os.path.join(venv, SCRIPT_FOLDERS[1]))
    return not (may_execute(os.path.join(venv, LAUNCHER)) and set(recorded.scripts) <= set(linked))


def parts(venv: str, python: str) -> list[str]:
    """Return the files without which an overlay does not work, absolute.

    :param venv: absolute
    :param python: as its record has it
    """
    start_files = in_site_packages(site_packages(venv, python))
    return [os.path.join(venv, pyvenv_cfg.FILE_NAME), os.path.join(venv, LAUNCHER), *start_files]


def _unknown_base(config: Config, recorded: Record, base: str | None) -> Iterator[str]:
    if base is None and recorded.base_name != config.base:
        yield f"made for {recorded.base_name or recorded.base}, not for {config.base}"


def _outdated_packages(config: Config, recorded: Record) -> Iterator[str]:
    declared = _without(left_out(config, recorded), config.editables)
    known = [path for path in declared if path in recorded.editables]
    yield from _counted("not installed", _without(known, declared))
    changed = [path for path in known if editables.build_files_changed(path, recorded.editables[path])]
    yield from _counted("build files changed", changed)
    yield from _counted("no longer declared", _without(config.editables, recorded.editables))
    if config.install_deps and not recorded.has_deps:
        yield "dependencies not installed"
    if recorded.site_stamp != record.site_stamp(site_packages(config.venv, recorded.python)):
        yield "packages in it have changed"


def _counted(what: str, paths: list[str]) -> Iterator[str]:
    """Yield what is to be said of some packages; of many, only how many there are."""
    if len(paths) > _MOST_NAMED:
        yield f"{what}: {len(paths)} packages"
    else:
        yield from (f"{what}: {path}" for path in paths)


def _without(excluded: list[str], paths: Iterable[str]) -> list[str]:
    return [path for path in paths if path not in excluded]


def left_out(config: Config, recorded: Record) -> list[str]:
    """Return the declared packages that the user has had left out, as long as they cannot be installed.

    :param recorded: the overlay's record
    """
    return [path for path in config.editables if path in recorded.missing and problem_of(path)]


def left_out_text(path: str) -> str:
    """Return what to tell the user of a package that is left out.

    :param path: its folder, absolute
    """
    return f"{path} is declared, but {problem_of(path)}: it is left out"


def _missing_links(venv: str, recorded: Record) -> Iterator[str]:
    missing = missing_scripts(venv, recorded)
    if missing:
        more = f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
        yield f"console scripts are missing in it: {', '.join(missing[:_MOST_NAMED])}{more}"
