"""The record from which the overlay's Python, started without devpy, supplies the activated environment.

What activation does to a variable is found out by trying: once from a clean environment, and once more from one in
which each variable that came out has a value that is easy to recognize. Where that value is still in the result,
activation keeps the caller's or puts something around it; everywhere else it does not look at it.

The variables are those of a caller without an active environment. What activation would unset, and what it keeps for
a later deactivation (`__CONDA_SHLVL_…`), is not recorded.

conda's settings are those of a fresh login where the conda that the base belongs to has been set up, not those in the
variables of whoever runs devpy: else two shells that differ in them would write the record in turns, each with a start
of all scripts, and a Python started by neither would get the variables of the one that came last.
"""

from __future__ import annotations

import os
from contextlib import suppress

from devpy_pip_guard import CALLERS, START_RECORD, read_start_record
from devpy_pip_guard.errors import DevpyError
from devpy_pip_guard.files import may_write, note_read, state
from devpy_virtualenv_plugin import __version__
from devpy_virtualenv_plugin.record import replace_file

from ..activate import environment
from ..base.condarc import read_settings
from ..base.installations import installs_around

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping

    from devpy_pip_guard.config import Config

    from ..activate.activation import Activation, CondaSettings

    Variables = dict[str, str]

NONE = "none"
OUT_OF_DATE = "out of date"
CURRENT = "current"

_KEPT = ("HOME", "USER", "LOGNAME", "SHELL", "LANG", "TERM", "TMPDIR")
"""The caller's variables that a fresh login has as well."""

_SHELLS_OWN = ("PWD", "OLDPWD", "SHLVL", "_")
_PATIENCE_SECONDS = 10.0
_MARK = "devpy-mark-"


def refresh(config: Config, base: str, environ: Mapping[str, str]) -> bool:
    """Write the record of a complete overlay, unless the one that is there is current.

    A script that ends the shell, or takes too long, is left out together with all others; what it prints is dropped.
    An overlay that cannot be written to stays as it is.

    :param config: from devpy.toml
    :param base: the prefix of the conda environment, absolute
    :param environ: the caller's environment variables
    :return: whether there was nothing to do
    :raises DevpyError: if what the base sets on activation is broken
    """
    inputs = _inputs(config, base, environ)
    if inputs == _recorded_inputs(config.venv) or not may_write(config.venv):
        return True
    with suppress(OSError):  # a full disk, or no place for temporary files
        rules = list(_rules(config, base, environ))
        path = os.path.join(config.venv, START_RECORD)
        replace_file(path, _format(config.venv, base, inputs, rules), suffix=str(os.getpid()))
    return False


def examine(config: Config, base: str, environ: Mapping[str, str]) -> tuple[str, float | None]:
    """Return whether the record is there and current, as one of the three words above, and its age in seconds.

    :param config: from devpy.toml
    :param base: the prefix of the conda environment, absolute
    :param environ: the caller's environment variables
    """
    from time import time

    try:
        age = max(0.0, time() - os.stat(os.path.join(config.venv, START_RECORD)).st_mtime)
        is_current = _recorded_inputs(config.venv) == _inputs(config, base, environ)
    except OSError:
        return NONE, None
    except DevpyError:  # what the record was made from is broken now, or makes no sense
        is_current = False
    return (CURRENT if is_current else OUT_OF_DATE), age


def _inputs(config: Config, base: str, environ: Mapping[str, str]) -> str:
    """Return a text that is another one once the record is no longer what it should be: what it is made from.

    :raises DevpyError: if what the base sets on activation is broken
    """
    login = _login(environ, ("HOME",))
    activation = _activation(config, base, _settings(base, login), login)
    for script in activation.activate_scripts:  # which shells will read
        note_read(script)
    scripts = [(script, state(script)) for script in activation.activate_scripts]
    return repr((__version__, config.venv, base, _own(config, base), activation.exports, scripts))


def _login(environ: Mapping[str, str], kept: tuple[str, ...]) -> Variables:
    """Return variables that a fresh login has, those of `kept` among them that the caller has."""
    return {**{name: environ[name] for name in kept if name in environ}, "PATH": os.defpath}


def _settings(base: str, login: Variables) -> CondaSettings:
    """Return conda's settings after a fresh login."""
    owner = next(installs_around(base), None)
    return read_settings(login if owner is None else {**login, "_CONDA_ROOT": owner})


def _recorded_inputs(venv: str) -> str | None:
    note_read(os.path.join(venv, START_RECORD))
    try:
        return read_start_record(venv)[2]
    except (OSError, ValueError):
        return None


def _format(venv: str, base: str, inputs: str, rules: list[tuple[str, str, str]]) -> str:
    """Return the text of a record that `read_start_record` reads."""
    fields = [venv, base, inputs, *(field for rule in rules for field in rule), "end"]
    return "\0".join([str(len(fields) + 1), *fields])


def _own(config: Config, base: str) -> Variables:
    """Return what is set after activation; for a stack, `{root}` is its folder: Python is not told the repository."""
    return environment.variables(config, config.root, base)


def _activation(config: Config, base: str, settings: CondaSettings, callers: Variables) -> Activation:
    return environment.of(config.venv, base, settings, _own(config, base), config.root, callers).activation


def _rules(config: Config, base: str, environ: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield what the record says of each variable, see `devpy_pip_guard.read_start_record`."""
    own = _own(config, base)
    clean = _login(environ, _KEPT)
    settings = _settings(base, clean)
    plain, scripts = _activated(config, base, settings, clean)
    found = {name: value for name, value in plain.items() if name not in _SHELLS_OWN and value != clean.get(name)}
    recognizable = {name: f"{_MARK}{name}-" for name in found if name != "PATH" and name not in own}
    marked, _ = _activated(config, base, settings, {**clean, **recognizable}, scripts=scripts)
    for name, value in {**found, **own}.items():
        if name == "PATH" and name not in own:
            yield name, value, _search_path_template(value)
        else:
            yield name, value, _template(marked.get(name, ""), recognizable.get(name))


def _activated(
    config: Config, base: str, settings: CondaSettings, callers: Variables, *, scripts: bool = True
) -> tuple[Variables, bool]:
    """Return the variables of a command in the overlay, and whether the scripts have had their part in them.

    :param callers: the variables to start from
    :param scripts: whether to try them
    """
    env = environment.of(config.venv, base, settings, _own(config, base), config.root, callers)
    if scripts and env.activation.activate_scripts:
        printed = _printed(*env.prepare(["/usr/bin/env", "-0"], extra={}), config.root)
        if printed is not None:
            return printed, True
    env.activation.activate_scripts = []
    return env.prepare(["env"], extra={})[1], False


def _printed(command: list[str], environ: Variables, cwd: str) -> Variables | None:
    """Return the variables that `env -0` prints at the end of a command, or None if it does not come to that."""
    import subprocess
    import tempfile

    # Into a file, since what a script leaves running in the background may keep a pipe open; in a session of its own,
    # so that a script cannot ask the user anything.
    with tempfile.TemporaryFile() as stream:
        try:
            with subprocess.Popen(
                command,
                env=environ,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            ) as process:
                _wait(process)
        except (OSError, subprocess.TimeoutExpired):
            return None
        stream.seek(0)
        printed = stream.read() if process.returncode == 0 else b""
    return parse_variables(printed) or None


def parse_variables(printed: bytes) -> Variables:
    """Return the variables that `env -0` has printed."""
    return dict(entry.partition("=")[::2] for entry in os.fsdecode(printed).split("\0") if entry)


def _wait(process: subprocess.Popen[bytes]) -> None:
    """Wait for a process to end, but not for ever.

    :raises subprocess.TimeoutExpired: if it has been ended, and with it all that it has started
    """
    try:
        process.wait(_PATIENCE_SECONDS)
    except BaseException:  # an interrupt by the user, who is not in the process's session, among them
        from signal import SIGKILL

        os.killpg(process.pid, SIGKILL)
        raise


def _template(result: str, mark: str | None) -> str:
    """Return what activation made of a mark, with the caller's value in its place; empty if it is another one's."""
    if mark is None or mark not in result:
        return ""
    template = result.replace(mark, CALLERS)
    return "" if _MARK in template else template


def _search_path_template(path: str) -> str:
    """Return PATH with the caller's entries in the place of the system's, or else at the end."""
    system = os.defpath.split(os.pathsep)
    entries = [CALLERS if entry in system else entry for entry in path.split(os.pathsep)]
    return os.pathsep.join(dict.fromkeys([*entries, CALLERS]))
