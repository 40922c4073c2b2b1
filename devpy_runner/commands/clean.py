"""Remove this worktree's overlay, if devpy made it, and what devpy remembers of runs in the worktree."""

from __future__ import annotations

import os
from errno import EBUSY

from devpy_pip_guard.errors import DevpyError

from ..overlay.removal import remove
from ..overlay.state import ABSENT, examine, refuse_foreign
from ..records import run_cache
from . import current_worktree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def add_options(parser: ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--shared", action="store_true", help="remove an overlay that several repositories share")


def execute(arguments: Namespace) -> int:
    """Remove the overlay.

    :raises DevpyError: if devpy did not make it, or if it is shared and `--shared` was not given
    """
    root, config = current_worktree()
    overlay = examine(config)
    refuse_foreign(overlay, config)
    is_there = overlay.state != ABSENT
    if (is_there or _has_leftovers(config.venv)) and config.is_stack and not arguments.shared:
        raise DevpyError(
            f"{config.venv} is shared by the repositories that extend {config.file}", "devpy clean --shared"
        )
    run_cache.forget(root, os.environ)
    if is_there or _has_leftovers(config.venv):
        _remove(config.venv)
    print(f"Removed {config.venv}" if is_there else f"Already clean: {config.venv}")
    return 0


def _remove(venv: str) -> None:
    try:
        remove(venv)
    except OSError as error:
        if error.errno != EBUSY or os.listdir(venv):  # it is a mount point, which stays as an empty folder
            raise


def _has_leftovers(venv: str) -> bool:
    """Tell whether a crash at the very start has left files; an empty folder may be the user's."""
    return os.path.isdir(venv) and bool(os.listdir(venv))
