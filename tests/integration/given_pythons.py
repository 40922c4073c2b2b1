"""Pythons that hardly any machine has, from the variable DEVPY_TEST_PYTHONS, and bases made of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from .environments import CondaEnvironment, write_history
from .interpreters import PYTHONS


def find(pattern: str) -> Path:
    """Return the prefix of the first Python with a program of that kind in its `bin`, or skip the test that asks.

    :param pattern: such as `python3.*t`
    """
    entries = [Path(entry) for entry in os.environ.get(PYTHONS, "").split(os.pathsep) if entry]
    prefixes = [entry if entry.is_dir() else entry.parent.parent for entry in entries]
    found = next((prefix for prefix in prefixes if any(prefix.glob(f"bin/{pattern}"))), None)
    if found is None:
        pytest.skip(f"no {pattern} in {PYTHONS}")
    return found


def make_base(prefix: Path, source: Path, packages: Sequence[str], environ: Mapping[str, str]) -> CondaEnvironment:
    """Lay out a Python as conda lays out an environment.

    :param prefix: where; absolute, not there yet
    :param source: the prefix of the Python, absolute
    :param packages: PEP 508 requirements to install into it
    """
    shutil.copytree(source, prefix, symlinks=True, ignore=shutil.ignore_patterns("test", "__pycache__"))
    if any(path.is_symlink() for path in prefix.glob("lib/python3*/dist-packages")):
        (prefix / "local").symlink_to(".")  # Debian's, whose pip installs below `local`
    python = prefix / "bin" / "python"
    if not python.exists():
        python.symlink_to("python3")
    if packages:
        pip = [sys.executable, "-m", "pip", "--python", str(python), "--quiet", "install"]
        subprocess.run([*pip, *packages], check=True, env=environ)
    write_history(prefix)
    return CondaEnvironment(prefix, ())
