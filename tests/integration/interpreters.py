"""Find the CPythons of this machine, out of which the test channel's `python` packages are made."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

MINORS = range(8, 20)
PREFERRED = 11
PYTHONS = "DEVPY_TEST_PYTHONS"
"""The variable that names more of them: prefixes or programs, separated as in PATH."""

_DESCRIBE = """
import importlib.util, json, platform, sys, sysconfig
print(json.dumps({
    "version": platform.python_version(),
    "cpython": platform.python_implementation() == "CPython",
    "prefix": sys.base_prefix,
    "stdlib": sysconfig.get_path("stdlib"),
    "purelib": sysconfig.get_path("purelib", vars={"base": sys.base_prefix}),
    "shared_library": sysconfig.get_config_var("Py_ENABLE_SHARED") and sysconfig.get_config_var("INSTSONAME"),
    "has_pip": importlib.util.find_spec("pip") is not None,
}))
"""


class Interpreter(NamedTuple):
    """A CPython whose files can be copied."""

    version: str
    """Such as `3.11.7`."""
    prefix: Path
    """The absolute folder that holds its `bin`, `lib` and `include`."""
    shared_library: str
    """The file name of libpython in `lib`, or the empty string if the program contains it."""
    has_pip: bool

    @property
    def minor(self) -> str:
        """The version as `3.X`."""
        return ".".join(self.version.split(".")[:2])

    @property
    def program(self) -> Path:
        return self.prefix / "bin" / f"python{self.minor}"

    @property
    def stdlib(self) -> Path:
        return self.prefix / "lib" / f"python{self.minor}"

    @property
    def pip(self) -> list[str]:
        """The command that runs pip on it, the one of the tests' Python if it has none."""
        own = [str(self.program), "-I", "-m", "pip"]
        return own if self.has_pip else [sys.executable, "-I", "-m", "pip", "--python", str(self.program)]


def find(minor: str) -> Interpreter:
    """Return this machine's CPython `minor` (such as `3.8`), or skip the test that asks for it.

    A CI machine with pyenv is meant to have them all, up to the newest that it has: there the test fails instead.
    """
    interpreter = _usable(minor)
    if interpreter is not None:
        return interpreter
    places = f"in {PYTHONS}, under {_pyenv_versions()}, on PATH nor running the tests"
    problem = f"no CPython {minor} to copy: neither {places}"
    if os.environ.get("CI") == "true" and _number(minor) <= max(_in_pyenv(), default=0):
        pytest.fail(problem)
    pytest.skip(problem)


def default() -> str:
    """Return the version `3.X` nearest to 3.11 that `find` finds."""
    nearest_first = sorted(MINORS, key=lambda number: abs(number - PREFERRED))
    return next((f"3.{number}" for number in nearest_first if _usable(f"3.{number}")), f"3.{PREFERRED}")


@functools.cache
def _usable(minor: str) -> Interpreter | None:
    described = (_describe(program) for program in _candidates(minor))
    return next((each for each in described if each is not None and each.minor == minor), None)


def _candidates(minor: str) -> list[str]:
    """Return the programs that may be a CPython `minor`."""
    given = [entry for entry in os.environ.get(PYTHONS, "").split(os.pathsep) if entry]
    programs = [f"{entry}/bin/python{minor}" if os.path.isdir(entry) else entry for entry in given]
    pyenv = sorted(str(path) for path in _pyenv_versions().glob(f"*/bin/python{minor}"))
    on_path = shutil.which(f"python{minor}")
    running = sys.executable if minor == f"3.{sys.version_info.minor}" else None
    return [*filter(os.path.isfile, programs), *pyenv, *(program for program in (running, on_path) if program)]


def _in_pyenv() -> list[int]:
    """Return the minor versions that pyenv has."""
    return [_number(path.name) for path in _pyenv_versions().glob("3.*")]


def _number(version: str) -> int:
    return int(version.split(".")[1])


def _pyenv_versions() -> Path:
    return Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"


def _describe(program: str) -> Interpreter | None:
    """Ask the program about itself; None unless it is a CPython with the plain POSIX layout.

    The Python of a Debian system is none: what it calls site-packages lies outside a copy of it. A prefix made of
    Debian's packages is one if its `dist-packages`, where that Python looks, is a link to site-packages.
    """
    process = subprocess.run([program, "-I", "-c", _DESCRIBE], capture_output=True, text=True, check=False)
    if process.returncode != 0:  # such as a pyenv shim of a version that is not selected
        return None
    facts = json.loads(process.stdout)
    prefix, library = Path(facts["prefix"]), facts["shared_library"] or ""
    is_shared = bool(library) and (prefix / "lib" / library).exists()  # Debian's program contains its own
    interpreter = Interpreter(facts["version"], prefix, library if is_shared else "", facts["has_pip"])
    stdlib = interpreter.stdlib
    looks_in = [Path(facts["purelib"]), stdlib / "dist-packages"]
    is_plain = str(stdlib) == facts["stdlib"] and any(
        folder.is_dir() and folder.resolve() == (stdlib / "site-packages").resolve() for folder in looks_in
    )
    return interpreter if facts["cpython"] and is_plain and interpreter.program.is_file() else None
