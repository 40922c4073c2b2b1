"""The discovery behind `virtualenv --discovery devpy`: the interpreter of the environment that devpy.toml names.

Every run of virtualenv on a machine imports this module, so it needs nothing that virtualenv itself does not import.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from virtualenv.discovery.discover import Discover

from devpy_virtualenv_plugin.creator import add_config_option

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from python_discovery import PythonInfo
    from virtualenv.config.cli.parser import VirtualEnvOptions


class DevpyDiscovery(Discover):
    """Finds the base's interpreter through the same hooks as the `devpy` command."""

    def __init__(self, options: VirtualEnvOptions) -> None:
        super().__init__(options)
        self.config_option: str | None = options.devpy_config
        self.environ = os.environ if options.env is None else options.env

    @classmethod
    def add_parser_arguments(cls, parser: ArgumentParser) -> None:
        """Add the option that names another config file than the devpy.toml at the worktree root."""
        add_config_option(parser)

    def run(self) -> PythonInfo | None:
        """Return what virtualenv knows of the base's interpreter.

        :raises DevpyError: if devpy.toml is missing or broken, or names no usable conda environment
        """
        # Imported here, so that nobody else who runs virtualenv pays for it.
        from virtualenv.discovery.py_info import PythonInfo

        from devpy_pip_guard.config import FILE_NAME, load

        from .plugins import find_base
        from .prefix import check_prefix
        from .worktree import find_root

        config = load(self.config_option or os.path.join(find_root(os.getcwd(), self.environ), FILE_NAME))
        base = find_base(config.base, self.environ)
        check_prefix(base.prefix)
        return PythonInfo.from_exe(os.path.join(base.prefix, "bin", "python"))
