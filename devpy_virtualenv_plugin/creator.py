"""The creator behind `virtualenv --creator devpy`.

Every run of virtualenv on a machine imports this module, so it needs nothing that virtualenv itself does not import.
"""

from __future__ import annotations

import os
from argparse import ArgumentError
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from virtualenv.create.creator import Creator, CreatorMeta
from virtualenv.create.describe import Describe
from virtualenv.create.pyenv_cfg import PyEnvCfg

from devpy_pip_guard.errors import DevpyError

from . import OLDEST_PYTHON, __version__

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable

    from python_discovery import PythonInfo
    from virtualenv.app_data.base import AppData
    from virtualenv.config.cli.parser import VirtualEnvOptions

CONFIG_OPTION = "--devpy-config"


class DevpyCreator(Creator, Describe):
    """Writes an overlay: a virtual environment that sees everything that its conda environment holds."""

    def __init__(self, options: VirtualEnvOptions, interpreter: PythonInfo) -> None:
        Creator.__init__(self, options, interpreter)
        Describe.__init__(self, self.dest, interpreter)
        self.config_option: str | None = options.devpy_config
        self.base = Path(interpreter.system_prefix)
        self.pyenv_cfg: _LastStep = _LastStep(self.pyenv_cfg.content, self.pyenv_cfg.path)
        self.venv_redirect = False  # devpy.toml says where the overlay is
        options.no_seed = True  # the base's pip serves the overlay

    @classmethod
    def can_create(cls, interpreter: PythonInfo) -> CreatorMeta | None:
        """Accept any CPython on POSIX: only `create` can say why it refuses one that is not conda's."""
        fits = interpreter.implementation == "CPython" and os.name == "posix"
        return CreatorMeta() if fits and interpreter.version_info[:2] >= OLDEST_PYTHON else None

    @classmethod
    def can_describe(cls, interpreter: PythonInfo) -> bool:  # noqa: ARG003 - the signature is virtualenv's
        """Decline to describe environments for other creators."""
        return False

    @classmethod
    def add_parser_arguments(
        cls, parser: ArgumentParser, interpreter: PythonInfo, meta: CreatorMeta, app_data: AppData
    ) -> None:
        """Add the option that names another config file than the devpy.toml beside the overlay."""
        super().add_parser_arguments(parser, interpreter, meta, app_data)
        add_config_option(parser)

    @classmethod
    def exe_stem(cls) -> str:
        """Return the name of the interpreter in `bin`."""
        return "python"

    def run(self) -> None:
        """Make the overlay, once it is certain that it can be made: with `--clear`, virtualenv begins by deleting.

        :raises DevpyError: if the interpreter is not conda's, the destination is not devpy's to write, or devpy.toml
            is missing or broken
        """
        # Imported here, so that nobody else who runs virtualenv pays for it.
        from devpy_pip_guard.config import load

        from .lock import empty, locked

        _refuse_other_than_conda(self.base)
        _refuse_foreign(self.dest)
        self.config_file = load(self.config_option or _nearest_config(self.dest)).file
        with locked(os.fspath(self.dest)):
            if self.clear:  # virtualenv itself would remove the lock, too, and the mark before the rest
                empty(os.fspath(self.dest))
                self.clear = False
            super().run()

    def create(self) -> None:
        """Write the overlay, all but what virtualenv writes for every creator."""
        from . import activate_scripts, base_scripts, startup

        self._begin()
        activate_scripts.discard(self.bin_dir)
        self._write_pyenv_cfg()
        self._link_interpreter()
        self.purelib.mkdir(parents=True, exist_ok=True)
        startup.write(self.purelib, self._base_site_packages, self.exe, has_tomllib=self._python >= (3, 11))
        base_scripts.link(self.dest, self.base)
        self.pyenv_cfg.last = self._finish

    def set_pyenv_cfg(self) -> None:
        """Fill pyvenv.cfg: virtualenv's keys, and devpy's."""
        super().set_pyenv_cfg()
        # An absent key would mean true; the bridge lets in the base but not the user's own site-packages.
        self.pyenv_cfg["include-system-site-packages"] = "false"
        self.pyenv_cfg["devpy"] = __version__
        self.pyenv_cfg["devpy-config"] = self._record.config
        self.pyenv_cfg["devpy-base"] = self._record.base

    @property
    def _python(self) -> tuple[int, int]:
        version = self.interpreter.version_info
        return version.major, version.minor

    @property
    def _base_site_packages(self) -> Path:
        """The base's site-packages: conda lays out every environment as an overlay is laid out."""
        return self.base / self.purelib.relative_to(self.dest)

    def _begin(self) -> None:
        """Leave devpy's mark, and the record that something unfinished is here."""
        from . import record

        self.dest.mkdir(parents=True, exist_ok=True)
        venv = os.fspath(self.dest)
        old = record.read(venv)
        kept = old if old is not None and old.venv == venv else None
        self._record = record.Record(
            version=__version__,
            complete=False,
            built=False,
            venv=venv,
            config=self.config_file,
            base_name="",  # whether the name leads to this base, the plugin cannot tell
            base=os.fspath(self.base),
            base_stamp=record.base_stamp(os.fspath(self.base)),
            editables=kept.editables if kept else {},
            has_deps=False,  # the base may have lost some
            site_stamp="",
        )
        record.write(self._record)

    def _finish(self) -> None:
        """Add to what virtualenv has written for every creator, and record that the overlay is complete."""
        from . import activate_scripts, record

        activate_scripts.extend(self.bin_dir)
        stamp = record.site_stamp(os.fspath(self.dest))
        record.write(self._record._replace(complete=True, built=True, site_stamp=stamp))

    def _write_pyenv_cfg(self) -> None:
        """Write pyvenv.cfg ahead of the interpreter, which without it would run as the base, and write to the base."""
        self.set_pyenv_cfg()
        self.pyenv_cfg.write()

    def _link_interpreter(self) -> None:
        """Link to the interpreter, whose own name holds its version: another minor version leaves the link dangling.

        A copy would not do, since conda's interpreters find their shared library from where they lie.
        """
        versioned = "python{}.{}".format(*self._python)
        self.bin_dir.mkdir(exist_ok=True)
        _symlink(self.base / "bin" / versioned, self.exe)
        for name in ("python3", versioned):
            _symlink(Path(self.exe.name), self.bin_dir / name)


class _LastStep(PyEnvCfg):
    """The pyvenv.cfg that virtualenv writes when all else is done, and the step to take after that."""

    last: Callable[[], None] | None = None

    def write(self) -> None:
        super().write()
        if self.last is not None:
            self.last()


def add_config_option(parser: ArgumentParser) -> None:
    """Add `--devpy-config`, unless the discovery has already added it for the creator or the other way round."""
    with suppress(ArgumentError):
        parser.add_argument(
            CONFIG_OPTION,
            dest="devpy_config",
            metavar="file",
            default=None,
            help="the devpy.toml or stack config that governs the overlay - by default the nearest devpy.toml",
        )


def _nearest_config(dest: Path) -> str:
    from devpy_pip_guard.config import FILE_NAME

    for folder in dest.parents:
        if (folder / FILE_NAME).is_file():
            return os.fspath(folder / FILE_NAME)
    return os.fspath(dest.parent / FILE_NAME)


def _refuse_other_than_conda(prefix: Path) -> None:
    if not (prefix / "conda-meta").is_dir():
        mend = "add --discovery devpy to take the one that devpy.toml names, or --python PREFIX/bin/python"
        raise DevpyError(f"{prefix} is not a conda environment", mend)


def _refuse_foreign(dest: Path) -> None:
    from .record import is_marked, is_vacant

    if not is_vacant(os.fspath(dest)) and not is_marked(os.fspath(dest)):
        raise DevpyError(f"{dest} was not made by devpy", "remove or rename it, then try again")


def _symlink(target: Path, link: Path) -> None:
    """Make or replace a link, such that at any moment one is there."""
    temporary = link.with_name(f"{link.name}.new")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(link)
