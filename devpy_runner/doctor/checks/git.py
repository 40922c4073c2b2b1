"""Whether git leaves the overlay alone."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from ...overlay.state import ABSENT, FOREIGN
from ...plugin import FAILED, OK, WARNING, Skipped, Verdict, hookimpl
from ...worktree import is_inside

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..setup import WorktreeSetup


@hookimpl
def devpy_check(setup: WorktreeSetup) -> Iterator[Verdict]:
    """See `hooks.devpy_check`; an overlay tells git to ignore it, so what counts is what git says."""
    venv = setup.config.venv
    if setup.overlay.state in (ABSENT, FOREIGN):  # what git has there, if anything, is the user's own
        raise Skipped(setup.missing)
    if not is_inside(venv, setup.root):
        yield Verdict("git", OK, f"{venv} lies outside this worktree")
        return
    tracked = setup.git("ls-files", "--", venv)
    if tracked.code != 0:
        raise Skipped(tracked.failure)
    count = len(tracked.out.splitlines())
    if count:
        text = f"{venv} is tracked by git: {count} file{'' if count == 1 else 's'}"
        yield Verdict("git", FAILED, text, f"git rm -r --cached --quiet {shlex.quote(venv)}, and commit that")
    elif setup.git("check-ignore", "--quiet", os.path.join(venv, "pyvenv.cfg")).code != 0:
        ignore = shlex.quote(os.path.join(venv, ".gitignore"))
        yield Verdict("git", WARNING, f"{venv} is not ignored by git", f"echo '*' > {ignore}")
    else:
        yield Verdict("git", OK, f"{venv} is ignored")
