"""Make the overlay if there is none, and install the editable packages that devpy.toml declares."""

from __future__ import annotations

import os

from ..overlay.sync import Wanted, bring_up_to_date
from . import current_worktree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import SimpleNamespace

    from . import Options

OPTIONS: Options = {
    "--reinstall": {"action": "store_true", "help": "install every package again"},
    "-v --verbose": {"action": "store_true", "help": "show what pip prints"},
}


def execute(arguments: SimpleNamespace) -> int:
    """Bring the overlay up to date.

    :raises DevpyError: if that cannot be done; packages that were installed before are then as they were
    """
    root, config = current_worktree()
    wanted = Wanted(compiled=True, everything=arguments.reinstall, tidy=True, verbose=arguments.verbose)
    done = bring_up_to_date(config, root, os.environ, wanted)
    if not config.editables:
        print(f"No editable packages are declared in {config.file}")
    elif not done.has_work:
        print(f"Nothing to do: {len(config.editables)} declared, all installed and up to date")
    return 0
