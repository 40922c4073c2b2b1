"""The environment of everything that devpy starts: the base activated, the overlay first."""

from __future__ import annotations

import os
from typing import NamedTuple

from devpy_virtualenv_plugin.record import is_marked

from .activation import Activation, activate
from .condarc import read_settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from devpy_pip_guard.config import Config


class Environment(NamedTuple):
    """What a command gets to see."""

    activation: Activation
    """The base's activation."""
    bin: str
    """The overlay's `bin`, absolute, first on PATH."""
    variables: dict[str, str]
    """Variables that are set after the activation."""
    cwd: str
    """Where the command runs, absolute."""

    def prepare(self, command: list[str], extra: Mapping[str, str] | None = None) -> tuple[list[str], dict[str, str]]:
        """Return argv and environment variables to start a command with.

        :param command: the command and its arguments
        :param extra: more variables for this command alone
        """
        from .execution import prepare

        additions = {**self.variables, **(extra or {})}
        return prepare(command, self.activation, first_on_path=self.bin, additions=additions, cwd=self.cwd)


def of(config: Config, root: str, base: str, cwd: str, environ: Mapping[str, str]) -> Environment:
    """Return the environment of commands in a worktree.

    :param config: from devpy.toml
    :param root: the worktree root, absolute
    :param base: the prefix of the conda environment, absolute
    :param cwd: where the command is to run, absolute
    :param environ: the caller's environment variables
    :raises DevpyError: if conda's configuration, or what the environment sets, is broken
    """
    return Environment(
        activation=activate(_without_overlay(environ), base, read_settings(environ)),
        bin=os.path.join(config.venv, "bin"),
        variables={
            "VIRTUAL_ENV": config.venv,
            "PYTHONNOUSERSITE": "1",
            "PIP_REQUIRE_VIRTUALENV": "1",
            **_declared_variables(config, root, base),
        },
        cwd=cwd,
    )


def _without_overlay(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the caller's variables without what would let another environment in.

    PYTHONHOME would send the overlay's Python to another standard library, as in any virtual environment. A command
    that runs in one worktree's overlay may call devpy in another one, where the first one's programs have no place.
    """
    callers = {name: value for name, value in environ.items() if name != "PYTHONHOME"}
    active = environ.get("VIRTUAL_ENV", "")
    if active and is_marked(active):
        programs = os.path.join(active, "bin")
        entries = callers.get("PATH", os.defpath).split(os.pathsep)
        callers["PATH"] = os.pathsep.join(entry for entry in entries if entry != programs)
    return callers


def _declared_variables(config: Config, root: str, base: str) -> dict[str, str]:
    """Return what [env] sets, with the placeholders replaced, each once and never in what replaced another."""
    import re

    places = {"{root}": root, "{venv}": config.venv, "{base}": base}
    return {
        name: re.sub(r"\{(?:root|venv|base)\}", lambda match: places[match.group()], value)
        for name, value in config.env.items()
    }
