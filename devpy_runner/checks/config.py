"""Whether there is a valid devpy.toml, and everything that it declares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devpy_pip_guard.config import check_editables

from ..hookspecs import hookimpl
from .verdicts import OK, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .found import Setup


@hookimpl
def devpy_check(setup: Setup) -> Iterator[Verdict]:
    """See `hookspecs.devpy_check`; what is wrong is told by the reader of devpy.toml."""
    config = setup.load_config()
    check_editables(config)
    through = f", which extends the stack {config.file}" if config.file != config.entry else ""
    count = len(config.editables)
    yield Verdict("config", OK, f"{config.entry}{through}: {count} package{'' if count == 1 else 's'} declared")
