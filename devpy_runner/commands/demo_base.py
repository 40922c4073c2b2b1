"""A base for machines without conda: a prefix laid out like a conda environment, made from the running interpreter."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path

from devpy_pip_guard.errors import DevpyError
from devpy_virtualenv_plugin.base_scripts import with_shebang

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_PIP_SCRIPT = """\
import sys
from pip._internal.cli.main import main

sys.exit(main())
"""
_OTHER_BASE = "name a real conda environment: devpy demo --base NAME"


def make(prefix: str) -> None:
    """Make a conda-like environment with Python and pip. Its standard library is linked, not copied.

    :param prefix: where to make it, absolute; nothing must be there
    :raises DevpyError: if the running interpreter does not work from another place
    """
    if sys.implementation.name != "cpython":
        raise DevpyError(f"{sys.executable} does not work as a base: it is {sys.implementation.name}", _OTHER_BASE)
    name = os.path.basename(sysconfig.get_path("stdlib"))
    stdlib = os.path.join(prefix, "lib", name)
    site_packages = os.path.join(stdlib, "site-packages")
    python = os.path.join(prefix, "bin", name)
    for folder in (os.path.dirname(python), site_packages, os.path.join(prefix, "conda-meta")):
        os.makedirs(folder)
    _copy_interpreter(prefix, python)
    _link_entries(sysconfig.get_path("stdlib"), stdlib)
    _install_pip(prefix, python, site_packages)
    with open(os.path.join(prefix, "conda-meta", "history"), "w", encoding="utf-8") as stream:
        stream.write("==> made by devpy demo <==\n")


def _copy_interpreter(prefix: str, python: str) -> None:
    """Copy the program, which finds its prefix from where it lies, and link its shared library, if it has one."""
    # No public name tells which program a virtual environment was made from.
    shutil.copy2(os.path.realpath(getattr(sys, "_base_executable", sys.executable)), python)
    for name in ("python", "python3"):
        os.symlink(os.path.basename(python), os.path.join(prefix, "bin", name))
    library = sysconfig.get_config_var("LDLIBRARY")
    folder = sysconfig.get_config_var("LIBDIR")
    if library and folder:
        names = (name for name in os.listdir(folder) if name.startswith("libpython"))
        _link(names, folder, os.path.join(prefix, "lib"))


def _link_entries(source: str, target: str) -> None:
    names = (name for name in os.listdir(source) if name not in ("site-packages", "dist-packages"))
    _link(names, source, target)


def _link(names: Iterable[str], source: str, target: str) -> None:
    for name in names:
        os.symlink(os.path.join(source, name), os.path.join(target, name))


def _install_pip(prefix: str, python: str, site_packages: str) -> None:
    """Install the pip that virtualenv brings along."""
    from virtualenv import cli_run

    seeded = os.path.join(prefix, "seeded")
    try:
        session = cli_run(["--python", python, "--no-vcs-ignore", "--no-periodic-update", seeded], setup_logging=False)
    except (RuntimeError, SystemExit) as error:
        raise DevpyError(f"{sys.executable} does not work as a base: {error}", _OTHER_BASE) from error
    purelib = os.fspath(session.creator.purelib)
    for name in os.listdir(purelib):
        if name == "pip" or name.startswith("pip-"):
            shutil.move(os.path.join(purelib, name), site_packages)
    shutil.rmtree(seeded)
    script = os.path.join(prefix, "bin", "pip")
    with open(script, "w", encoding="utf-8") as stream:
        stream.write(with_shebang(Path(prefix, "bin", "python"), _PIP_SCRIPT))
    os.chmod(script, 0o755)
