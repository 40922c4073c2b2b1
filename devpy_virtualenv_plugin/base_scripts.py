"""The base's console scripts in an overlay's `bin`, where they run on the overlay's Python.

A script of the base names the base's Python in its first line, so it would never see the overlay. In the overlay, each
is a link to one launcher, which runs the base's script of that name. So it is in a second folder, which stands on PATH
between the overlay's `bin` and the base's: no name that the first lacks leads to the base's own file.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Collection, Iterator
from pathlib import Path

from devpy_pip_guard import distributions
from devpy_pip_guard.files import beginning, shebang

from .layout import LAUNCHER, SCRIPT_FOLDERS, site_packages
from .record import replace_file

# Conda takes the installation it manages from the interpreter it runs on.
_CONDA = re.compile(r"(conda|mamba)(-.*)?|activate|deactivate")
# Linux cuts a first line at 256 bytes, older kernels and macOS earlier; none of them takes a space in it.
_LONGEST_SHEBANG = 127

_LAUNCHER_BODY = """\
# Made by devpy: runs the script of the base environment that has this file's name, on the overlay's Python.
import os
import sys

venv = os.path.realpath(sys.argv[0])[:-len({launcher!r}) - 1]
made = os.fsdecode({venv!r})
if sys.prefix == made and os.path.realpath(made) != venv:  # in a copy, whose first line still names that Python
    python = os.path.join(venv, "bin", "python")
    os.execv(python, [python] + sys.argv)
link = sys.argv[0]
while os.path.islink(link) and os.path.basename(os.readlink(link)) != "base-script":
    link = os.path.join(os.path.dirname(link), os.readlink(link))
name = os.path.basename(link)
__file__ = os.path.join(os.fsdecode({base_bin!r}), name)
owner = {owners!r}.get(name)
if owner:
    from _devpy_guard import SITE_PACKAGES, distributions

    if owner in dict(distributions.metadata(SITE_PACKAGES)):
        text = "devpy: %s: the %s in %s has no such script, and that of another %s, %s, is not run"
        text += "\\n  if it should have one: devpy update-editables --reinstall"
        print(text % (name, owner, venv, owner, __file__), file=sys.stderr)
        sys.exit(127)
if sys.path and sys.path[0] == os.path.dirname(os.path.realpath(sys.argv[0])):
    sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
try:
    with open(__file__, "rb") as stream:
        source = stream.read()
except OSError as error:
    text = "devpy: %s: %s\\n  it has left the base: devpy update-editables"
    print(text % (__file__, error.strerror), file=sys.stderr)
    sys.exit(2)
exec(compile(source, __file__, "exec"))
"""


def link(venv: Path, base: Path, python: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Make an overlay hold a link for every console script of the base, and no link for one that is gone.

    Those of a distribution that the overlay has as well have one only in the second folder, where they are not run: the
    overlay has its own, or has dropped it. Other files in the overlay's `bin`, such as the console script of an
    editable, stay as they are.

    :param venv: the overlay, absolute
    :param base: the prefix of the conda environment, absolute
    :param python: the folder of its Python in `lib`
    :return: the names of the scripts, and of those of them that are not run
    """
    launcher = venv / LAUNCHER
    launcher.parent.mkdir(parents=True, exist_ok=True)
    names = tuple(sorted(console_scripts(base, python)))
    owners = {name: owner for name, owner in _replaced_scripts(venv, base, python).items() if name in names}
    places = {"base_bin": os.fsencode(base / "bin"), "venv": os.fsencode(venv), "launcher": LAUNCHER}
    body = _LAUNCHER_BODY.format(owners=owners, **places)
    # A new file each time, since the old one may be another user's.
    replace_file(os.fspath(launcher), with_shebang(venv / "bin" / "python", body), executable=True)
    for folder, linked in zip(SCRIPT_FOLDERS, ([name for name in names if name not in owners], names)):
        _link_in(venv / folder, os.path.relpath(LAUNCHER, folder), linked)
    return names, tuple(sorted(owners))


def _link_in(folder: Path, target: str, names: Collection[str]) -> None:
    folder.mkdir(exist_ok=True)
    for entry in list(os.scandir(folder)):
        if entry.is_symlink() and os.readlink(entry.path) == target and entry.name not in names:
            os.unlink(entry.path)
    for name in names:
        if not os.path.lexists(folder / name):
            os.symlink(target, folder / name)


def console_scripts(base: Path, python: str) -> Iterator[str]:
    """Yield the names of the executable files in the base's `bin` that start the base's own Python.

    :param base: the prefix of the conda environment, absolute
    :param python: the folder of its Python in `lib`
    """
    bin_folder = os.path.realpath(base / "bin")
    metadata = distributions.metadata(site_packages(os.fspath(base), python))
    declared: set[str] = set().union(*(distributions.declared_scripts(path) for _, path in metadata))
    for name in _names(bin_folder, declared):
        path = os.path.join(bin_folder, name)
        if _CONDA.fullmatch(name) or not os.path.isfile(path) or not os.access(path, os.X_OK):
            continue
        command = shebang(beginning(path))
        # A script of a base that is a copy still names the original's interpreter.
        is_declared = name in declared and _is_python(command)
        if is_declared or _is_looked_up(command) or _is_in(bin_folder, command):
            yield name


def _names(bin_folder: str, declared: set[str]) -> Collection[str]:
    """Return the names of what may be in a folder: where this user may not list it, what the metadata declares."""
    try:
        return os.listdir(bin_folder)
    except PermissionError:
        return declared


def _replaced_scripts(venv: Path, base: Path, python: str) -> dict[str, str]:
    """Return the names of the base's scripts whose distributions the overlay has as well, with those of the latter."""
    overlay_packages, base_packages = (site_packages(os.fspath(prefix), python) for prefix in (venv, base))
    names = {name for name, _ in distributions.metadata(overlay_packages)}
    replaced = [(name, path) for name, path in distributions.metadata(base_packages) if name in names]
    return {script: name for name, path in replaced for script in distributions.console_scripts(path)}


def _is_looked_up(command: list[str]) -> bool:
    """Tell for `#!/usr/bin/env python`, which conda writes if the path is too long for a plain first line."""
    interpreter, program, *_ = [*(word for word in command if word != "-S"), "", ""]
    return interpreter == "/usr/bin/env" and program.startswith("python")


def _is_in(bin_folder: str, command: list[str]) -> bool:
    """Tell whether the interpreter is a Python in a folder, given by its real path; a symlink may lead there."""
    return _is_python(command) and os.path.realpath(os.path.dirname(command[0])) == bin_folder


def _is_python(command: list[str]) -> bool:
    return bool(command) and os.path.isabs(command[0]) and os.path.basename(command[0]).startswith("python")


def mend_headers(venv: Path) -> None:
    """Let the console scripts of the overlay's own packages run where its path holds a tab.

    The system ends the interpreter's path there, which installers think of for spaces alone.

    :param venv: the overlay, absolute
    """
    if "\t" not in os.fspath(venv):
        return
    python = venv / "bin" / "python"
    header = os.fsencode(f"#!{python}\n")
    for script in [entry.path for entry in os.scandir(venv / "bin")]:
        if not os.path.islink(script) and beginning(script).startswith(header):
            body = Path(script).read_bytes()[len(header) :].decode("utf-8", "surrogateescape")
            replace_file(script, with_shebang(python, body), executable=True)


def with_shebang(python: Path, body: str) -> str:
    """Return the text of a script that an interpreter runs, wherever that lies.

    :param python: the interpreter, absolute
    :param body: the script without its first line
    """
    direct = f"#!{python}\n"
    if len(os.fsencode(direct)) <= _LONGEST_SHEBANG and not re.search(r"\s", str(python)):
        return direct + body
    # The shell takes the second line as a command, Python as the beginning of a string.
    return f"#!/bin/sh\n'''exec' {shlex.quote(str(python))} \"$0\" \"$@\"\n' '''\n{body}"
