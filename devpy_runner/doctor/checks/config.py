"""Whether there is a valid devpy.toml, and everything that it declares."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from devpy_pip_guard.config import check_editables, read_toml

from ...plugin import OK, Verdict, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..setup import WorktreeSetup


@hookimpl
def devpy_check(setup: WorktreeSetup) -> Iterator[Verdict]:
    """See `hooks.devpy_check`; what is wrong is told by the reader of the file."""
    config = setup.load_config()
    check_editables(config)
    for file in [os.path.join(path, "pyproject.toml") for path in config.editables]:
        if os.path.isfile(file):
            read_toml(file)  # a package whose own is broken cannot be built
    through = f", which extends the stack {config.file}" if config.file != config.entry else ""
    count = len(config.editables)
    yield Verdict("config", OK, f"{config.entry}{through}: {count} package{'' if count == 1 else 's'} declared")
