"""Where conda is installed, found without running it."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MARKS_OF_ROOT = ("conda-meta", "envs")
# Where installers put conda unless told otherwise.
_USUAL_ROOTS = (
    "~/miniforge3",
    "~/miniconda3",
    "~/anaconda3",
    "~/mambaforge",
    "~/micromamba",
    "~/.local/share/mamba",
    "/opt/conda",
    "/opt/miniforge3",
    "/opt/miniconda3",
    "/opt/anaconda3",
    "/opt/homebrew/Caskroom/miniforge/base",
    "/opt/homebrew/Caskroom/miniconda/base",
)


VARIABLES = ("CONDA_EXE", "_CONDA_ROOT", "PATH", "CONDA_PREFIX", "MAMBA_ROOT_PREFIX", "HOME")
"""The variables that `find_install` looks at."""


def find_install(environ: Mapping[str, str]) -> str | None:
    """Return the prefix that conda is installed in, the `sys.prefix` that conda would have, or None; absolute.

    :param environ: the caller's environment variables
    """
    return next((os.path.abspath(prefix) for prefix in _installs(environ)), None)


def sources(environ: Mapping[str, str]) -> list[str]:
    """Return the files and folders that `find_install` may look at, whether or not they are there.

    :param environ: the caller's environment variables
    """
    programs = [os.path.join(folder, "conda") for folder in environ.get("PATH", "").split(os.pathsep)]
    active = environ.get("CONDA_PREFIX", "")
    around = [os.path.join(prefix, "bin", "conda") for prefix in (active, os.path.dirname(os.path.dirname(active)))]
    roots = [environ.get("_CONDA_ROOT", ""), environ.get("MAMBA_ROOT_PREFIX", "")]
    usual = [os.path.join(expand_user(root, environ), name) for root in _USUAL_ROOTS for name in _MARKS_OF_ROOT]
    return [path for path in (environ.get("CONDA_EXE", ""), *programs, *around, *roots, *usual) if os.path.isabs(path)]


def _installs(environ: Mapping[str, str]) -> Iterator[str]:
    conda = environ.get("CONDA_EXE", "")
    if os.path.isfile(conda):
        yield _prefix_of_conda(conda)
    if os.path.isdir(environ.get("_CONDA_ROOT", "")):
        yield environ["_CONDA_ROOT"]
    yield from _installs_on_path(environ)
    yield from _installs_around_active(environ)
    if os.path.isdir(environ.get("MAMBA_ROOT_PREFIX", "")):
        yield environ["MAMBA_ROOT_PREFIX"]
    for root in _USUAL_ROOTS:
        prefix = expand_user(root, environ)
        if _looks_like_root(prefix):
            yield prefix


def _installs_on_path(environ: Mapping[str, str]) -> Iterator[str]:
    for folder in environ.get("PATH", "").split(os.pathsep):
        conda = os.path.join(folder, "conda")
        if os.path.isabs(conda) and os.path.isfile(conda) and os.access(conda, os.X_OK):
            prefix = _prefix_of_conda(conda)
            if _looks_like_root(prefix):  # a version manager's shim does not lie in one
                yield prefix


def _installs_around_active(environ: Mapping[str, str]) -> Iterator[str]:
    active = environ.get("CONDA_PREFIX", "")
    envs = os.path.dirname(active)
    candidates = [active, os.path.dirname(envs)] if os.path.basename(envs) == "envs" else [active]
    for prefix in candidates:
        if os.path.isabs(prefix) and os.path.isfile(os.path.join(prefix, "bin", "conda")):
            yield prefix


def _looks_like_root(prefix: str) -> bool:
    """Tell whether a folder could be a root prefix; micromamba's may hold nothing but environments."""
    return any(os.path.isdir(os.path.join(prefix, name)) for name in _MARKS_OF_ROOT)


def _prefix_of_conda(conda: str) -> str:
    """Return the prefix of the Python in the first line of a `conda` script, else of the script's own place."""
    try:
        with open(conda, "rb") as stream:
            words = os.fsdecode(stream.readline(4096)).split()
    except OSError:
        words = []
    if words and words[0].startswith("#!"):
        python = words[0][2:]
        if os.path.basename(python).startswith("python") and os.path.isfile(python):
            return os.path.dirname(os.path.dirname(python))
    while os.path.islink(conda):  # only the script itself: conda keeps the links in a prefix's path
        conda = os.path.join(os.path.dirname(conda), os.readlink(conda))
    return os.path.dirname(os.path.dirname(os.path.abspath(conda)))


def expand_user(path: str, environ: Mapping[str, str]) -> str:
    """Return a path with a leading `~` replaced by the caller's home."""
    if "HOME" in environ and (path == "~" or path.startswith("~/")):
        return environ["HOME"] + path[1:]
    return os.path.expanduser(path)
