"""The files in an overlay's site-packages that run when its Python starts: bridge, guard and sitecustomize."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import devpy_pip_guard

from . import layout
from .lock import held
from .mends import command
from .record import replace_file

if TYPE_CHECKING:
    from collections.abc import Mapping

BRIDGES = {
    # In the scope of `site.addsitedir`, whose `known_paths` it passes on.
    layout.PTH_BRIDGE: f"import {layout.GUARD}; {layout.GUARD}.start(known_paths)\n",
    layout.START_BRIDGE: f"{layout.GUARD}:start\n",
}
"""What leads from an overlay to the base, see `devpy_pip_guard.start`; the name sorts behind that of every editable."""

# Run by the overlay's Python, which writes the bytecode that it can read. Of the guard only compiled files are kept:
# nobody reads its sources there. They are unchecked: a copy of the overlay, whose files have other times, compiles
# nothing at its starts. They have no columns for tracebacks, which take disk space. At any moment each module is there,
# as source or compiled. The archive holds no times, so that the same sources make the same overlay. To keep an overlay
# small, it holds all but the module that every start of Python runs. Four modules run if the base holds an editable;
# reading them from the archive takes about a millisecond longer.
_COMPILER = """
import os, py_compile, shutil, sys, zipfile
script, guard, rest = sys.argv[1:]
unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
py_compile.compile(script, doraise=True, invalidation_mode=unchecked)
sources = [os.path.join(folder, name) for folder, _, names in os.walk(guard) for name in names if name.endswith(".py")]
for source in sources:
    py_compile.compile(source, source + "c", doraise=True, optimize=2, invalidation_mode=unchecked)
names = {os.path.relpath(source + "c", guard) for source in sources}
compressed = names - {"__init__.pyc"}
try:
    with zipfile.ZipFile(rest + ".new", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(compressed):
            with open(os.path.join(guard, name), "rb") as stream:
                archive.writestr(zipfile.ZipInfo(name), stream.read(), zipfile.ZIP_DEFLATED)
    os.replace(rest + ".new", rest)
except OSError:  # a full disk
    if os.path.exists(rest + ".new"):
        os.unlink(rest + ".new")
    raise
for path in [*sources, *(os.path.join(guard, name) for name in compressed)]:
    os.unlink(path)
for name in os.listdir(guard):
    if os.path.isdir(os.path.join(guard, name)):
        shutil.rmtree(os.path.join(guard, name))
"""


def write(site_packages: Path, base_site_packages: Path, python: Path, *, has_tomllib: bool) -> None:
    """Write the start-up files and compile them.

    :param site_packages: the overlay's, absolute
    :param base_site_packages: that of the conda environment, absolute
    :param python: the overlay's interpreter; it compiles the files
    :param has_tomllib: whether its standard library reads TOML (Python 3.11 and later)
    :raises RuntimeError: if the interpreter cannot compile them
    """
    guard, sitecustomize = site_packages / layout.GUARD, site_packages / "sitecustomize.py"
    places_line = "\n" + places(base_site_packages, site_packages.parents[2])
    _copy_sources(Path(devpy_pip_guard.__file__).parent, guard, {"__init__.py": places_line})
    os.replace(guard / sitecustomize.name, sitecustomize)
    if not has_tomllib:
        _copy_sources(_package_folder("tomli"), guard / "_tomli", {})
    _compile(python, sitecustomize, guard)
    # The bridge comes last, since it makes an interpreter use the rest.
    bridge = layout.bridge(os.fspath(site_packages))
    replace_file(os.fspath(site_packages / bridge), BRIDGES[bridge])
    for outdated in {*BRIDGES} - {bridge}:  # devpy 0.2 wrote the same one for every Python
        (site_packages / outdated).unlink(missing_ok=True)


def places(base_site_packages: Path, venv: Path) -> str:
    """Return the line that tells the guard its places, in ASCII whatever the paths are.

    It is compiled with the guard, where it costs a start of Python nothing. An entry point could not be told: it is
    called without arguments.
    """
    return f"BASE, MADE = {os.fsencode(base_site_packages)!r}, {os.fsencode(venv)!r}\n"


def _copy_sources(source: Path, target: Path, additions: Mapping[str, str]) -> None:
    """Copy the modules of a package, each in one step.

    :param additions: text to add to some, by their file names
    """
    target.mkdir(exist_ok=True)
    for file in source.glob("*.py"):
        text = file.read_text(encoding="utf-8") + additions.get(file.name, "")
        replace_file(os.fspath(target / file.name), text)


def _package_folder(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise RuntimeError(f"devpy needs {name}: {command(sys.executable, '-m', 'pip', 'install', name)}")
    return Path(spec.origin).parent


def _compile(python: Path, script: Path, guard: Path) -> None:
    """Compile for the overlay's Python, whether or not the user lets Python write bytecode."""
    paths = map(os.fspath, (script, guard, guard / devpy_pip_guard.REST))
    command = [os.fspath(python), "-I", "-S", "-X", "no_debug_ranges", "-c", _COMPILER, *paths]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, pass_fds=held())
    if done.returncode != 0:
        reason = f"{done.stdout}{done.stderr}".strip() or f"exit code {done.returncode}"
        raise RuntimeError(f"{python} cannot compile the start-up files: {reason}")
