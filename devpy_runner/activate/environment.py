"""The environment of everything that devpy starts: the base activated, the overlay first."""

from __future__ import annotations

import os

from .activation import Activation, CondaSettings, activate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from devpy_pip_guard.config import Config


class Environment:
    """What a command gets to see.

    :param activation: the base's activation
    :param bin_folder: the overlay's `bin`, absolute, first on PATH
    :param variables: what is set after the activation
    :param cwd: where the command runs, absolute
    """

    __slots__ = ("activation", "bin", "cwd", "variables")

    def __init__(self, activation: Activation, bin_folder: str, variables: dict[str, str], cwd: str) -> None:
        self.activation = activation
        self.bin = bin_folder
        self.variables = variables
        self.cwd = cwd

    def prepare(self, command: list[str], extra: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
        """Return argv and environment variables to start a command with.

        :param command: the command and its arguments
        :param extra: more variables for this command alone
        """
        from .execution import prepare

        additions = {**self.variables, **extra}
        return prepare(command, self.activation, first_on_path=self.bin, additions=additions, cwd=self.cwd)


def of(
    venv: str, base: str, settings: CondaSettings, own: dict[str, str], cwd: str, environ: Mapping[str, str]
) -> Environment:
    """Return the environment of commands in a worktree.

    :param venv: the overlay, absolute
    :param base: the prefix of the conda environment, absolute
    :param settings: conda's
    :param own: what `variables` gave
    :param cwd: where the command is to run, absolute
    :param environ: the caller's environment variables
    :raises DevpyError: if what the base sets on activation is broken
    """
    activation = activate(_without_overlay(environ, venv), base, settings)
    return Environment(activation, os.path.join(venv, "bin"), own, cwd)


def variables(config: Config, root: str, base: str) -> dict[str, str]:
    """Return what is set after the activation, with what [env] declares at the end.

    :param config: from devpy.toml
    :param root: the worktree root, absolute
    :param base: the prefix of the conda environment, absolute
    """
    own = {
        "VIRTUAL_ENV": config.venv,
        "PYTHONNOUSERSITE": "1",
        # What keeps pip and uv from installing into the base.
        "PIP_REQUIRE_VIRTUALENV": "1",
        "UV_SYSTEM_PYTHON": "0",
    }
    return {**own, **_declared_variables(config, root, base)}


def _without_overlay(environ: Mapping[str, str], venv: str) -> dict[str, str]:
    """Return the caller's variables without what would let another environment in.

    PYTHONHOME would send the overlay's Python to another standard library, as in any virtual environment. A command
    that runs in one worktree's overlay may call devpy in another one, where the first one's programs have no place.
    """
    callers = {name: value for name, value in environ.items() if name != "PYTHONHOME"}
    active = environ.get("VIRTUAL_ENV", venv)
    if active != venv and _is_overlay(active):
        programs = os.path.join(active, "bin")
        entries = callers.get("PATH", os.defpath).split(os.pathsep)
        callers["PATH"] = os.pathsep.join(entry for entry in entries if entry != programs)
    return callers


def _is_overlay(venv: str) -> bool:
    from devpy_virtualenv_plugin.record import is_marked

    return is_marked(venv)


def _declared_variables(config: Config, root: str, base: str) -> dict[str, str]:
    """Return what [env] sets, with the placeholders replaced, each once and never in what replaced another."""
    import re

    places = {"{root}": root, "{venv}": config.venv, "{base}": base}
    return {
        name: re.sub(r"\{(?:root|venv|base)\}", lambda match: places[match.group()], value)
        for name, value in config.env.items()
    }
