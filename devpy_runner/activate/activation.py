"""What `conda activate` would set, computed from the files of the environment without starting anything.

The rules are those of conda 26 on POSIX. They are written by hand, since no library does all that conda does, and
starting conda takes longer than a command may. Where conda itself fails (a CONDA_SHLVL that is no number, quotes in a
value, the old environment last on PATH), this does what was evidently meant.
"""

from __future__ import annotations

import os

from devpy_pip_guard.errors import DevpyError
from devpy_pip_guard.files import beginning, exists, is_dir, is_file, read_bytes, real_path, scan, shebang

# Many modules define this instead of importing it: importing typing takes a good part of the time that running a
# command may take, and type checkers treat the name alike.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_HIDDEN = "***unset***"
"""The value by which `conda env config vars unset` hides a package's variable; it unsets nothing."""


class CondaSettings:
    """conda's settings; every path is absolute.

    :param root_prefix: the prefix of the environment `base`; None where no conda install is known
    :param envs_dirs: the folders that hold environments, the most important first, conda's default ones included
    :param changeps1: whether activation sets CONDA_PROMPT_MODIFIER
    :param env_prompt: the template for CONDA_PROMPT_MODIFIER
    :param auto_stack: the highest CONDA_SHLVL at which an activation stacks on the active environment
    :param envvars_force_uppercase: whether the names of an environment's variables are uppercased
    """

    # Not a NamedTuple, which would need typing.
    __slots__ = ("auto_stack", "changeps1", "env_prompt", "envs_dirs", "envvars_force_uppercase", "root_prefix")

    def __init__(
        self,
        root_prefix: str | None,
        envs_dirs: list[str],
        changeps1: bool = True,
        env_prompt: str = "({default_env}) ",
        auto_stack: int = 0,
        envvars_force_uppercase: bool = True,
    ) -> None:
        self.root_prefix = root_prefix
        self.envs_dirs = envs_dirs
        self.changeps1 = changeps1
        self.env_prompt = env_prompt
        self.auto_stack = auto_stack
        self.envvars_force_uppercase = envvars_force_uppercase


class Activation:
    """The steps from the caller's environment to the activated one.

    :param caller: the variables to start from
    :param deactivate_scripts: absolute paths of the scripts to source first, of the environment that is left
    :param exports: the variables to set next; their values do not depend on the scripts, and activation unsets none
    :param activate_scripts: absolute paths of the scripts to source last, of the environment that is entered
    """

    __slots__ = ("activate_scripts", "caller", "deactivate_scripts", "exports")

    def __init__(
        self,
        caller: dict[str, str],
        deactivate_scripts: list[str],
        exports: dict[str, str],
        activate_scripts: list[str],
    ) -> None:
        self.caller = caller
        self.deactivate_scripts = deactivate_scripts
        self.exports = exports
        self.activate_scripts = activate_scripts


class _Caller:
    """What the caller's variables say about the active environment.

    :param level: how many environments are active, each on top of the one before; 0 if none is
    :param prefix: the active environment, if `level` is not 0
    """

    __slots__ = ("environ", "level", "prefix")

    def __init__(self, environ: Mapping[str, str], level: int, prefix: str | None) -> None:
        self.environ = environ
        self.level = level
        self.prefix = prefix


def activate(environ: Mapping[str, str], prefix: str, settings: CondaSettings) -> Activation:
    """Compute what `conda activate` would do in the caller's shell.

    :param environ: the caller's variables
    :param prefix: the environment to enter, absolute, with its symlinks unresolved, as conda spells it
    :param settings: conda's settings; without a root prefix, condabin and the variables about conda itself are left out
    :raises DevpyError: if a file that activation reads, in either environment, is broken or cannot be read
    """
    caller = _caller(environ)
    stacks = prefix != caller.prefix and 1 <= caller.level <= settings.auto_stack
    exports = {
        "PATH": _search_path(caller, prefix, settings.root_prefix, stacks=stacks),
        "CONDA_SHLVL": str(caller.level + (prefix != caller.prefix)),
        "CONDA_PROMPT_MODIFIER": _prompt_modifier(caller, prefix, settings, stacks=stacks),
    }
    if prefix != caller.prefix:
        exports.update(_entry_variables(caller, prefix, settings.root_prefix, stacks=stacks))
    exports.update(_conda_variables(settings.root_prefix))
    if settings.envvars_force_uppercase:
        exports = {name.upper(): value for name, value in exports.items()}
    return Activation(
        caller=dict(environ),
        deactivate_scripts=[] if caller.prefix is None or stacks else _scripts(caller.prefix, "deactivate.d")[::-1],
        exports=exports,
        activate_scripts=_scripts(prefix, "activate.d"),
    )


def _caller(environ: Mapping[str, str]) -> _Caller:
    prefix = environ.get("CONDA_PREFIX")
    try:
        level = int(environ.get("CONDA_SHLVL", "0"))
    except ValueError:
        level = 0
    return _Caller(environ, level, prefix) if prefix and level > 0 else _Caller(environ, 0, None)


def _search_path(caller: _Caller, prefix: str, root_prefix: str | None, *, stacks: bool) -> str:
    """Return PATH with the environment's bin in the place of the active environment's, or else first."""
    entries = [os.path.normpath(entry) for entry in caller.environ.get("PATH", os.defpath).split(os.pathsep)]
    entered_bin = os.path.join(prefix, "bin")
    left_bin = None if caller.prefix is None or stacks else os.path.join(caller.prefix, "bin")
    if left_bin in entries:
        entries[entries.index(left_bin)] = entered_bin
        return os.pathsep.join(entries)
    if caller.prefix is None and root_prefix and not any(entry.endswith("condabin") for entry in entries):
        entries.insert(0, os.path.join(root_prefix, "condabin"))
    return os.pathsep.join([entered_bin, *entries])


def _entry_variables(caller: _Caller, prefix: str, root_prefix: str | None, *, stacks: bool) -> dict[str, str]:
    """Return the variables that conda sets unless the environment is active already."""
    variables = _config_variables(prefix)
    exports = {"CONDA_PREFIX": prefix, "CONDA_DEFAULT_ENV": _name(prefix, root_prefix), **variables}
    for name in variables:
        if name in caller.environ:
            exports[f"__CONDA_SHLVL_{caller.level}_{name}"] = caller.environ[name]
    if caller.prefix is not None:
        exports[f"CONDA_PREFIX_{caller.level}"] = caller.prefix
    if stacks:
        exports[f"CONDA_STACKED_{caller.level + 1}"] = "true"
    return exports


def _name(prefix: str, root_prefix: str | None) -> str:
    """Return the name by which conda shows an environment: its path if it is not among the named ones."""
    if prefix == root_prefix:
        return "base"
    parent, name = os.path.split(prefix)
    return name if os.path.basename(parent) == "envs" else prefix


def _prompt_modifier(caller: _Caller, prefix: str, settings: CondaSettings, *, stacks: bool) -> str:
    if not settings.changeps1:
        return ""
    default_env = _name(prefix, settings.root_prefix)
    stack = _shown_stack(caller, settings.root_prefix)
    if prefix == caller.prefix:
        default_env = caller.environ.get("CONDA_DEFAULT_ENV", default_env)
    else:
        stack = [*(stack if stacks else stack[:-1]), default_env]
    try:
        return settings.env_prompt.format(
            default_env=default_env, stacked_env=",".join(reversed(stack)), prefix=prefix, name=os.path.basename(prefix)
        )
    except (AttributeError, LookupError, MemoryError, TypeError, ValueError) as error:
        mend = "use {default_env}, {stacked_env}, {prefix} and {name}: conda config --set env_prompt '({default_env}) '"
        raise DevpyError(f"conda's setting env_prompt: cannot format {settings.env_prompt!r}", mend) from error


def _shown_stack(caller: _Caller, root_prefix: str | None) -> list[str]:
    """Return the names of the active environments that the prompt shows, the innermost last."""
    stack: list[str] = []
    for level in range(1, caller.level + 1):
        variable = "CONDA_PREFIX" if level == caller.level else f"CONDA_PREFIX_{level}"
        if variable not in caller.environ:  # conda has not set CONDA_SHLVL, which may be any number
            break
        below = stack if caller.environ.get(f"CONDA_STACKED_{level}") else stack[:-1]
        stack = [*below, _name(caller.environ[variable], root_prefix)]
    return stack


def _conda_variables(root_prefix: str | None) -> dict[str, str]:
    """Return the variables by which shell functions and tools find conda."""
    if root_prefix is None:
        return {}
    conda = os.path.join(root_prefix, "bin", "conda")
    if not exists(conda):  # micromamba's root prefix
        return {}
    return {
        "CONDA_EXE": conda,
        "_CONDA_EXE": conda,
        "CONDA_PYTHON_EXE": _interpreter(conda),
        "_CONDA_ROOT": root_prefix,
        "_CE_M": "",
        "_CE_CONDA": "",
    }


def _interpreter(conda: str) -> str:
    """Return the absolute path of the python that the conda script's first line names."""
    words = shebang(beginning(conda))
    if len(words) == 1 and os.path.isabs(words[0]) and os.path.basename(words[0]).startswith("python"):
        return words[0]
    return os.path.join(os.path.dirname(conda), "python")


def _scripts(prefix: str, folder: str) -> list[str]:
    """Return the absolute paths of the scripts in a folder of the environment's etc/conda, sorted by name."""
    return sorted(entry.path for entry in _entries(prefix, folder) if entry.name.endswith(".sh") and _is_script(entry))


def _is_script(entry: os.DirEntry[str]) -> bool:
    """Tell whether to source an entry; a link that leads nowhere counts, so that the shell names it.

    :raises DevpyError: if it is neither a file, a folder nor the null device: on a FIFO, a shell would wait
    """
    if entry.is_file(follow_symlinks=False):  # as most are; the folder's listing tells, without another system call
        return True
    if is_dir(entry.path):
        return False
    if exists(entry.path) and not is_file(entry.path) and real_path(entry.path) != os.devnull:
        raise DevpyError(f"{entry.path}: not a regular file", "remove it")
    return True


def _config_variables(prefix: str) -> dict[str, str]:
    """Return the variables that packages have declared, overridden by those of `conda env config vars set`."""
    variables: dict[str, str] = {}
    for path in sorted(entry.path for entry in _entries(prefix, "env_vars.d")):
        variables.update(_as_variables(path, _json_object(path)))
    state = os.path.join(prefix, "conda-meta", "state")
    declared = _json_object(state).get("env_vars", {})
    variables.update(_as_variables(state, _checked_object(state, declared)))
    return {name: value for name, value in variables.items() if name.upper() != "PATH" and value != _HIDDEN}


def _entries(prefix: str, folder: str) -> list[os.DirEntry[str]]:
    path = os.path.join(prefix, "etc", "conda", folder)
    try:
        return scan(path)
    except (FileNotFoundError, NotADirectoryError, PermissionError):  # conda finds nothing there, either
        return []
    except OSError as error:
        raise DevpyError(f"{path}: {error.strerror}", "make the folder readable") from error


def _json_object(path: str) -> dict[str, Any]:
    """Return the JSON object in a file; an empty one if there is no such file."""
    if not exists(path):
        return {}
    import json

    mend = "correct the file, or move it away"
    content = read_bytes(path)
    try:
        return _checked_object(path, json.loads(content.decode("utf-8")))
    except UnicodeDecodeError as error:
        raise DevpyError(f"{path}: not UTF-8 at byte {error.start}", mend) from error
    except (ValueError, RecursionError) as error:
        raise DevpyError(f"{path}: not JSON: {error}", mend) from error


def _checked_object(path: str, document: Any) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise DevpyError(f"{path}: variables must be a JSON object", 'write them as {"NAME": "value"}')
    return document


def _as_variables(path: str, declared: dict[str, Any]) -> dict[str, str]:
    """Turn JSON values into text as conda does, and refuse those that no environment variable can hold."""
    variables = {name: "" if value is None else str(value) for name, value in declared.items()}
    for name, value in variables.items():
        if not name or "=" in name or "\0" in name + value or not _can_be_encoded(name + value):
            raise DevpyError(f"{path}: {name!r}: no environment variable can hold this", "correct or remove it")
    return variables


def _can_be_encoded(text: str) -> bool:
    try:
        os.fsencode(text)
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True
