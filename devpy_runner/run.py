"""Running a command in the worktree's environment: the main path.

Every command goes through here, so nothing is imported that a run with a valid record does not need.
"""

from __future__ import annotations

import os

from devpy_pip_guard.errors import DevpyError

from .activate import environment
from .activate.execution import caller_environ, execute
from .records import run_record
from .worktree import current_folder, find_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_INSTALLERS = ("pip", "uv", "setup.py", "conda", "mamba")


def run(command: list[str], cwd: str | None, *, sync: bool) -> NoReturn:
    """Replace this process with a command in the worktree's environment.

    :param command: the command and its arguments
    :param cwd: where to run it, relative to the current folder; None for the worktree root
    :param sync: whether to bring the overlay up to date first
    :raises DevpyError: if there is no worktree, no valid devpy.toml or no usable overlay
    """
    environ = caller_environ()
    root = find_root(current_folder(), environ)
    known = run_record.read(root, environ)
    folder = root if cwd is None else _folder(root, cwd)
    relative = folder if environ.get("PYTHONPATH") else root  # what its entries start from
    if known is None or relative != root or not known.holds(environ):
        from .settle import settle

        known = settle(root, environ, folder, sync=sync)
    if any(name in word for word in command for name in _INSTALLERS):
        from .refusal import refuse_install

        refuse_install(command, known.config, known.base, folder)
    env = environment.of(known.venv, known.base, known.settings, known.variables, folder, environ)
    execute(command, env.activation, first_on_path=env.bin, additions=env.variables, cwd=env.cwd)


def _folder(root: str, cwd: str) -> str:
    """Return the folder to run in, absolute; it may lie outside every worktree, but not in another one of devpy's."""
    from .worktree import find_other_root, is_managed_elsewhere

    folder = os.path.realpath(cwd)
    if not cwd or not os.path.isdir(folder):
        raise DevpyError(f"--cwd {cwd}: not a directory", "name an existing one")
    other = find_other_root(folder, root, os.environ)
    if other is not None and is_managed_elsewhere(other, root):
        raise DevpyError(f"--cwd {cwd}: in another worktree, {other}", f"cd {folder}, then run devpy there")
    return folder
