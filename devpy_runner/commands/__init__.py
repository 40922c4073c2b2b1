"""devpy's own commands, a module each: its docstring is the help, `OPTIONS` its options, `execute` its work."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType, SimpleNamespace
    from typing import Any

    from devpy_pip_guard.config import Config

    Options = dict[str, dict[str, Any]]
    """By their spellings, separated by spaces, what `ArgumentParser.add_argument` is told of each."""


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


def parse(name: str, module: ModuleType, arguments: list[str]) -> SimpleNamespace:
    """Return the values of a command's options.

    :param name: the command's
    :param module: the command's
    :param arguments: what follows it on the command line
    :raises SystemExit: for `--help`, and with status 2 for an option that the command does not have
    """
    from types import SimpleNamespace

    options: Options = module.OPTIONS
    if not arguments:  # most often; importing argparse takes longer than what some commands do
        return SimpleNamespace(**{_key(spellings): _default(settings) for spellings, settings in options.items()})
    from argparse import ArgumentParser

    parser = ArgumentParser(prog=f"devpy {name}", description=module.__doc__)
    for spellings, settings in options.items():
        parser.add_argument(*spellings.split(), **settings)
    return SimpleNamespace(**vars(parser.parse_args(arguments)))


def _key(spellings: str) -> str:
    return spellings.split()[-1].lstrip("-").replace("-", "_")


def _default(settings: dict[str, Any]) -> object:
    if settings.get("nargs") == "*":
        return []
    return False if settings.get("action") == "store_true" else None
