"""devpy's plugins of virtualenv, for `--discovery devpy` and `--creator devpy`.

Every run of virtualenv imports this module, so it imports nothing that virtualenv does not import itself.
"""

from __future__ import annotations

import atexit
import os
from typing import TYPE_CHECKING

from virtualenv.discovery.discover import Discover

from devpy_virtualenv_plugin import creator

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from python_discovery import PythonInfo
    from virtualenv.config.cli.parser import VirtualEnvOptions


class DevpyCreator(creator.DevpyCreator):
    """Makes an overlay whose activation scripts activate the base as well."""

    def create(self) -> None:
        """Make the overlay; its activation scripts are extended when the process ends.

        virtualenv writes the scripts after it has called this, and calls nothing documented after that. Code that uses
        virtualenv as a library may extend them earlier.

        :raises DevpyError: as the overlay's own creator does
        """
        from .activate import scripts

        super().create()
        atexit.register(scripts.extend, self.bin_dir)


class DevpyDiscovery(Discover):
    """Finds the base's interpreter by the same hooks as the `devpy` command."""

    def __init__(self, options: VirtualEnvOptions) -> None:
        super().__init__(options)
        self.config_option: str | None = options.devpy_config
        self.environ = os.environ if options.env is None else options.env

    @classmethod
    def add_parser_arguments(cls, parser: ArgumentParser) -> None:
        """Add the option that names a config file to use instead of the devpy.toml at the worktree root."""
        creator.add_config_option(parser)

    def run(self) -> PythonInfo | None:
        """Return virtualenv's description of the base's interpreter.

        :raises DevpyError: if devpy.toml is missing or broken, or names no usable conda environment
        """
        # Not at the top: other runs of virtualenv should not pay for these imports.
        from virtualenv.discovery.py_info import PythonInfo

        from devpy_pip_guard.config import FILE_NAME, load

        from .base.prefix import check_prefix
        from .plugin.manager import find_base
        from .worktree import find_root

        config = load(self.config_option or os.path.join(find_root(os.getcwd(), self.environ), FILE_NAME))
        base = find_base(config.base, self.environ)
        check_prefix(base.prefix)
        return PythonInfo.from_exe(os.path.join(base.prefix, "bin", "python"))
