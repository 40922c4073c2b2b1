"""Remove this worktree's overlay, if devpy made it, and what devpy remembers of runs in the worktree."""

from __future__ import annotations

import os
from errno import EBUSY

from devpy_pip_guard.errors import DevpyError

from ..overlay.state import ABSENT, examine, refuse_foreign, remove
from ..records import run_record
from . import current_worktree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import SimpleNamespace

    from . import Options

OPTIONS: Options = {"--shared": {"action": "store_true", "help": "remove an overlay that several repositories share"}}


def execute(arguments: SimpleNamespace) -> int:
    """Remove the overlay.

    :raises DevpyError: if devpy did not make it, or if it is shared and that was not said
    """
    root, config = current_worktree()
    overlay = examine(config)
    refuse_foreign(overlay, config)
    is_there = overlay.state != ABSENT
    if (is_there or _has_leftovers(config.venv)) and config.is_stack and not arguments.shared:
        raise DevpyError(
            f"{config.venv} is shared by the repositories that extend {config.file}", "devpy clean --shared"
        )
    run_record.forget(root, os.environ)
    if is_there or _has_leftovers(config.venv):
        _remove(config.venv)
    print(f"Removed {config.venv}" if is_there else f"Already clean: {config.venv}")
    return 0


def _remove(venv: str) -> None:
    try:
        remove(venv)
    except OSError as error:
        if error.errno != EBUSY or os.listdir(venv):  # a mount point, which stays, empty
            raise


def _has_leftovers(venv: str) -> bool:
    """Tell whether a crash at the very start has left something; an empty folder may be anyone's."""
    return os.path.isdir(venv) and bool(os.listdir(venv))
