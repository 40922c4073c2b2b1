"""From the name of a conda environment to its prefix, without running conda."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from devpy_pip_guard.errors import DevpyError
from devpy_pip_guard.files import is_dir, names_in, read_bytes, real_path

from .condarc import read_settings
from .installations import expand_user
from .prefix import is_environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..activate.activation import CondaSettings

_ROOT_NAMES = ("base", "root")


class Base(NamedTuple):
    """The conda environment that an overlay stands on."""

    name: str
    """As devpy.toml has it: a name, or an absolute path."""
    prefix: str
    """The environment's folder, absolute; symlinks are kept, as conda keeps them."""


def find_base(name: str, environ: Mapping[str, str]) -> Base:
    """Find an environment as `conda activate` does: the first folder of that name wins, even if it is none.

    Where conda finds none, the list of all environments that it keeps in the user's home counts.

    :param name: a name, or the absolute path of a prefix, which is taken as it is
    :param environ: the caller's environment variables
    :raises DevpyError: if no environment has that name, or conda's configuration is broken
    """
    prefix = find_prefix(name, environ)
    if prefix is not None:
        return Base(name, prefix)
    if name in _ROOT_NAMES:
        raise DevpyError(f"conda environment {name}: no conda install found", _no_installation_mend())
    raise _not_found(name, read_settings(environ), environ)


def find_prefix(name: str, environ: Mapping[str, str]) -> str | None:
    """Return the prefix that `find_base` finds, or None.

    :raises DevpyError: if conda's configuration is broken
    """
    if "/" in name:
        return name
    settings = read_settings(environ)
    if name in _ROOT_NAMES:
        return settings.root_prefix
    prefixes = (os.path.abspath(os.path.join(folder, name)) for folder in settings.envs_dirs)
    return next(filter(is_dir, prefixes), None) or _only_registered(name, environ)


def _only_registered(name: str, environ: Mapping[str, str]) -> str | None:
    """Return the environment of a name that conda has listed, wherever it lies, if there is exactly one."""
    prefixes = [prefix for prefix in _registered(environ) if os.path.basename(prefix) == name]
    existing = {real_path(prefix): prefix for prefix in prefixes if os.path.isabs(prefix) and is_environment(prefix)}
    return next(iter(existing.values())) if len(existing) == 1 else None


def existing_environments(settings: CondaSettings, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the environments that exist, for suggestions only.

    Several of those that only conda's `~/.conda/environments.txt` lists may have one name: each is shown by its prefix.

    :return: what to write in devpy.toml, a name or else the prefix, and the absolute prefix
    """
    seen: set[str] = set()
    if settings.root_prefix is not None:
        seen |= {"base", settings.root_prefix}
        yield "base", settings.root_prefix
    for folder in settings.envs_dirs:
        for name in sorted(names_in(folder)):
            prefix = os.path.join(folder, name)
            if name not in seen and is_environment(prefix):
                seen |= {name, prefix}
                yield name, prefix
    for prefix in _registered(environ):
        if prefix not in seen and is_environment(prefix):
            seen.add(prefix)
            yield prefix, prefix


def _registered(environ: Mapping[str, str]) -> list[str]:
    """Return the prefixes that conda lists in `~/.conda/environments.txt`."""
    try:
        content = read_bytes(expand_user("~/.conda/environments.txt", environ))
    except DevpyError:
        return []
    return [os.fsdecode(line.strip().rstrip(b"/")) for line in content.splitlines()]


def _not_found(name: str, settings: CondaSettings, environ: Mapping[str, str]) -> DevpyError:
    problem = f"conda environment {name}: not found in {', '.join(settings.envs_dirs)}"
    close = _close_environments(name, list(existing_environments(settings, environ)))
    mend = [f"did you mean {' or '.join(close)}?"] if close else []
    if settings.root_prefix is None:
        mend.append("no conda install found: " + _no_installation_mend())
    mend.append("`conda env list` shows the environments")
    return DevpyError(problem, "\n  ".join(mend))


def _no_installation_mend() -> str:
    return (
        "set CONDA_EXE (the path of bin/conda) or CONDA_ENVS_DIRS (the folder of the environments), "
        "or write the environment's path in devpy.toml"
    )


def _close_environments(name: str, environments: list[tuple[str, str]]) -> list[str]:
    import difflib

    by_last_part: dict[str, list[str]] = {}
    for written, prefix in environments:
        suggestion = written if written == prefix else f"{written} ({prefix})"
        by_last_part.setdefault(os.path.basename(written).lower(), []).append(suggestion)
    close = difflib.get_close_matches(name.lower(), by_last_part)
    return [suggestion for last_part in close for suggestion in by_last_part[last_part]]
