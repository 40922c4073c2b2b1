"""The base's console scripts in an overlay's `bin`, where they run on the overlay's Python.

A script of the base names the base's Python in its first line, so that it would never see the overlay. In the overlay,
each is a link to one launcher, which runs the base's script of that name.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from devpy_pip_guard import distributions
from devpy_pip_guard.files import shebang

from .layout import LAUNCHER, site_packages

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
__file__ = os.path.join(os.fsdecode({base_bin!r}), os.path.basename(link))
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


def link(venv: Path, base: Path, python: str) -> None:
    """Make `bin` hold a link for every console script of the base, and no link for one that is gone.

    There is none for a script of the base's copy of a distribution that the overlay has, too: it has either a successor
    in the overlay or no place there. A file of the overlay's own, such as an editable's console script, is left as it
    is.

    :param venv: the overlay, absolute
    :param base: the prefix of the conda environment, absolute
    :param python: the folder of its Python in `lib`
    """
    launcher = venv / LAUNCHER
    launcher.parent.mkdir(parents=True, exist_ok=True)
    body = _LAUNCHER_BODY.format(base_bin=os.fsencode(base / "bin"), venv=os.fsencode(venv), launcher=LAUNCHER)
    text = with_shebang(venv / "bin" / "python", body)
    launcher.write_text(text, encoding="utf-8", errors="surrogateescape")
    launcher.chmod(0o755)
    wanted = set(console_scripts(base, python)) - _replaced_scripts(venv, base, python)
    target = os.path.join(os.pardir, LAUNCHER)
    for entry in list(os.scandir(venv / "bin")):
        if entry.is_symlink() and os.readlink(entry.path) == target and entry.name not in wanted:
            os.unlink(entry.path)
    for name in wanted:
        script = venv / "bin" / name
        if not os.path.lexists(script):
            os.symlink(target, script)


def console_scripts(base: Path, python: str) -> Iterator[str]:
    """Yield the names of the executable files in the base's `bin` that start the base's own Python.

    :param base: the prefix of the conda environment, absolute
    :param python: the folder of its Python in `lib`
    """
    bin_folder = os.path.realpath(base / "bin")
    metadata = distributions.metadata(site_packages(os.fspath(base), python))
    declared: set[str] = set().union(*(distributions.declared_scripts(path) for _, path in metadata))
    for entry in os.scandir(bin_folder):
        if _CONDA.fullmatch(entry.name) or not entry.is_file() or not os.access(entry.path, os.X_OK):
            continue
        with open(entry.path, "rb") as stream:
            command = shebang(stream.read(1024))
        # That of a copied base still names the original's interpreter.
        is_declared = entry.name in declared and _is_python(command)
        if is_declared or _is_looked_up(command) or _is_in(bin_folder, command):
            yield entry.name


def _replaced_scripts(venv: Path, base: Path, python: str) -> set[str]:
    """Return the names of the base's scripts that come from distributions which the overlay has, too."""
    of_overlay, of_base = (site_packages(os.fspath(prefix), python) for prefix in (venv, base))
    names = {name for name, _ in distributions.metadata(of_overlay)}
    replaced = [path for name, path in distributions.metadata(of_base) if name in names]
    return {script for path in replaced for script in distributions.console_scripts(path)}


def _is_looked_up(command: list[str]) -> bool:
    """Tell for `#!/usr/bin/env python`, which conda writes if the path is too long for a plain first line."""
    interpreter, program, *_ = [*(word for word in command if word != "-S"), "", ""]
    return interpreter == "/usr/bin/env" and program.startswith("python")


def _is_in(bin_folder: str, command: list[str]) -> bool:
    """Tell whether the interpreter is a Python in a folder, given by its real path; a symlink may lead there."""
    return _is_python(command) and os.path.realpath(os.path.dirname(command[0])) == bin_folder


def _is_python(command: list[str]) -> bool:
    return bool(command) and os.path.isabs(command[0]) and os.path.basename(command[0]).startswith("python")


def with_shebang(python: Path, body: str) -> str:
    """Return the text of a script that an interpreter runs, wherever that lies.

    :param python: the interpreter, absolute
    :param body: the script without its first line
    """
    direct = f"#!{python}\n"
    if len(os.fsencode(direct)) <= _LONGEST_SHEBANG and not re.search(r"\s", str(python)):
        return direct + body
    # To the shell, a command; to Python, a string.
    return f"#!/bin/sh\n'''exec' {shlex.quote(str(python))} \"$0\" \"$@\"\n' '''\n{body}"
