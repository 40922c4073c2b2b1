"""Refusing a command that would install an editable by hand, or change the base, before it starts.

This spares the user a start of pip, and its message names the command as it was typed. The guard in the overlay is the
one that cannot be evaded: it sees what pip itself has understood.
"""

from __future__ import annotations

import os
import re

from devpy_pip_guard.errors import DevpyError

# Options of pip and of uv that take the next argument as their value, so that it is not mistaken for a command.
_PIP_OPTIONS_WITH_VALUE = frozenset(
    [
        "--cache-dir",
        "--cert",
        "--client-cert",
        "--exists-action",
        "--keyring-provider",
        "--local-log",
        "--log",
        "--log-file",
        "--proxy",
        "--python",
        "--resume-retries",
        "--retries",
        "--timeout",
        "--trusted-host",
        "--use-deprecated",
        "--use-feature",
    ]
)
_UV_OPTIONS_WITH_VALUE = frozenset(
    [
        "--allow-insecure-host",
        "--cache-dir",
        "--color",
        "--config-file",
        "--directory",
        "--project",
        "--python-preference",
    ]
)
_UV_LEAVES_ALONE = frozenset(["--help", "--isolated", "--no-project", "--no-sync", "--script", "-h"])
_INSTALL_OPTIONS_WITH_VALUE = frozenset("cfirtC")
_CONDA_PROGRAMS = frozenset(["conda", "mamba", "micromamba"])
_CONDA_CHANGES = (
    *((verb,) for verb in ("develop", "install", "remove", "uninstall", "update", "upgrade")),
    ("env", "update"),
    ("env", "config", "vars", "set"),
    ("env", "config", "vars", "unset"),
)
_CLONE = "the folder of a clone of it"
"""What to declare instead of a URL, which is not shown: it may hold a password."""

_CONDA_LEAVES_BASE_ALONE = ("--name", "--prefix", "--dry-run", "--help")


def refuse_install(command: list[str], config: str, base: str, folder: str) -> None:
    """Refuse a command that installs an editable, in any spelling, or by which uv or conda would change the base.

    :param command: the command and its arguments
    :param config: the devpy.toml to name in the message, absolute
    :param base: the prefix of the conda environment, absolute
    :param folder: the folder that the command would run in, absolute
    :raises DevpyError: if it would install an editable package, or change the base
    """
    program = os.path.basename(command[0])
    if program in _CONDA_PROGRAMS and _changes_active_environment(command[1:]):
        changed = f"{program} {command[1]}: would change {base}, which other worktrees share"
        from devpy_virtualenv_plugin import mends

        raise DevpyError(changed, f"if all of them shall have it: {mends.command(program, command[1], '-p', base)} …")
    if "--system" in command and (program == "uv" or command[1:3] == ["-m", "uv"]):
        raise DevpyError("uv --system: would change the base", "leave --system out")
    target = _editable_target(command)
    if target is None:
        return
    from devpy_pip_guard.config import load  # it takes long, and most commands install nothing

    path = _folder(target or ".", folder)
    if path in load(config).editables:
        problem = f"{program}: {path} is declared in {config}: devpy installs it, and again when its build files change"
        raise DevpyError(
            problem, "devpy update-editables, or to have it built anew: devpy update-editables --reinstall"
        )
    declared = f'"{os.path.relpath(path, os.path.realpath(os.path.dirname(config)))}"' if path else _CLONE
    mend = f"add {declared} to packages under [editables] in {config}, then: devpy update-editables"
    raise DevpyError(f"{program}: editables are declared in devpy.toml, not installed by hand", mend)


def _changes_active_environment(arguments: list[str]) -> bool:
    """Tell whether one of conda's commands changes the active environment, the base, since it names no other one."""
    changes = any(tuple(arguments[: len(command)]) == command for command in _CONDA_CHANGES)
    changes = changes or (arguments[:1] == ["config"] and "--env" in arguments)
    # Short options may stand together, as in `-yn NAME`.
    short = {letter for word in arguments if re.fullmatch("-[a-z]+", word) for letter in word[1:]}
    named = any(word.startswith(_CONDA_LEAVES_BASE_ALONE) for word in arguments) or short & set("npdh")
    return changes and not named


def _folder(target: str, folder: str) -> str:
    """Return the folder of the package that `target` names, a real path; empty for a URL that leads elsewhere.

    :param folder: where relative paths start, absolute
    """
    target = target.rpartition(" @ ")[2].partition("#")[0]
    if target.startswith("file:"):
        from urllib.parse import unquote, urlsplit

        target = unquote(urlsplit(target).path)
    elif "://" in target:
        return ""
    if target.endswith("]") and not os.path.isdir(os.path.join(folder, target)):
        target = target.rpartition("[")[0]
    return os.path.realpath(os.path.join(folder, os.path.expanduser(target)))


def _editable_target(command: list[str]) -> str | None:
    """Return the package that a command would install as editable: "" if it names none, None if it installs none."""
    program, arguments = os.path.basename(command[0]), command[1:]
    if program == "uv":
        return _uv_target(arguments)
    if _is_versioned(program, "python"):
        return _python_target(arguments)
    if _is_versioned(program, "pip"):
        return _pip_target(arguments)
    return _setup_target(command)


def _pip_target(arguments: list[str]) -> str | None:
    arguments = _after_options(arguments, _PIP_OPTIONS_WITH_VALUE)
    return _editable_option(arguments[1:]) if arguments[:1] == ["install"] else None


def _uv_target(arguments: list[str]) -> str | None:
    """Do so for `uv pip install -e`, and for the commands by which uv installs the project itself."""
    arguments = _after_options(arguments, _UV_OPTIONS_WITH_VALUE)
    if arguments[:1] == ["pip"]:
        return _pip_target(arguments[1:])
    if arguments[:1] == ["add"] and "--editable" in arguments:
        return next((word for word in arguments[1:] if not word.startswith("-")), "")
    syncs = arguments[:1] in (["add"], ["remove"], ["run"], ["sync"]) and not _UV_LEAVES_ALONE.intersection(arguments)
    return "" if syncs else None


def _setup_target(arguments: list[str]) -> str | None:
    """Do so for `setup.py develop`."""
    if not arguments or os.path.basename(arguments[0]) != "setup.py" or "develop" not in arguments[1:]:
        return None
    return os.path.dirname(arguments[0])


def _python_target(arguments: list[str]) -> str | None:
    """Do so for `python -m pip …`, whatever options of Python come first, and for `python setup.py develop`."""
    while arguments and arguments[0].startswith("-"):
        option, arguments = arguments[0], arguments[1:]
        cluster = "" if option.startswith("--") else option[1:]
        letter = next((letter for letter in cluster if letter in "cmWX"), "")
        value = cluster.partition(letter)[2] if letter else ""
        if letter and not value:
            value, arguments = (arguments[0], arguments[1:]) if arguments else ("", [])
        if letter == "m":
            if value == "uv":
                return _uv_target(arguments)
            return _pip_target(arguments) if value in ("pip", "pip.__main__") else None
        if letter == "c" or not cluster:
            return None
    return _setup_target(arguments)


def _after_options(arguments: list[str], with_value: frozenset[str]) -> list[str]:
    """Return the arguments from the first one on that is neither an option nor an option's value."""
    while arguments and arguments[0].startswith("-"):
        arguments = arguments[2 if arguments[0] in with_value else 1 :]
    return arguments


def _is_versioned(program: str, name: str) -> bool:
    """Tell whether a program is called as `name`, `name3` or `name3.11`."""
    return program.startswith(name) and not program[len(name) :].strip("0123456789.")


def _editable_option(arguments: list[str]) -> str | None:
    """Return the value of the first `-e` or `--editable`, as pip's parser finds it."""
    for position, argument in enumerate(arguments):
        following = arguments[position + 1] if position + 1 < len(arguments) else ""
        if argument.startswith("--"):
            option, equals, value = argument.partition("=")
            if len(option) > 3 and "--editable".startswith(option):
                return value if equals else following
        elif argument.startswith("-") and len(argument) > 1:
            value_in_cluster = _editable_in_cluster(argument[1:])
            if value_in_cluster is not None:
                return value_in_cluster or following
    return None


def _editable_in_cluster(letters: str) -> str | None:
    """Return what follows `e` in a cluster of short options such as `Ue.`, or None if `-e` is not among them."""
    for position, letter in enumerate(letters):
        if letter == "e":
            return letters[position + 1 :]
        if letter in _INSTALL_OPTIONS_WITH_VALUE:
            return None  # the rest of the cluster is its value
    return None
