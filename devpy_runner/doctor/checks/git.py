"""Whether git leaves the overlay alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from devpy_pip_guard import is_inside
from devpy_virtualenv_plugin.mends import command

from ...overlay.state import ABSENT, FOREIGN
from ...plugin import FAILED, OK, WARNING, Skipped, Verdict, hookimpl

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
        untrack = command("git", "rm", "-r", "--cached", "--quiet", venv)
        yield Verdict("git", FAILED, text, f"{untrack}, and commit that")
    elif setup.git("check-ignore", "--quiet", os.path.join(venv, "pyvenv.cfg")).code != 0:
        ignore = f"{command('echo', '*')} > {command(os.path.join(venv, '.gitignore'))}"
        yield Verdict("git", WARNING, f"{venv} is not ignored by git", ignore)
    else:
        yield Verdict("git", OK, f"{venv} is ignored")
