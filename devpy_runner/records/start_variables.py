"""The start variables: the file from which the overlay's Python, started without devpy, takes its variables.

devpy finds out by trying what activation does to each variable. It activates the base twice: first in a clean
environment, then in one where each variable that the first run has set holds a mark. If the mark is in the result,
activation keeps the caller's value or adds to it. If not, activation ignores that value.

The variables are those of a caller without an active environment. The file says nothing of what activation would
unset, nor of what conda keeps for a later deactivation (`__CONDA_SHLVL_…`).

conda's settings are those of a fresh login, with the conda set up that the base belongs to. Those of whoever runs devpy
would not do: two shells with different settings would rewrite the file in turns, each time by running all scripts, and
a Python that neither of them has started would get whatever the last one wrote.
"""

from __future__ import annotations

import os
from contextlib import suppress

from devpy_pip_guard import CALLERS, START_VARIABLES, read_start_variables
from devpy_pip_guard.errors import DevpyError
from devpy_pip_guard.files import may_write, note_read, state
from devpy_virtualenv_plugin import __version__
from devpy_virtualenv_plugin.record import replace_file

from ..activate.environment import overlay_variables, worktree_environment
from ..base.condarc import read_settings
from ..base.installations import owning_installation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from devpy_pip_guard.config import Config

    from ..activate.activation import CondaSettings
    from ..activate.environment import Environment

    Variables = dict[str, str]

NONE = "none"
OUT_OF_DATE = "out of date"
CURRENT = "current"

_LOGIN_VARIABLES = ("HOME", "USER", "LOGNAME", "SHELL", "LANG", "TERM", "TMPDIR")
"""The caller's variables that a fresh login has as well."""

_SHELL_VARIABLES = ("PWD", "OLDPWD", "SHLVL", "_")
"""Variables that a shell sets for itself."""

_PATIENCE_SECONDS = 10.0
"""How long the activation scripts may take."""

_MARK = "devpy-mark-"


def refresh(config: Config, base: str, environ: Mapping[str, str]) -> bool:
    """Write the start variables of a complete overlay, unless they are current.

    If a script ends the shell or takes too long, all scripts are left out. What scripts print is dropped. An overlay
    that cannot be written to stays as it is.

    :param config: from devpy.toml
    :param base: the prefix of the conda environment, absolute
    :param environ: the caller's environment variables
    :return: whether there was nothing to do
    :raises DevpyError: if a file that the base's activation reads is broken
    """
    inputs = _inputs(config, base, environ)
    if inputs == _written_inputs(config.venv) or not may_write(config.venv):
        return True
    with suppress(OSError):  # a full disk, or no place for temporary files
        rules = list(_rules(config, base, environ))
        path = os.path.join(config.venv, START_VARIABLES)
        replace_file(path, _format(config.venv, base, inputs, rules), suffix=str(os.getpid()))
    return False


def examine(config: Config, base: str, environ: Mapping[str, str]) -> tuple[str, float | None]:
    """Return the state of the start variables, as one of the three words above, and their age in seconds.

    :param config: from devpy.toml
    :param base: the prefix of the conda environment, absolute
    :param environ: the caller's environment variables
    """
    from time import time

    try:
        age = max(0.0, time() - os.stat(os.path.join(config.venv, START_VARIABLES)).st_mtime)
        is_current = _written_inputs(config.venv) == _inputs(config, base, environ)
    except OSError:
        return NONE, None
    except DevpyError:  # a file that they were made from is broken now
        is_current = False
    return (CURRENT if is_current else OUT_OF_DATE), age


def _inputs(config: Config, base: str, environ: Mapping[str, str]) -> str:
    """Return all that the start variables are made from, as a text: once it differs, they are out of date.

    :raises DevpyError: if a file that the base's activation reads is broken
    """
    login = _login(environ, ("HOME",))
    activation = _environment(config, base, _settings(base, login), login).activation
    for script in activation.activate_scripts:  # which shells will read
        note_read(script)
    scripts = [(script, state(script)) for script in activation.activate_scripts]
    return repr((__version__, config.venv, base, _overlay_variables(config, base), activation.exports, scripts))


def _login(environ: Mapping[str, str], names: tuple[str, ...]) -> Variables:
    """Return the variables of a fresh login: PATH, and the caller's with these names."""
    return {**{name: environ[name] for name in names if name in environ}, "PATH": os.defpath}


def _settings(base: str, login: Variables) -> CondaSettings:
    """Return conda's settings after a fresh login."""
    conda = owning_installation(base)
    return read_settings(login if conda is None else {**login, "_CONDA_ROOT": conda})


def _written_inputs(venv: str) -> str | None:
    """Return what `_inputs` returned when the file was written, or None if it cannot be read."""
    note_read(os.path.join(venv, START_VARIABLES))
    try:
        return read_start_variables(venv)[2]
    except (OSError, ValueError):
        return None


def _format(venv: str, base: str, inputs: str, rules: list[tuple[str, str, str]]) -> str:
    """Return the text of a file that `read_start_variables` reads."""
    fields = [venv, base, inputs, *(field for rule in rules for field in rule), "end"]
    return "\0".join([str(len(fields) + 1), *fields])


def _overlay_variables(config: Config, base: str) -> Variables:
    """Return the variables that are set after the activation.

    For a stack, `{root}` is the stack's folder: Python cannot tell which of its repositories it is started for.
    """
    return overlay_variables(config, config.root, base)


def _environment(config: Config, base: str, settings: CondaSettings, environ: Variables) -> Environment:
    """Return the environment of a command in the overlay, for a caller with the variables `environ`."""
    variables = _overlay_variables(config, base)
    return worktree_environment(config.venv, base, settings, variables, config.root, environ)


def _rules(config: Config, base: str, environ: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield a rule for each variable, as `devpy_pip_guard.read_start_variables` describes it."""
    variables = _overlay_variables(config, base)
    login = _login(environ, _LOGIN_VARIABLES)
    settings = _settings(base, login)
    activated, with_scripts = _activated(config, base, settings, login)
    changed = {
        name: value for name, value in activated.items() if name not in _SHELL_VARIABLES and value != login.get(name)
    }
    marks = {name: f"{_MARK}{name}-" for name in changed if name != "PATH" and name not in variables}
    marked, _ = _activated(config, base, settings, {**login, **marks}, with_scripts=with_scripts)
    for name, value in {**changed, **variables}.items():
        if name == "PATH" and name not in variables:
            yield name, value, _search_path_template(value)
        else:
            yield name, value, _template(marked.get(name, ""), marks.get(name))


def _activated(
    config: Config, base: str, settings: CondaSettings, environ: Variables, *, with_scripts: bool = True
) -> tuple[Variables, bool]:
    """Return the variables of a command in the overlay, and whether the activation scripts were run for them.

    :param environ: the caller's variables
    :param with_scripts: whether to run the scripts
    """
    env = _environment(config, base, settings, environ)
    if with_scripts and env.activation.activate_scripts:
        from .. import programs

        ran = programs.run(*env.prepare(programs.PRINT_VARIABLES, extra={}), config.root, _PATIENCE_SECONDS)
        printed = programs.parse_variables(ran.out) if ran.code == 0 else {}
        if printed:
            return printed, True
    env.activation.activate_scripts = []
    return env.prepare(["env"], extra={})[1], False


def _template(result: str, mark: str | None) -> str:
    """Return what activation made of a variable's mark, with the caller's value in the place of the mark.

    :return: empty if the caller's value has no part in it, or another variable's value has
    """
    if mark is None or mark not in result:
        return ""
    template = result.replace(mark, CALLERS)
    return "" if _MARK in template else template


def _search_path_template(path: str) -> str:
    """Return PATH with the caller's entries in the place of the system's, or at the end if the system's are gone."""
    system = os.defpath.split(os.pathsep)
    entries = [CALLERS if entry in system else entry for entry in path.split(os.pathsep)]
    return os.pathsep.join(dict.fromkeys([*entries, CALLERS]))
