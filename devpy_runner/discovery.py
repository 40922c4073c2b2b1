"""devpy's part in a run of virtualenv: what is behind `--discovery devpy` and `--creator devpy`.

Every run of virtualenv on a machine imports this module, so it needs nothing that virtualenv itself does not import.
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
    """Writes an overlay whose activation scripts activate the base, too."""

    def create(self) -> None:
        """Make the overlay; its activation scripts are extended when the process ends.

        virtualenv writes them after this, and nothing that it documents runs after that. Whoever has called virtualenv
        may extend them before.

        :raises DevpyError: as the overlay's own creator does
        """
        from .activate import scripts

        super().create()
        atexit.register(scripts.extend, self.bin_dir)


class DevpyDiscovery(Discover):
    """Finds the base's interpreter through the same hooks as the `devpy` command."""

    def __init__(self, options: VirtualEnvOptions) -> None:
        super().__init__(options)
        self.config_option: str | None = options.devpy_config
        self.environ = os.environ if options.env is None else options.env

    @classmethod
    def add_parser_arguments(cls, parser: ArgumentParser) -> None:
        """Add the option that names another config file than the devpy.toml at the worktree root."""
        creator.add_config_option(parser)

    def run(self) -> PythonInfo | None:
        """Return what virtualenv knows of the base's interpreter.

        :raises DevpyError: if devpy.toml is missing or broken, or names no usable conda environment
        """
        # Imported here, so that nobody else who runs virtualenv pays for it.
        from virtualenv.discovery.py_info import PythonInfo

        from devpy_pip_guard.config import FILE_NAME, load

        from .base.prefix import check_prefix
        from .plugin.manager import find_base
        from .worktree import find_root

        config = load(self.config_option or os.path.join(find_root(os.getcwd(), self.environ), FILE_NAME))
        base = find_base(config.base, self.environ)
        check_prefix(base.prefix)
        return PythonInfo.from_exe(os.path.join(base.prefix, "bin", "python"))
