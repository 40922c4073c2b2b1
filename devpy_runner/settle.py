"""Working out what running a command in a worktree needs to know, and making the overlay fit for it."""

from __future__ import annotations

import os

from devpy_pip_guard.config import FILE_NAME, load_repository
from devpy_pip_guard.errors import DevpyError
from devpy_pip_guard.files import is_dir, real_path
from devpy_virtualenv_plugin.layout import site_packages

from .activate import environment
from .base import condarc
from .messages import tell
from .overlay.editables import installed
from .overlay.state import ABSENT, CURRENT, INCOMPLETE, Overlay, examine, refuse_foreign
from .records import run_record, start_record
from .records.observations import observed
from .records.run_record import RunRecord
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
    with observed(environ) as observations:
        noted = observations.environ
        config = load_repository(os.path.join(root, FILE_NAME))
        overlay = _usable_overlay(config, root, environ, _where_name_leads(config, noted), sync=sync)
        if overlay.record is None:
            raise DevpyError(f"{config.venv} has been removed meanwhile", "try again")
        base, python = overlay.record.base, overlay.record.python
        settings = condarc.read_settings(noted)
        has_current_start_record = start_record.refresh(config, base, noted)
        warnings = [
            *_of_undeclared(config, python),
            *_of_other_worktrees(config, root, noted),
            *_of_pythonpath(config, root, noted, folder),
        ]
    for warning in warnings:
        _warn(warning)
    variables = environment.variables(config, root, base)
    found = RunRecord(root, config.file, config.venv, base, variables, settings, observations.evidence())
    is_usual = folder == root or not environ.get("PYTHONPATH")  # whose relative entries start from the folder
    if overlay.state == CURRENT and has_current_start_record and is_usual and not warnings:
        run_record.write(found, environ)  # else the next run comes here again
    return found


def _where_name_leads(config: Config, environ: Mapping[str, str]) -> str | None:
    """Return the prefix of the base that devpy.toml names; None if there is none now."""
    from .plugin.manager import find_base

    try:
        return find_base(config.base, environ).prefix
    except DevpyError:
        return None


def _usable_overlay(
    config: Config, root: str, environ: Mapping[str, str], prefix: str | None, *, sync: bool
) -> Overlay:
    """Return the overlay, brought up to date if that is allowed.

    :param prefix: that of the base, None to trust the one found when the overlay was made
    """
    overlay = examine(config, prefix)
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


def _of_undeclared(config: Config, python: str) -> Iterator[str]:
    there = installed(site_packages(config.venv, python))
    for path in sorted({editable.path for editable in there}.difference(config.editables)):
        yield f"{path}: an editable in {config.venv} that {config.file} does not declare\n  devpy update-editables"


def _of_other_worktrees(config: Config, root: str, environ: Mapping[str, str]) -> Iterator[str]:
    """Name the declared packages whose code is that of another worktree of this repository."""
    for path in config.editables:
        other = None if is_inside(real_path(path), root) else find_other_root(path, root, environ)
        if other is not None and is_same_repository(root, other):
            mend = f"declare this worktree's own in {config.file}, or run devpy in {other}"
            yield f"{path} is the code of another worktree, {other}\n  {mend}"


def _of_pythonpath(config: Config, root: str, environ: Mapping[str, str], folder: str) -> Iterator[str]:
    """Name the entries of PYTHONPATH that put another worktree's code ahead of this one's."""
    for entry in filter(None, environ.get("PYTHONPATH", "").split(os.pathsep)):
        path = real_path(os.path.join(folder, entry))
        if not is_dir(path) or any(is_inside(path, own) for own in (root, *config.editables)):
            continue
        other = find_other_root(path, root, environ)
        if other is not None and is_managed_elsewhere(other, root):
            yield f"PYTHONPATH: {entry} puts the code of {other} first\n  unset PYTHONPATH"


def _warn(text: str) -> None:
    tell(f"warning: {text}")
