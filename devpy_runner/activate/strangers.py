"""Python programs on PATH that are neither the overlay's nor the base's: they see nothing of either.

Where a shell reads the base's activation scripts, `activated.sh` does the same.
"""

from __future__ import annotations

import os

from devpy_pip_guard.files import beginning, shebang

_PYTHONS = ("python", "pypy")
_OTHERS = ("devpy", "conda", "mamba")
"""Programs that are meant to run on a Python of their own, with what is called like one of them and a dash."""


def warning(name: str, program: str, pyenv_root: str) -> str:
    """Return what to tell the user before a program runs that is neither the overlay's nor the base's.

    :param name: as the user has typed it
    :param program: what it has led to on PATH
    :param pyenv_root: the value of PYENV_ROOT, empty if it is not set
    :return: an empty text unless it is a Python, runs on a certain one or leads to one
    """
    if name in _OTHERS or name.startswith(tuple(f"{other}-" for other in _OTHERS)):
        return ""
    is_python = name.startswith(_PYTHONS)
    if not (is_python or _runs_on_python(program) or _is_shim(program, pyenv_root)):
        return ""
    problem = f"{name}: neither the overlay nor the base has it, so this runs {program}, on another Python"
    install = "to have it here, install what provides it: devpy pip install …"
    mend = "this worktree's own Python: devpy python" if is_python else install
    return f"warning: {problem}\n  {mend}"


def _runs_on_python(program: str) -> bool:
    """Tell whether a script names its Python by a path; `#!/usr/bin/env python` finds the overlay's."""
    interpreter = [*shebang(beginning(program)), ""][0]
    return os.path.basename(interpreter).startswith(_PYTHONS)


def _is_shim(program: str, pyenv_root: str) -> bool:
    """Tell whether a program is one of pyenv's, which looks for a Python of its own that has it."""
    folder = os.path.dirname(program)
    usual = folder.endswith(("/pyenv/shims", "/.pyenv/shims"))
    return usual or (pyenv_root != "" and folder == os.path.join(pyenv_root, "shims"))
