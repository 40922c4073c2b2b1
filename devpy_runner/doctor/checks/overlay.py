"""The state of the overlay."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from devpy_pip_guard.errors import DevpyError

from ...overlay.editables import old_binaries
from ...overlay.state import ABSENT, CURRENT, STALE, refuse_foreign
from ...plugin import FAILED, OK, WARNING, Verdict, hookimpl
from ..setup import BEING_CHANGED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..setup import WorktreeSetup


@hookimpl
def devpy_check(setup: WorktreeSetup) -> Iterator[Verdict]:
    """See `hooks.devpy_check`; a stale overlay is only a warning: the next command brings it up to date."""
    overlay, venv = setup.overlay, setup.config.venv
    refuse_foreign(overlay, setup.config)
    if overlay.state == CURRENT and overlay.record is not None:
        old = list(old_binaries(setup.config, overlay.record))
        for path, source in old:
            text = f"{path}: its compiled parts are older than {source}"
            yield Verdict("overlay", WARNING, text, "devpy update-editables")
        if not old:
            yield Verdict("overlay", OK, f"{venv}: current, on {overlay.record.base}")
        return
    works = overlay.state == STALE and os.path.exists(os.path.join(venv, "bin", "python"))
    state = WARNING if works else FAILED
    if setup.is_being_changed:
        yield Verdict("overlay", state, f"{venv}: {BEING_CHANGED}", "once it has finished: devpy doctor")
    elif overlay.state == ABSENT:
        yield Verdict("overlay", state, f"{venv}: there is none yet", _mend(setup))
    else:
        yield Verdict("overlay", state, f"{venv}: {overlay.state}: {'; '.join(overlay.reasons)}", _mend(setup))


def _mend(setup: WorktreeSetup) -> str:
    try:
        is_fit = bool(setup.ask_base().pip) or not setup.config.editables
    except DevpyError:
        is_fit = False
    return "devpy update-editables" if is_fit else "mend the base first, then: devpy update-editables"
