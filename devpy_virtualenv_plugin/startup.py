"""The files in an overlay's site-packages that run when its Python starts: bridge, guard and sitecustomize."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import devpy_pip_guard

from .layout import BRIDGE, GUARD
from .lock import held


def write(site_packages: Path, base_site_packages: Path, python: Path, *, has_tomllib: bool) -> None:
    """Write the start-up files and compile them.

    :param site_packages: the overlay's, absolute
    :param base_site_packages: that of the conda environment, absolute
    :param python: the overlay's interpreter; it compiles the files
    :param has_tomllib: whether its standard library reads TOML (Python 3.11 and later)
    :raises RuntimeError: if the interpreter cannot compile them
    """
    guard = site_packages / GUARD
    _copy_guard(guard, site_packages / "sitecustomize.py")
    if not has_tomllib:
        _copy_tomli(guard / "_tomli", python)
    _compile(python, [guard, site_packages / "sitecustomize.py"])
    # Last, since it is what makes an interpreter use the rest.
    (site_packages / BRIDGE).write_text(bridge(base_site_packages, site_packages.parents[2]), encoding="ascii")


def bridge(base_site_packages: Path, venv: Path) -> str:
    """Return the text of the `.pth` that leads from an overlay to the base's site-packages.

    Its one line runs inside `site.addsitedir`, whose `known_paths` it passes on; see `devpy_pip_guard.start`. The name
    of the file sorts behind that of every editable. The path is spelled in ASCII, since site reads the file in the
    locale's encoding.
    """
    base, made = os.fsencode(base_site_packages), os.fsencode(venv)
    return f"import {GUARD}; {GUARD}.start({base!r}, known_paths, {made!r})\n"


def _copy_guard(guard: Path, sitecustomize: Path) -> None:
    _copy_sources(Path(devpy_pip_guard.__file__).parent, guard)
    os.replace(guard / "sitecustomize.py", sitecustomize)


def _copy_tomli(target: Path, python: Path) -> None:
    """Write it compiled and nothing else: nobody reads it there, and an overlay shall be small."""
    _copy_sources(_package_folder("tomli"), target)
    _compile(python, [target], "-b")
    for source in target.glob("*.py"):
        source.unlink()


def _copy_sources(source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    for file in source.glob("*.py"):
        shutil.copyfile(file, target / file.name)


def _package_folder(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise RuntimeError(f"devpy needs {name}: {sys.executable} -m pip install {name}")
    return Path(spec.origin).parent


def _compile(python: Path, targets: list[Path], *more: str) -> None:
    """Compile for the overlay's Python, whether or not the user lets Python write bytecode.

    Unchecked, so that a copy of the overlay, whose files have other times, does not compile them at every start.
    """
    options = ["-I", "-S", "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash", *more]
    command = [os.fspath(python), *options, *map(os.fspath, targets)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, pass_fds=held())
    if done.returncode != 0:
        raise RuntimeError(f"{python} cannot compile the start-up files: {done.stdout}{done.stderr}".rstrip())
