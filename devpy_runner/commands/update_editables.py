"""Make the overlay if there is none, and install the editable packages that devpy.toml declares."""

from __future__ import annotations

import os

from devpy_pip_guard.config import problem_of

from ..messages import tell
from ..overlay.state import left_out_text
from ..overlay.sync import SyncOptions, bring_up_to_date
from . import current_worktree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def add_options(parser: ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--reinstall", action="store_true", help="install every package again")
    parser.add_argument(
        "--missing",
        choices=("error", "warn"),
        default="error",
        help="with `warn`, leave out declared packages that are not there, as long as they are not",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="show what build backends and pip print")


def execute(arguments: Namespace) -> int:
    """Bring the overlay up to date.

    :raises DevpyError: if that cannot be done; packages that were installed before are then as they were
    """
    root, config = current_worktree()
    options = SyncOptions(
        compiled=True,
        everything=arguments.reinstall,
        tidy=True,
        verbose=arguments.verbose,
        leaves_out_missing=arguments.missing == "warn",
    )
    plan = bring_up_to_date(config, root, os.environ, options)
    missing = [path for path in config.editables if problem_of(path)]
    for path in missing:
        tell(f"warning: {left_out_text(path)}")
    if not config.editables:
        print(f"No editable packages are declared in {config.file}")
    elif not plan.has_work:
        left_out = f"{len(missing)} left out, all others" if missing else "all"
        print(f"Nothing to do: {len(config.editables)} declared, {left_out} installed and up to date")
    return 0
