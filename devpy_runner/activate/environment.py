"""The environment of everything that devpy starts: the base activated, the overlay first."""

from __future__ import annotations

import os

from devpy_pip_guard import programs

from .activation import Activation, CondaSettings, activate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from devpy_pip_guard.config import Config


class Environment:
    """The environment that a command is started in.

    :param activation: the base's activation
    :param venv: the overlay, absolute
    :param variables: those that are set after the activation
    :param cwd: the folder that the command runs in, absolute
    """

    __slots__ = ("activation", "cwd", "first_on_path", "variables", "venv")

    def __init__(self, activation: Activation, venv: str, variables: dict[str, str], cwd: str) -> None:
        self.activation = activation
        self.venv = venv
        self.first_on_path = programs(venv)
        self.variables = variables
        self.cwd = cwd

    def prepare(self, command: list[str], extra: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
        """Return the arguments and the environment variables to start a command with.

        :param command: the command and its arguments
        :param extra: more variables for this command alone
        """
        from .execution import prepare

        additions = {**self.variables, **extra}
        return prepare(command, self.activation, first_on_path=self.first_on_path, additions=additions, cwd=self.cwd)


def worktree_environment(
    venv: str, base: str, settings: CondaSettings, variables: dict[str, str], cwd: str, environ: Mapping[str, str]
) -> Environment:
    """Return the environment of commands in a worktree.

    :param venv: the overlay, absolute
    :param base: the prefix of the conda environment, absolute
    :param settings: conda's
    :param variables: what `overlay_variables` returned
    :param cwd: the folder that the command is to run in, absolute
    :param environ: the caller's environment variables
    :raises DevpyError: if a file that the base's activation reads is broken
    """
    caller = _without_other_environments(environ, venv)
    is_activated = _is_activated(caller, venv, base)
    activation = Activation(caller, [], {}, []) if is_activated else activate(caller, base, settings)
    return Environment(activation, venv, variables, cwd)


def overlay_variables(config: Config, root: str, base: str) -> dict[str, str]:
    """Return the variables that are set after the activation: the overlay's, then those of [env] in devpy.toml.

    :param config: from devpy.toml
    :param root: the worktree root, absolute
    :param base: the prefix of the conda environment, absolute
    """
    return {
        "VIRTUAL_ENV": config.venv,
        "PYTHONNOUSERSITE": "1",
        # These two keep pip and uv from installing into the base.
        "PIP_REQUIRE_VIRTUALENV": "1",
        "UV_SYSTEM_PYTHON": "0",
        **_declared_variables(config, root, base),
    }


def _is_activated(environ: Mapping[str, str], venv: str, base: str) -> bool:
    """Tell whether devpy itself has made the caller's environment, for the same overlay on the same base.

    Activation scripts may add to a value each time that they run.
    """
    path = environ.get("PATH", "").split(os.pathsep)
    names_both = (environ.get("VIRTUAL_ENV"), environ.get("CONDA_PREFIX")) == (venv, base)
    return names_both and all(folder in path for folder in (*programs(venv), os.path.join(base, "bin")))


def _without_other_environments(environ: Mapping[str, str], venv: str) -> dict[str, str]:
    """Return the caller's variables without those that would let another environment in.

    PYTHONHOME would send the overlay's Python to another standard library, as in any virtual environment. And a command
    in one worktree's overlay may call devpy in another worktree, which must not find the first one's programs.
    """
    cleaned = {name: value for name, value in environ.items() if name != "PYTHONHOME"}
    active = environ.get("VIRTUAL_ENV", venv)
    if active != venv and _is_overlay(active):
        entries = cleaned.get("PATH", os.defpath).split(os.pathsep)
        cleaned["PATH"] = os.pathsep.join(entry for entry in entries if entry not in programs(active))
    return cleaned


def _is_overlay(venv: str) -> bool:
    from devpy_virtualenv_plugin.record import is_marked

    return is_marked(venv)


def _declared_variables(config: Config, root: str, base: str) -> dict[str, str]:
    """Return the variables of [env] with their placeholders replaced, in one pass: a replacement is not searched."""
    import re

    places = {"{root}": root, "{venv}": config.venv, "{base}": base}
    return {
        name: re.sub(r"\{(?:root|venv|base)\}", lambda match: places[match.group()], value)
        for name, value in config.env.items()
    }
