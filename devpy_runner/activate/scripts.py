"""What devpy adds to `bin/activate` and `bin/activate.fish` of an overlay, which virtualenv writes.

The lines at the top ask devpy for code that activates the base, while the variables are still the caller's. The lines
at the end evaluate that code. If devpy is no longer installed, virtualenv's activation alone takes place.
"""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING

from devpy_pip_guard.files import beginning, is_file
from devpy_virtualenv_plugin.layout import ACTIVATE_SCRIPTS
from devpy_virtualenv_plugin.record import replace_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_MARK = "# Made by devpy."
"""How a script begins that devpy has extended."""

_MODULE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "shell_activation.py")

# Nothing is imported from PYTHONPATH (-E) or from the current folder (no entry in sys.path). -I would do the same, but
# also hide a devpy that was installed with `pip install --user`.
_PROGRAM = "import sys; del sys.path[0]; from devpy_runner.shell_activation import main; sys.exit(main())"

# bash and zsh alone have `typeset` and tell a script its path; other shells get virtualenv's activation alone.
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
    """Add devpy's lines to the scripts that virtualenv has written, those of them that exist.

    :param folder: the overlay's `bin`, absolute
    """
    posix, fish = (folder / name for name in ACTIVATE_SCRIPTS)
    _extend(posix, _POSIX_TOP, _POSIX_END, shlex.quote)
    _extend(fish, _FISH_TOP, _FISH_END, quote_for_fish)


def not_extended(folder: str) -> list[str]:
    """Return the absolute paths of the scripts without devpy's lines: virtualenv has written them anew.

    :param folder: the overlay's `bin`, absolute
    """
    scripts = [os.path.join(folder, name) for name in ACTIVATE_SCRIPTS]
    return [script for script in scripts if is_file(script) and not _is_extended(script)]


def quote_for_fish(text: str) -> str:
    """Quote a text as one word for fish."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _is_extended(script: str) -> bool:
    return beginning(script).startswith(_MARK.encode())


def _extend(script: Path, top: str, end: str, quote: Callable[[str], str]) -> None:
    if not script.exists() or _is_extended(os.fspath(script)):
        return
    warning = f"devpy: warning: the conda environment is not activated: no devpy for {sys.executable}, or it has failed"
    words = {"python": sys.executable, "module": _MODULE, "program": _PROGRAM, "warning": warning}
    opening = top.format_map({"mark": _MARK, **{name: quote(word) for name, word in words.items()}})
    replace_file(os.fspath(script), opening + script.read_text(encoding="utf-8") + end)
