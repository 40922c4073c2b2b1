"""Whether there are editables in the overlay that devpy.toml does not declare."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...overlay.editables import undeclared
from ...plugin import OK, WARNING, Verdict, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..setup import WorktreeSetup


@hookimpl
def devpy_check(setup: WorktreeSetup) -> Iterator[Verdict]:
    """See `hooks.devpy_check`."""
    config = setup.config
    paths = undeclared(setup.site_packages, config.editables)
    for path in paths:
        text = f"{path}: an editable in {config.venv} that {config.file} does not declare"
        yield Verdict("undeclared", WARNING, text, "declare it, or have it removed: devpy update-editables")
    if not paths:
        yield Verdict("undeclared", OK, f"no other editables in {config.venv}")
