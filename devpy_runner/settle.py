"""Making the overlay usable, and working out what running a command needs to know, where the run cache cannot tell."""

from __future__ import annotations

import os

from devpy_pip_guard import is_inside, sibling_editables, worktrees
from devpy_pip_guard.config import FILE_NAME, load_repository
from devpy_pip_guard.errors import DevpyError
from devpy_pip_guard.files import is_dir, real_path
from devpy_virtualenv_plugin.layout import site_packages

from .activate.environment import overlay_variables
from .base import condarc
from .messages import tell
from .overlay.editables import old_binaries, undeclared
from .overlay.state import (
    ABSENT,
    CURRENT,
    INCOMPLETE,
    Overlay,
    examine,
    falls_through,
    left_out,
    left_out_text,
    refuse_foreign,
)
from .records import run_cache, start_variables
from .records.observations import observed
from .records.run_cache import RunCache
from .worktree import find_other_worktree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from devpy_pip_guard.config import Config
    from devpy_virtualenv_plugin.record import Record


def settle(root: str, environ: Mapping[str, str], folder: str, *, sync: bool) -> RunCache:
    """Make the overlay usable, and return what a command needs to know; it is cached for the next run.

    :param root: the worktree root, absolute
    :param environ: the caller's environment variables
    :param folder: where the command is to run, absolute
    :param sync: whether to bring the overlay up to date if it is not
    :raises DevpyError: if there is no valid devpy.toml or no usable overlay
    """
    with observed(environ) as observations:
        observed_environ = observations.environ
        config = load_repository(os.path.join(root, FILE_NAME))
        overlay = _usable_overlay(config, root, environ, _base_prefix(config, observed_environ), sync=sync)
        if overlay.record is None:
            raise DevpyError(f"{config.venv} has been removed meanwhile", "try again")
        base, python = overlay.record.base, overlay.record.python
        settings = condarc.read_settings(observed_environ)
        ignored = list(map(str, condarc.ignored(observed_environ)))
        has_current_start_variables = start_variables.refresh(config, base, observed_environ)
        own_roots = worktrees.own_roots(root)
        warnings = [
            *_undeclared_warnings(config, python),
            *_other_worktree_warnings(config, own_roots),
            *_missing_warnings(config, overlay.record),
            *_old_binary_warnings(config, overlay.record),
            *_base_editable_warnings(config, overlay.record, own_roots),
            *_pythonpath_warnings(config, root, own_roots, observed_environ, folder),
        ]
    for warning in (*warnings, *ignored):  # as long as nothing changes, the latter are told once
        _warn(warning)
    variables = overlay_variables(config, root, base)
    cache = RunCache(root, config.file, config.venv, base, variables, settings, observations.evidence())
    is_lasting = overlay.state == CURRENT and has_current_start_variables and not warnings
    if is_lasting and run_cache.serves(root, folder, environ):
        run_cache.write(cache, environ)  # otherwise the next run has to come here again
    return cache


def _base_prefix(config: Config, environ: Mapping[str, str]) -> str | None:
    """Return the prefix of the base that devpy.toml names; None if it cannot be found now."""
    from .plugin.manager import find_base

    try:
        return find_base(config.base, environ).prefix
    except DevpyError:
        return None


def _usable_overlay(
    config: Config, root: str, environ: Mapping[str, str], prefix: str | None, *, sync: bool
) -> Overlay:
    """Return the overlay, brought up to date if `sync` allows it.

    :param prefix: that of the base; None to trust the one that was found when the overlay was made
    :raises DevpyError: if no command can use the overlay
    """
    overlay = examine(config, prefix)
    if overlay.state == CURRENT:
        return overlay
    if sync:
        from .overlay.sync import SyncOptions, bring_up_to_date

        bring_up_to_date(config, root, environ, SyncOptions())
        return examine(config)
    refuse_foreign(overlay, config)
    if overlay.state in (ABSENT, INCOMPLETE) or not os.path.exists(os.path.join(config.venv, "bin", "python")):
        raise DevpyError(f"{config.venv}: {overlay.state} overlay", "devpy update-editables")
    if overlay.record is not None and falls_through(config.venv, overlay.record):
        problem = f"{config.venv}: its console scripts would be the base's: {'; '.join(overlay.reasons)}"
        raise DevpyError(problem, "devpy update-editables")
    _warn(f"{config.venv} is stale: {'; '.join(overlay.reasons)}\n  devpy update-editables")
    return overlay


def _undeclared_warnings(config: Config, python: str) -> Iterator[str]:
    """Yield a warning for each editable in the overlay that devpy.toml does not declare."""
    for path in undeclared(site_packages(config.venv, python), config.editables):
        yield f"{path}: an editable in {config.venv} that {config.file} does not declare\n  devpy update-editables"


def _missing_warnings(config: Config, recorded: Record) -> Iterator[str]:
    """Yield a warning for each declared package that the user has had left out."""
    for path in left_out(config, recorded):
        yield left_out_text(path)


def _old_binary_warnings(config: Config, recorded: Record) -> Iterator[str]:
    """Yield a warning for each declared package whose sources are not what its compiled parts were built from."""
    for path, source in old_binaries(config, recorded):
        yield f"{path}: its compiled parts are older than {source}\n  devpy update-editables"


def _other_worktree_warnings(config: Config, own_roots: list[str]) -> Iterator[str]:
    """Yield a warning for each declared package whose code is that of another worktree of this repository."""
    for path in config.editables:
        pair = worktrees.find_sibling(path, own_roots)
        if pair is not None:
            mend = f"declare this worktree's own in {config.file}, or run devpy in {pair[1]}"
            yield f"{path} is the code of another worktree, {pair[1]}\n  {mend}"


def _base_editable_warnings(config: Config, recorded: Record, own_roots: list[str]) -> Iterator[str]:
    """Yield a warning for each editable in the base that is another worktree's, and not declared here."""
    base, overlay = (site_packages(prefix, recorded.python) for prefix in (recorded.base, config.venv))
    of_stack = worktrees.own_roots_around(config.editables) if config.is_stack else []
    for editable in sibling_editables.find(base, overlay, config.editables, [*own_roots, *of_stack]):
        yield str(sibling_editables.describe(editable, recorded.base, config.file))


def _pythonpath_warnings(
    config: Config, root: str, own_roots: list[str], environ: Mapping[str, str], folder: str
) -> Iterator[str]:
    """Yield a warning for each entry of PYTHONPATH that puts another worktree's code ahead of this one's."""
    for entry in filter(None, environ.get("PYTHONPATH", "").split(os.pathsep)):
        path = real_path(os.path.join(folder, entry))
        is_own = is_inside(path, root) and worktrees.find_sibling(path, own_roots) is None
        if not is_dir(path) or is_own or any(is_inside(path, code) for code in config.editables):
            continue
        other_root = find_other_worktree(path, root, environ)
        if other_root is not None:
            yield f"PYTHONPATH: {entry} puts the code of {other_root} first\n  unset PYTHONPATH"


def _warn(text: str) -> None:
    tell(f"warning: {text}")
