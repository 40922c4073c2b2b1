"""The Python of a base, and whether an overlay can be made on it."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

from devpy_pip_guard.errors import DevpyError

from . import NEWEST_PYTHON, OLDEST_PYTHON
from .mends import command, conda_install

_UPGRADE = command(sys.executable, "-m", "pip", "install", "--upgrade", "devpy-runner")
UPGRADE = f"see whether a newer devpy knows it: {_UPGRADE}"
"""What to do about a Python that is newer than this devpy."""


class BasePython(NamedTuple):
    """What the interpreter of a base says of itself."""

    prefix: str
    """Of the conda environment, absolute."""
    implementation: str
    """As `platform.python_implementation` has it."""
    version: str
    """Such as `3.13.1`."""
    name: str
    """Of its folder in `lib` and of its program in `bin`: `python3.13`, or `python3.13t` if it is free-threaded."""

    @property
    def minor(self) -> tuple[int, int]:
        """The version without what no overlay depends on, such as `(3, 13)`."""
        major, minor = self.version.split(".")[:2]
        return int(major), int(minor)


def refuse_unfit(python: BasePython) -> None:
    """Refuse a Python on which no overlay can be made.

    :raises DevpyError: if it is not CPython, is too old, or has no program of its name
    """
    program = os.path.join(python.prefix, "bin", python.name)
    if python.implementation != "CPython":
        problem = f"{python.prefix}: its Python is {python.implementation}, and devpy works with CPython alone"
        raise DevpyError(problem, "name another environment in devpy.toml, made by: conda create -n NAME python pip")
    if python.minor < OLDEST_PYTHON:
        mend = conda_install(python.prefix, "python>={}.{}".format(*OLDEST_PYTHON))
        raise DevpyError(f"{python.prefix}: Python {python.version} is too old", mend)
    if not os.path.isfile(program):
        raise DevpyError(f"{program}: no such file", conda_install(python.prefix, "--force-reinstall", "python"))


def untested(python: BasePython) -> str:
    """Return what to warn of if a Python is newer than those that devpy was tested with; else an empty text."""
    if python.minor <= NEWEST_PYTHON:
        return ""
    newest = "{}.{}".format(*NEWEST_PYTHON)
    return f"{python.prefix}: Python {python.version} is newer than what this devpy was tested with, up to {newest}"
