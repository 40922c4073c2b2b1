"""What the interpreter of a base says of itself when it is asked."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, NamedTuple

from devpy_pip_guard.errors import DevpyError
from devpy_virtualenv_plugin.base_python import BasePython
from devpy_virtualenv_plugin.mends import conda_install

from ..programs import run

if TYPE_CHECKING:
    from collections.abc import Mapping

# In the Python of any environment there is, since that may well be too old for devpy.
_PROGRAM = """\
import sys
del sys.path[0]
import json, os, platform, sysconfig
try:
    from pip import __version__ as pip
except ImportError:
    pip = ""
name = os.path.basename(sysconfig.get_path("stdlib"))
print(json.dumps([platform.python_implementation(), platform.python_version(), name, pip]))
"""


class BaseFacts(NamedTuple):
    """The Python of a base, and its pip."""

    python: BasePython
    pip: str
    """Its version; empty if there is none."""


def ask(prefix: str, environ: Mapping[str, str]) -> BaseFacts:
    """Ask the interpreter that an overlay on a base would be made from.

    :param prefix: of the conda environment, absolute
    :param environ: the caller's environment variables
    :raises DevpyError: if it does not answer, or its standard library is in another environment
    """
    reinstall = conda_install(prefix, "--force-reinstall", "python")
    python = os.path.join(prefix, "bin", "python")
    ran = run([python, "-E", "-s", "-B", "-c", _PROGRAM], {**environ, "LC_ALL": "C.UTF-8"}, prefix)
    if ran.code != 0:
        raise DevpyError(f"{python}: {ran.failure}", reinstall)
    implementation, version, name, pip = json.loads(ran.out.rstrip().rpartition("\n")[2])
    library = os.path.join(prefix, "lib", name)
    if not os.path.isfile(os.path.join(library, "os.py")):
        raise DevpyError(f"{prefix}: its Python is that of another environment, as {library} is not there", reinstall)
    return BaseFacts(BasePython(prefix, implementation, version, name), pip)


def lacks_pip(prefix: str) -> DevpyError:
    """Return the error for a base, given by its prefix, whose pip is needed and not there."""
    return DevpyError(f"{prefix} has no pip", conda_install(prefix, "pip"))
