"""Running a command in the worktree's environment: the main path.

Every command goes through here, so this imports nothing that a run with a valid run cache does not need.
"""

from __future__ import annotations

import os

from devpy_pip_guard.errors import DevpyError

from .activate.environment import worktree_environment
from .activate.execution import caller_environ, execute
from .records import run_cache
from .worktree import current_root

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
    root = current_root(environ)
    cache = run_cache.read(root, environ)
    folder = root if cwd is None else _folder(root, cwd)
    if cache is None or not run_cache.serves(root, folder, environ) or not cache.holds(environ):
        from .settle import settle

        cache = settle(root, environ, folder, sync=sync)
    if any(name in word for word in command for name in _INSTALLERS):
        from .refusal import refuse_install

        refuse_install(command, cache.config, cache.base, folder)
    env = worktree_environment(cache.venv, cache.base, cache.settings, cache.variables, folder, environ)
    execute(command, env.activation, first_on_path=env.first_on_path, additions=env.variables, cwd=env.cwd)


def _folder(root: str, cwd: str) -> str:
    """Return the folder to run in, absolute.

    :raises DevpyError: if there is no such folder, or it lies in another worktree that devpy is for
    """
    from .worktree import find_other_worktree

    folder = os.path.realpath(cwd)
    if not cwd or not os.path.isdir(folder):
        raise DevpyError(f"--cwd {cwd}: not a directory", "name an existing one")
    other_root = find_other_worktree(folder, root, os.environ)
    if other_root is not None:
        from devpy_virtualenv_plugin.mends import command

        raise DevpyError(
            f"--cwd {cwd}: in another worktree, {other_root}", f"{command('cd', folder)}, then run devpy there"
        )
    return folder
