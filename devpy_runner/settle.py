"""Working out what running a command in a worktree needs to know, and making the overlay fit for it."""

from __future__ import annotations

import os
import sys

from devpy_pip_guard.config import FILE_NAME, load_repository
from devpy_pip_guard.errors import DevpyError
from devpy_virtualenv_plugin import record

from . import condarc, environment, run_record
from .conda_install import find_install
from .editables import BUILD_FILES
from .overlay import ABSENT, CURRENT, FOREIGN, INCOMPLETE, Overlay, examine
from .run_record import RunRecord, identity, state
from .worktree import find_other_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from devpy_pip_guard.config import Config


def settle(root: str, environ: Mapping[str, str], *, sync: bool) -> RunRecord:
    """Make sure of an overlay that can be used, and keep what was found out on the way for the next run.

    :param root: the worktree root, absolute
    :param environ: the caller's environment variables
    :param sync: whether to bring the overlay up to date if it is not
    :raises DevpyError: if there is no valid devpy.toml or no usable overlay
    """
    config = load_repository(os.path.join(root, FILE_NAME))
    overlay = _usable_overlay(config, root, environ, sync=sync)
    assert overlay.record is not None  # noqa: S101 - the overlay is complete
    found = _found(config, root, overlay.record.base, environ)
    warnings = [*_of_undeclared(overlay, config), *_of_pythonpath(config, root, environ)]
    for warning in warnings:
        _warn(warning)
    if overlay.state == CURRENT and not warnings and _is_traceable(found, environ):
        run_record.write(found, environ)  # else the next run comes here again
    return found


def _usable_overlay(config: Config, root: str, environ: Mapping[str, str], *, sync: bool) -> Overlay:
    overlay = examine(config)
    if overlay.state == CURRENT:
        return overlay
    if sync:
        from .sync import Wanted, bring_up_to_date

        bring_up_to_date(config, root, environ, Wanted())
        return examine(config)
    if overlay.state in (ABSENT, FOREIGN, INCOMPLETE):
        raise DevpyError(f"{config.venv}: {overlay.state} overlay", "devpy update-editables")
    _warn(f"{config.venv} is stale: {'; '.join(overlay.reasons)}\n  devpy update-editables")
    return overlay


def _found(config: Config, root: str, base: str, environ: Mapping[str, str]) -> RunRecord:
    """Return the answers together with the state of everything they were drawn from."""
    return RunRecord(
        root=root,
        config=config.file,
        venv=config.venv,
        base=base,
        variables=environment.variables(config, root, base),
        settings=condarc.read_settings(environ),
        callers={name: environ.get(name) for name in ("PYTHONPATH", *condarc.VARIABLES)},
        unchanged={path: state(path) for path in _files(config, base, environ)},
        same={path: identity(path) for path in (config.venv, *config.declared)},
    )


def _files(config: Config, base: str, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the files that the answers were drawn from, those of `overlay.examine` among them, there or not."""
    yield from (config.entry, config.file)
    yield from (os.path.join(config.venv, name) for name in (record.FILE_NAME, "pyvenv.cfg", "bin/python"))
    yield record.site_packages(config.venv) or config.venv
    yield from (os.path.join(base, "conda-meta", "history"), os.path.join(base, "bin"))
    yield from (os.path.join(path, name) for path in config.editables for name in BUILD_FILES)
    yield from condarc.sources(environ)


def _is_traceable(found: RunRecord, environ: Mapping[str, str]) -> bool:
    """Tell whether the answers come from nowhere else: a configured root prefix may hold any variable's value."""
    return found.settings.root_prefix == find_install(environ)


def _of_undeclared(overlay: Overlay, config: Config) -> Iterator[str]:
    for path in overlay.record.undeclared if overlay.record else ():
        yield f"{path}: an editable in {config.venv} that {config.file} does not declare\n  devpy update-editables"


def _of_pythonpath(config: Config, root: str, environ: Mapping[str, str]) -> Iterator[str]:
    """Name the entries of PYTHONPATH that put another worktree's code ahead of this one's."""
    for entry in filter(os.path.isdir, environ.get("PYTHONPATH", "").split(os.pathsep)):
        if any(_is_inside(entry, folder) for folder in (root, *config.editables)):
            continue
        other = find_other_root(os.path.realpath(entry), root, environ)
        if other is not None:
            yield f"PYTHONPATH: {entry} puts the code of {other} first\n  unset PYTHONPATH"


def _is_inside(path: str, folder: str) -> bool:
    return os.path.join(os.path.realpath(path), "").startswith(os.path.join(folder, ""))


def _warn(text: str) -> None:
    print(f"devpy: warning: {text}", file=sys.stderr)
