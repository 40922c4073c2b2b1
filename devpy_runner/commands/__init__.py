"""devpy's own commands, a module each.

A module's docstring is the help of its command, `add_options` declares the options, and `execute` runs the command.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from types import ModuleType

    from devpy_pip_guard.config import Config


def current_root() -> str:
    """Return the root of the worktree that devpy was started in, absolute.

    :raises DevpyError: if there is none
    """
    import os

    from .. import worktree

    return worktree.current_root(os.environ)


def current_worktree() -> tuple[str, Config]:
    """Return the root of the worktree that devpy was started in, absolute, and what its devpy.toml says.

    :raises DevpyError: if there is no worktree or no valid devpy.toml
    """
    import os

    from devpy_pip_guard.config import FILE_NAME, load_repository

    root = current_root()
    return root, load_repository(os.path.join(root, FILE_NAME))


def parse(name: str, module: ModuleType, arguments: list[str]) -> Namespace:
    """Return the values of a command's options.

    :param name: the command's name
    :param module: the command's module
    :param arguments: what follows the command on the command line
    :raises SystemExit: for `--help`, and with status 2 for an option that the command does not have
    """
    from argparse import ArgumentParser

    parser = ArgumentParser(prog=f"devpy {name}", description=module.__doc__)
    module.add_options(parser)
    return parser.parse_args(arguments)
