"""Running a command in the worktree's environment: the main path."""

from __future__ import annotations

import os

from devpy_pip_guard.config import FILE_NAME, load_repository
from devpy_pip_guard.errors import DevpyError

from . import environment
from .execution import caller_environ, execute
from .overlay import ABSENT, CURRENT, FOREIGN, INCOMPLETE, Overlay, examine
from .refusal import refuse_editable_install
from .worktree import find_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn

    from devpy_pip_guard.config import Config


def run(command: list[str], cwd: str | None, *, sync: bool) -> NoReturn:
    """Replace this process with a command in the worktree's environment.

    :param command: the command and its arguments
    :param cwd: where to run it, relative to the current folder; None for the worktree root
    :param sync: whether to bring the overlay up to date first
    :raises DevpyError: if there is no worktree, no valid devpy.toml or no usable overlay
    """
    environ = caller_environ()
    root = find_root(current_folder(), environ)
    config = load_repository(os.path.join(root, FILE_NAME))
    refuse_editable_install(command, config.file)
    folder = root if cwd is None else _folder_in(root, cwd, environ)
    base = _ready_overlay(config, root, environ, sync=sync)
    _warn_of_pythonpath(config, root, environ)
    env = environment.of(config, root, base, folder, environ)
    execute(command, env.activation, first_on_path=env.bin, additions=env.variables, cwd=env.cwd)


def current_folder() -> str:
    """Return the current folder, absolute.

    :raises DevpyError: if it has been removed
    """
    try:
        return os.getcwd()
    except FileNotFoundError:
        raise DevpyError("the current folder no longer exists", "cd to one that does") from None


def _ready_overlay(config: Config, root: str, environ: Mapping[str, str], *, sync: bool) -> str:
    """Make sure of an overlay that can be used, and return its base's prefix."""
    overlay = examine(config)
    if overlay.state == CURRENT:
        assert overlay.record is not None  # noqa: S101 - so says the state
        return _warn_of_undeclared(overlay, config)
    if not sync:
        return _without_sync(overlay, config)
    from .sync import Wanted, bring_up_to_date

    bring_up_to_date(config, root, environ, Wanted())
    return _warn_of_undeclared(examine(config), config)


def _without_sync(overlay: Overlay, config: Config) -> str:
    if overlay.state in (ABSENT, FOREIGN, INCOMPLETE) or overlay.record is None:
        raise DevpyError(f"{config.venv}: {overlay.state} overlay", "devpy update-editables")
    _warn(f"{config.venv} is stale: {'; '.join(overlay.reasons)}\n  devpy update-editables")
    return overlay.record.base


def _warn_of_undeclared(overlay: Overlay, config: Config) -> str:
    assert overlay.record is not None  # noqa: S101 - the overlay is complete
    for path in overlay.record.undeclared:
        _warn(f"{path}: an editable in {config.venv} that {config.file} does not declare\n  devpy update-editables")
    return overlay.record.base


def _warn_of_pythonpath(config: Config, root: str, environ: Mapping[str, str]) -> None:
    """Name the entries of PYTHONPATH that would put another worktree's code ahead of this one's."""
    for entry in filter(os.path.isdir, environ.get("PYTHONPATH", "").split(os.pathsep)):
        if any(_is_inside(entry, folder) for folder in (root, *config.editables)):
            continue
        other = _root_of_other_worktree(os.path.realpath(entry), root, environ)
        if other is not None:
            _warn(f"PYTHONPATH: {entry} puts the code of {other} first\n  unset PYTHONPATH")


def _warn(text: str) -> None:
    import sys

    print(f"devpy: warning: {text}", file=sys.stderr)


def _folder_in(root: str, cwd: str, environ: Mapping[str, str]) -> str:
    """Return the folder to run in, absolute; it may lie outside every worktree, but not in another one of devpy's."""
    folder = os.path.realpath(cwd)
    if not cwd or not os.path.isdir(folder):
        raise DevpyError(f"--cwd {cwd}: not a directory", "name an existing one")
    other = _root_of_other_worktree(folder, root, environ)
    if other is not None:
        raise DevpyError(f"--cwd {cwd}: in another worktree, {other}", f"cd {folder}, then run devpy there")
    return folder


def _root_of_other_worktree(folder: str, root: str, environ: Mapping[str, str]) -> str | None:
    """Return the worktree root of a folder if that is another one, and one with a devpy.toml."""
    try:
        other = find_root(folder, environ)
    except DevpyError:
        return None
    return other if other != root and os.path.exists(os.path.join(other, FILE_NAME)) else None


def _is_inside(path: str, folder: str) -> bool:
    return os.path.join(os.path.realpath(path), "").startswith(os.path.join(folder, ""))
