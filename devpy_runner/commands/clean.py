"""Remove this worktree's overlay, if devpy made it."""

from __future__ import annotations

import os

from devpy_pip_guard.errors import DevpyError

from ..overlay import ABSENT, examine, refuse_foreign, remove
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
    _, config = current_worktree()
    overlay = examine(config)
    if overlay.state == ABSENT:
        if os.path.isdir(config.venv):  # empty, or with what a crash at the very start has left
            remove(config.venv)
        print(f"Already clean: {config.venv}")
        return 0
    refuse_foreign(overlay, config)
    if config.is_stack and not arguments.shared:
        raise DevpyError(
            f"{config.venv} is shared by the repositories that extend {config.file}", "devpy clean --shared"
        )
    remove(config.venv)
    print(f"Removed {config.venv}")
    return 0
