"""The state of the overlay."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..hookspecs import hookimpl
from ..overlay import ABSENT, CURRENT, STALE, refuse_foreign
from .verdicts import FAILED, OK, WARNING, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .found import Setup

_MEND = "devpy update-editables"


@hookimpl
def devpy_check(setup: Setup) -> Iterator[Verdict]:
    """See `hookspecs.devpy_check`; a stale overlay is a warning, since the next command brings it up to date."""
    overlay, venv = setup.overlay, setup.config.venv
    refuse_foreign(overlay, setup.config)
    if overlay.state == CURRENT and overlay.record is not None:
        yield Verdict("overlay", OK, f"{venv}: current, on {overlay.record.base}")
    elif overlay.state == ABSENT:
        yield Verdict("overlay", FAILED, f"{venv}: there is none yet", _MEND)
    else:
        works = overlay.state == STALE and os.path.exists(os.path.join(venv, "bin", "python"))
        reasons = "; ".join(overlay.reasons)
        yield Verdict("overlay", WARNING if works else FAILED, f"{venv}: {overlay.state}: {reasons}", _MEND)
