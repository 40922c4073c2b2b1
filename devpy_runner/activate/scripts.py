"""What devpy adds to `bin/activate` and `bin/activate.fish` of an overlay, which virtualenv writes.

The part at the top asks devpy, while the variables are still the caller's, for code that activates the base as well;
the part at the end evaluates it. If devpy has gone meanwhile, virtualenv's activation is what is left.
"""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING

from devpy_pip_guard.files import first_line, is_file
from devpy_virtualenv_plugin.layout import ACTIVATE_SCRIPTS
from devpy_virtualenv_plugin.record import replace_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_MARK = "# Made by devpy."
"""How a script begins that has devpy's parts."""

_MODULE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "shell_activation.py")

# With -E, neither PYTHONPATH nor, without its entry in sys.path, the current folder has a say in what is imported; the
# stricter -I would not see a devpy that was installed with `pip install --user`.
_PROGRAM = "import sys; del sys.path[0]; from devpy_runner.shell_activation import main; sys.exit(main())"

# `typeset` and the way to the script's own path are those of bash and zsh; other shells get virtualenv's part alone.
_POSIX_TOP = """\
{mark} In bash and zsh, this activates the conda environment too.
_DEVPY_CODE=
if [ -n "${{BASH_VERSION-}}${{ZSH_VERSION-}}" ]; then
    if [ -n "${{_OLD_VIRTUAL_PATH+x}}" ] && typeset -f deactivate >/dev/null; then
        deactivate
    fi
    if [ ! -x {python} ] || [ ! -f {module} ] ||
        ! _DEVPY_CODE=$({python} -E -c {program} posix "${{BASH_SOURCE:-${{(%):-%x}}}}"); then
        _DEVPY_CODE=
        echo {warning} >&2
    fi
fi

"""
_POSIX_END = """
eval "$_DEVPY_CODE"
unset _DEVPY_CODE
"""
_FISH_TOP = """\
{mark} This activates the conda environment too.
if set -q _OLD_VIRTUAL_PATH; and functions -q deactivate
    deactivate
end
set -g _DEVPY_CODE
if not test -x {python} -a -f {module}
    or not set _DEVPY_CODE ({python} -E -c {program} fish (status filename))
    set _DEVPY_CODE
    echo {warning} >&2
end

"""
_FISH_END = """
string join \\n -- $_DEVPY_CODE | source
set -e _DEVPY_CODE
"""


def extend(folder: Path) -> None:
    """Add devpy's parts to the scripts that virtualenv has written; not all of them need be there.

    :param folder: the overlay's `bin`, absolute
    """
    posix, fish = (folder / name for name in ACTIVATE_SCRIPTS)
    _extend(posix, _POSIX_TOP, _POSIX_END, shlex.quote)
    _extend(fish, _FISH_TOP, _FISH_END, quote_for_fish)


def not_extended(folder: str) -> list[str]:
    """Return the absolute paths of the scripts that activate the overlay alone: virtualenv has written them since.

    :param folder: the overlay's `bin`, absolute
    """
    scripts = [os.path.join(folder, name) for name in ACTIVATE_SCRIPTS]
    return [script for script in scripts if is_file(script) and not _is_extended(script)]


def quote_for_fish(text: str) -> str:
    """Return a word of fish's language that stands for the text, whatever it contains."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _is_extended(script: str) -> bool:
    return first_line(script).startswith(_MARK.encode())


def _extend(script: Path, top: str, end: str, quote: Callable[[str], str]) -> None:
    if not script.exists() or _is_extended(os.fspath(script)):
        return
    warning = f"devpy: warning: the conda environment is not activated: no devpy for {sys.executable}, or it has failed"
    words = {"python": sys.executable, "module": _MODULE, "program": _PROGRAM, "warning": warning}
    ours = top.format_map({"mark": _MARK, **{name: quote(word) for name, word in words.items()}})
    virtualenvs = script.read_text(encoding="utf-8")
    replace_file(os.fspath(script), ours + virtualenvs + end)
