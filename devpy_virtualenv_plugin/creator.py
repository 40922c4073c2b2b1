"""The creator behind `virtualenv --creator devpy`.

Every run of virtualenv on a machine imports this module, so it needs nothing that virtualenv itself does not import.
"""

from __future__ import annotations

import os
import re
import sys
from argparse import ArgumentError
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from virtualenv.create.creator import Creator, CreatorMeta
from virtualenv.create.describe import Describe

from devpy_pip_guard.errors import DevpyError

from . import OLDEST_PYTHON, __version__

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from python_discovery import PythonInfo
    from virtualenv.app_data.base import AppData
    from virtualenv.config.cli.parser import VirtualEnvOptions

    from .base_python import BasePython
    from .record import Record

CONFIG_OPTION = "--devpy-config"

_CACHEDIR_TAG = """\
Signature: 8a477f597d28d172789f06886806bc55
# devpy makes this folder anew at any time: devpy update-editables
# What the first line means: https://bford.info/cachedir/
"""


class DevpyCreator(Creator, Describe):
    """Writes an overlay: a virtual environment that sees everything that its conda environment holds.

    It uses only what virtualenv's plugin reference documents: the constructor, `create` and the class methods. The
    reference does not say when and how often virtualenv calls `set_pyenv_cfg`, so it may do so at any time.
    """

    def __init__(self, options: VirtualEnvOptions, interpreter: PythonInfo) -> None:
        Creator.__init__(self, options, interpreter)
        Describe.__init__(self, self.dest, interpreter)
        self.config_option: str | None = options.devpy_config
        self.base = _base_of(interpreter)
        # virtualenv itself would delete the destination before `create` can tell whose it is.
        self._is_to_be_emptied, self.clear = self.clear, False
        self.venv_redirect = False  # devpy.toml says where the overlay is
        options.no_seed = True  # the base's pip serves the overlay

    @classmethod
    def can_create(cls, interpreter: PythonInfo) -> CreatorMeta | None:
        """Accept any CPython and PyPy on POSIX: only `create` can say why it refuses one.

        It accepts no other Python: this creator would be the default where virtualenv has none of its own.
        """
        fits = interpreter.implementation in ("CPython", "PyPy") and os.name == "posix"
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

    def create(self) -> None:
        """Make the overlay, once it is certain that it can be made; it is complete when this returns.

        virtualenv adds its activation scripts afterwards.

        :raises DevpyError: if the interpreter is not conda's or cannot carry an overlay, the destination is not
            devpy's to write, or devpy.toml is missing or broken
        """
        # Imported here: a virtualenv that makes no overlay need not load it.
        from . import base_scripts, record, startup
        from .base_python import refuse_unfit
        from .lock import empty, locked

        _refuse_other_than_conda(self.base)
        refuse_unfit(self._python)
        _refuse_foreign(self.dest)
        pyvenv_cfg = _as_text(self._pyvenv_cfg)  # a devpy.toml that is broken ends it here, before anything is written
        _warn_of_untested(self._python)
        with locked(os.fspath(self.dest)):
            if self._is_to_be_emptied or not self._is_for_this_python():
                empty(os.fspath(self.dest))
            unfinished = self._unfinished_record()
            record.write(unfinished)
            self._discard_activate_scripts()
            self._write_tags()
            # It comes before the interpreter, which without it would run as the base's, and write to the base.
            record.replace_file(os.fspath(self.dest / "pyvenv.cfg"), pyvenv_cfg)
            self._link_interpreter()
            self.purelib.mkdir(parents=True, exist_ok=True)
            startup.write(self.purelib, self._base_site_packages, self.exe, has_tomllib=self._python.minor >= (3, 11))
            scripts, replaced = base_scripts.link(self.dest, self.base, self._python.name)
            stamp = record.site_stamp(os.fspath(self.purelib))
            complete = unfinished._replace(complete=True, built=True, site_stamp=stamp)
            record.write(complete._replace(scripts=scripts, replaced_scripts=replaced))

    def set_pyenv_cfg(self) -> None:
        """Fill in what virtualenv writes to pyvenv.cfg when it has finished: what `create` has written there."""
        for key, value in self._pyvenv_cfg.items():
            self.pyenv_cfg[key] = value

    @cached_property
    def _pyvenv_cfg(self) -> dict[str, str]:
        """The keys of pyvenv.cfg (PEP 405), and devpy's own."""
        from devpy_pip_guard.pyvenv_cfg import CONFIG_KEY

        version = [str(part) for part in self.interpreter.version_info]
        return {
            "home": os.fspath(self.base / "bin"),
            # An absent key would mean true; the bridge lets in the base but not the user's own site-packages.
            "include-system-site-packages": "false",
            "implementation": self.interpreter.implementation,
            "version": ".".join(version[:3]),
            "version_info": ".".join(version),
            "devpy": __version__,
            CONFIG_KEY: self._config_file,
            "devpy-base": os.fspath(self.base),
        }

    @cached_property
    def _config_file(self) -> str:
        """The devpy.toml or stack config that governs the overlay, absolute."""
        from devpy_pip_guard.config import load

        return load(self.config_option or _nearest_config(self.dest)).file

    @cached_property
    def _python(self) -> BasePython:
        from .base_python import BasePython

        version = ".".join(str(part) for part in self.interpreter.version_info[:3])
        return BasePython(os.fspath(self.base), self.interpreter.implementation, version, self.purelib.parent.name)

    @property
    def _base_site_packages(self) -> Path:
        """The base's site-packages: conda lays out every environment as an overlay is laid out."""
        return self.base / self.purelib.relative_to(self.dest)

    def _is_for_this_python(self) -> bool:
        """Tell whether what is in the overlay was installed for this Python; for another one, it is of no use."""
        from . import record

        previous = record.read(os.fspath(self.dest))
        return previous is not None and previous.python == self._python.name

    def _unfinished_record(self) -> Record:
        """Return the record of an overlay that is being made; it is devpy's mark as well."""
        from . import record

        venv = os.fspath(self.dest)
        previous = record.read(venv)
        kept = previous if previous is not None and previous.venv == venv else None
        return record.Record(
            version=__version__,
            complete=False,
            built=False,
            venv=venv,
            config=self._config_file,
            base_name="",  # the plugin cannot tell whether the name leads to this base
            base=os.fspath(self.base),
            base_stamp=record.base_stamp(os.fspath(self.base)),
            python=self._python.name,
            editables=kept.editables if kept is not None else {},
            has_deps=False,  # the base may have lost some
            site_stamp="",
            native_sources=kept.native_sources if kept is not None else {},
            missing=kept.missing if kept is not None else (),
        )

    def _discard_activate_scripts(self) -> None:
        """Remove the scripts, so that virtualenv writes new ones: a shell may still be reading the old files."""
        from .layout import ACTIVATE_SCRIPTS

        for name in ACTIVATE_SCRIPTS:
            (self.bin_dir / name).unlink(missing_ok=True)

    def _write_tags(self) -> None:
        """Tell backup programs and git to skip the overlay; not every virtualenv does so by itself."""
        texts = {"CACHEDIR.TAG": _CACHEDIR_TAG}
        if not self.no_vcs_ignore:
            texts[".gitignore"] = "*\n"
        for name, text in texts.items():
            if not (self.dest / name).exists():
                (self.dest / name).write_text(text, encoding="ascii")

    def _link_interpreter(self) -> None:
        """Link to the interpreter by the name with its version, so that another minor version leaves the link dangling.

        A copy would not do: conda's interpreters look for their shared library beside them. Every name that the base
        has for its interpreter is a link in the overlay, such as that of a free-threaded build (`python3.13t`).
        """
        from devpy_pip_guard.files import names_in

        self.bin_dir.mkdir(exist_ok=True)
        _symlink(self.base / "bin" / self._python.name, self.exe)
        versioned = re.compile(r"python{}\.{}[a-z]*".format(*self._python.minor))
        names = {name for name in names_in(os.fspath(self.base / "bin")) if versioned.fullmatch(name)}
        for name in names | {self._python.name, "python3"}:
            _symlink(Path(self.exe.name), self.bin_dir / name)


def _base_of(interpreter: PythonInfo) -> Path:
    """Return the prefix of the conda environment in which an interpreter was found.

    Its program may be a link into another environment, which it would itself take for its prefix.
    """
    found_in = Path(interpreter.executable).parent.parent
    return found_in if (found_in / "conda-meta").is_dir() else Path(interpreter.system_prefix)


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


def _as_text(pyvenv_cfg: dict[str, str]) -> str:
    return "".join(f"{key} = {value}\n" for key, value in pyvenv_cfg.items())


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


def _warn_of_untested(python: BasePython) -> None:
    from .base_python import UPGRADE, untested

    problem = untested(python)
    if problem and sys.stderr is not None:
        print(f"devpy: warning: {problem}\n  {UPGRADE}", file=sys.stderr)


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
