"""The hooks that plugins of devpy can implement, and the markers to do it with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .conda import Base

PROJECT = "devpy"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec(firstresult=True)
def devpy_find_base(name: str, environ: Mapping[str, str]) -> Base | None:
    """Find the conda environment that devpy.toml names.

    It fires for `update-editables`, and when an overlay is to be brought up to date; never for a command whose overlay
    is current. The first plugin that answers wins; the one that looks where conda would comes last.

    A plugin is a module that an entry point of the group `devpy` names. One for a team's own place::

        import os

        from devpy_runner.conda import Base
        from devpy_runner.hookspecs import hookimpl


        @hookimpl
        def devpy_find_base(name, environ):
            prefix = os.path.join("/srv/environments", name)
            return Base(name, prefix) if os.path.isdir(prefix) else None

    :param name: `python.base_conda_env` of devpy.toml: a name, or an absolute path
    :param environ: the caller's environment variables
    :return: the environment, its prefix absolute, or None to leave the search to the others
    :raises devpy_pip_guard.errors.DevpyError: to end the search with a message for the user
    """
