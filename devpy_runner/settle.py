"""Working out what running a command in a worktree needs to know, and making the overlay fit for it."""

from __future__ import annotations

import os

from devpy_pip_guard.config import FILE_NAME, load_repository
from devpy_pip_guard.errors import DevpyError
from devpy_virtualenv_plugin import record
from devpy_virtualenv_plugin.layout import site_packages

from .activate import environment
from .base import condarc, lookup
from .base.installations import find_install
from .messages import tell
from .overlay.editables import files_to_watch, installed
from .overlay.state import ABSENT, CURRENT, INCOMPLETE, Overlay, examine, parts, refuse_foreign
from .records import run_record, start_record
from .records.run_record import RunRecord, identity, state
from .worktree import find_other_root, is_inside, is_managed_elsewhere, is_same_repository

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from devpy_pip_guard.config import Config


def settle(root: str, environ: Mapping[str, str], folder: str, *, sync: bool) -> RunRecord:
    """Make sure of an overlay that can be used, and keep what was found out on the way for the next run.

    :param root: the worktree root, absolute
    :param environ: the caller's environment variables
    :param folder: where the command is to run, absolute
    :param sync: whether to bring the overlay up to date if it is not
    :raises DevpyError: if there is no valid devpy.toml or no usable overlay
    """
    config = load_repository(os.path.join(root, FILE_NAME))
    overlay = _usable_overlay(config, root, environ, sync=sync)
    if overlay.record is None:
        raise DevpyError(f"{config.venv} has been removed meanwhile", "try again")
    base, python = overlay.record.base, overlay.record.python
    found = _found(config, root, base, python, environ)
    start_record.refresh(config, found.base, found.settings, environ)
    warnings = [
        *_of_undeclared(config, python),
        *_of_other_worktrees(config, root, environ),
        *_of_pythonpath(config, root, environ, folder),
    ]
    for warning in warnings:
        _warn(warning)
    if overlay.state == CURRENT and not warnings and _is_traceable(found, environ):
        run_record.write(found, environ)  # else the next run comes here again
    return found


def _usable_overlay(config: Config, root: str, environ: Mapping[str, str], *, sync: bool) -> Overlay:
    overlay = examine(config, _where_name_leads(config, environ))
    if overlay.state == CURRENT:
        return overlay
    if sync:
        from .overlay.sync import Wanted, bring_up_to_date

        bring_up_to_date(config, root, environ, Wanted())
        return examine(config)
    refuse_foreign(overlay, config)
    if overlay.state in (ABSENT, INCOMPLETE) or not os.path.exists(os.path.join(config.venv, "bin", "python")):
        raise DevpyError(f"{config.venv}: {overlay.state} overlay", "devpy update-editables")
    _warn(f"{config.venv} is stale: {'; '.join(overlay.reasons)}\n  devpy update-editables")
    return overlay


def _where_name_leads(config: Config, environ: Mapping[str, str]) -> str | None:
    """Return the prefix that conda would take now; None if it would find none, which is for a plugin to decide."""
    try:
        return lookup.find_base(config.base, environ).prefix
    except DevpyError:
        return None


def _found(config: Config, root: str, base: str, python: str, environ: Mapping[str, str]) -> RunRecord:
    """Return the answers together with the state of everything they were drawn from."""
    settings = condarc.read_settings(environ)
    named = [] if "/" in config.base else [os.path.join(folder, config.base) for folder in settings.envs_dirs]
    # Of a package that is declared by its real path, the build files tell whether it is the same folder.
    through_symlinks = [path for path, real in zip(config.declared, config.editables) if path != real]
    return RunRecord(
        root=root,
        config=config.file,
        venv=config.venv,
        base=base,
        variables=environment.variables(config, root, base),
        settings=settings,
        callers={name: environ.get(name) for name in ("PYTHONPATH", *condarc.VARIABLES)},
        unchanged={path: state(path) for path in _files(config, base, python, environ)},
        same={path: identity(path) for path in (config.venv, *through_symlinks, *named)},
    )


def _files(config: Config, base: str, python: str, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the files that the answers were drawn from, those of `overlay.examine` among them, there or not."""
    yield from (config.entry, config.file)
    yield from (os.path.join(config.venv, name) for name in (record.FILE_NAME, os.path.join("bin", "python")))
    yield from parts(config.venv, python)
    folder = site_packages(config.venv, python)
    yield from (folder, *(os.path.join(folder, name) for name in record.PATH_FILES))
    yield from (os.path.join(base, "conda-meta", "history"), os.path.join(base, "bin"))
    yield from (file for path in config.editables for file in files_to_watch(path))
    yield from start_record.sources(base)
    yield from condarc.sources(environ)


def _is_traceable(found: RunRecord, environ: Mapping[str, str]) -> bool:
    """Tell whether the answers come from nowhere else: a configured root prefix may hold any variable's value."""
    return found.settings.root_prefix == find_install(environ)


def _of_undeclared(config: Config, python: str) -> Iterator[str]:
    there = installed(site_packages(config.venv, python))
    for path in sorted({editable.path for editable in there}.difference(config.editables)):
        yield f"{path}: an editable in {config.venv} that {config.file} does not declare\n  devpy update-editables"


def _of_other_worktrees(config: Config, root: str, environ: Mapping[str, str]) -> Iterator[str]:
    """Name the declared packages whose code is that of another worktree of this repository."""
    for path in config.editables:
        other = None if is_inside(os.path.realpath(path), root) else find_other_root(path, root, environ)
        if other is not None and is_same_repository(root, other):
            mend = f"declare this worktree's own in {config.file}, or run devpy in {other}"
            yield f"{path} is the code of another worktree, {other}\n  {mend}"


def _of_pythonpath(config: Config, root: str, environ: Mapping[str, str], folder: str) -> Iterator[str]:
    """Name the entries of PYTHONPATH that put another worktree's code ahead of this one's."""
    for entry in filter(None, environ.get("PYTHONPATH", "").split(os.pathsep)):
        path = os.path.realpath(os.path.join(folder, entry))
        if not os.path.isdir(path) or any(is_inside(os.path.realpath(path), own) for own in (root, *config.editables)):
            continue
        other = find_other_root(path, root, environ)
        if other is not None and is_managed_elsewhere(other, root):
            yield f"PYTHONPATH: {entry} puts the code of {other} first\n  unset PYTHONPATH"


def _warn(text: str) -> None:
    tell(f"warning: {text}")
