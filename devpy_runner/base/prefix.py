"""Whether a prefix is a conda environment, and which Python it holds."""

from __future__ import annotations

import os

from devpy_pip_guard.errors import DevpyError
from devpy_pip_guard.files import is_dir, is_file, names_in, real_path


def check_prefix(prefix: str) -> None:
    """Check that a prefix is a conda environment with a Python in it.

    :param prefix: an absolute path
    :raises DevpyError: if it is no directory, no environment (no `conda-meta/history`) or has no `bin/python`
    """
    see_names = "correct base_conda_env; `conda env list` shows the environments"
    if not is_dir(prefix):
        raise DevpyError(f"{prefix}: no such directory", see_names)
    if not is_environment(prefix):
        raise DevpyError(f"{prefix}: not a conda environment: it has no conda-meta/history", see_names)
    if not is_file(os.path.join(prefix, "bin", "python")):
        from devpy_virtualenv_plugin.mends import conda_install

        raise DevpyError(f"{prefix}: the conda environment has no bin/python", conda_install(prefix, "python"))


def python_version(prefix: str) -> str | None:
    """Return the version of an environment's Python: "3.11.7", or "3.11" where only `bin/python` tells, or None.

    :param prefix: an absolute path
    """
    for name in sorted(names_in(os.path.join(prefix, "conda-meta"))):
        package, _, version_build = name.partition("-")
        version, _, build = version_build.partition("-")
        if package == "python" and version[:1].isdigit() and build.endswith(".json"):
            return version
    target = os.path.basename(real_path(os.path.join(prefix, "bin", "python")))
    version = target[len("python") :].rstrip("dt") if target.startswith("python") else ""  # without its ABI flags
    major, _, minor = version.partition(".")
    return version if major.isdigit() and minor.isdigit() else None


def is_environment(prefix: str) -> bool:
    """Tell whether a prefix, an absolute path, is that of a conda environment."""
    return is_file(os.path.join(prefix, "conda-meta", "history"))
