"""The hooks that plugins of devpy can implement, and the markers to do it with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..base.lookup import Base
    from .setup import Setup
    from .verdicts import Verdict

PROJECT = "devpy"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec(firstresult=True)
def devpy_find_base(name: str, environ: Mapping[str, str]) -> Base | None:
    """Find the conda environment that devpy.toml names.

    It fires for `update-editables`, and for a command unless what the last one has found out still holds: devpy notices
    a change of variables that it has looked up and of files that devpy itself has looked at, not of other files. The
    first plugin that answers wins. The built-in one, which looks where conda would, comes last.

    A plugin is a module that an entry point of the group `devpy` names. One for a team's own place::

        import os

        from devpy_runner.plugin import Base, hookimpl


        @hookimpl
        def devpy_find_base(name, environ):
            prefix = os.path.join("/srv/environments", name)
            return Base(name, prefix) if os.path.isdir(prefix) else None

    :param name: `python.base_conda_env` of devpy.toml: a name, or an absolute path
    :param environ: the caller's environment variables
    :return: the environment, its prefix absolute, or None to leave the search to the next plugin
    :raises DevpyError: to end the search with a message for the user
    """


@hookspec
def devpy_check(setup: Setup) -> Iterable[Verdict] | None:
    """Check something for `devpy doctor`, which asks every plugin, devpy's own checks first.

    One that sees to it that the worktree has its data::

        import os

        from devpy_runner.plugin import FAILED, OK, Verdict, hookimpl


        @hookimpl
        def devpy_check(setup):
            path = os.path.join(setup.root, "data")
            if os.path.isdir(path):
                yield Verdict("data", OK, path)
            else:
                yield Verdict("data", FAILED, f"{path} is missing", "dvc pull")

    A check changes nothing. If it raises `Skipped`, as the missing parts of `setup` do, devpy shows it as skipped. If
    it raises `DevpyError`, devpy shows it as failed, with that message. Any other exception, and anything yielded that
    is no `Verdict`, counts as a failure of the plugin, which devpy names.

    :param setup: what to look at: the worktree root, the caller's variables, devpy.toml, the base, the overlay and what
        its interpreter says of itself
    :return: what was found, in any number of verdicts; None for nothing to say
    """
