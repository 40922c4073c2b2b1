"""Whether there is a valid devpy.toml, and everything that it declares."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from devpy_pip_guard.config import check_editables, read_toml

from ...overlay.state import left_out, left_out_text
from ...plugin import OK, WARNING, Verdict, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..setup import WorktreeSetup


_MEND = "correct or remove the path, or switch to a branch that has it"


@hookimpl
def devpy_check(setup: WorktreeSetup) -> Iterator[Verdict]:
    """See `hooks.devpy_check`; what is wrong is told by the reader of the file."""
    config = setup.load_config()
    recorded = setup.overlay.record
    missing = left_out(config, recorded) if recorded is not None else []
    for path in missing:
        yield Verdict("config", WARNING, left_out_text(path), _MEND)
    check_editables(config._replace(editables=[path for path in config.editables if path not in missing]))
    for file in [os.path.join(path, "pyproject.toml") for path in config.editables]:
        if os.path.isfile(file):
            read_toml(file)  # a package whose own is broken cannot be built
    through = f", which extends the stack {config.file}" if config.file != config.entry else ""
    count = len(config.editables)
    if not missing:
        yield Verdict("config", OK, f"{config.entry}{through}: {count} package{'' if count == 1 else 's'} declared")
