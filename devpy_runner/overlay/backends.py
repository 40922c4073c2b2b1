"""Which backend builds a package, and what it needs, as its pyproject.toml says it (PEP 517, PEP 518)."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from devpy_pip_guard.config import read_toml
from devpy_pip_guard.errors import DevpyError

_LEGACY = "setuptools.build_meta:__legacy__"
_LEGACY_REQUIRES = ["setuptools>=64"]
"""What builds a package whose pyproject.toml names no backend; before 64, setuptools has no editables of PEP 660."""

_MESON_PYTHON = "mesonpy"


class Backend(NamedTuple):
    """What builds a package."""

    name: str
    """Its module, and an object in it after a colon, if there is one."""
    path: list[str]
    """Folders to search for it first, relative to the package's."""
    requires: list[str]
    """Requirements (PEP 508)."""
    rebuilds_on_import: bool
    """Whether the package is built again, where that is needed, whenever it is imported."""

    @property
    def is_meson_python(self) -> bool:
        """Whether it is meson-python, whose packages need it to be imported."""
        return self.name == _MESON_PYTHON

    def as_task(self) -> dict[str, Any]:
        """Return what `builder.py` needs to know of it."""
        return {"backend": self.name, "backend_path": self.path}


def backend_of(path: str) -> Backend:
    """Return the backend of a package. What is broken in its pyproject.toml counts as not there: the build tells.

    :param path: the package's folder, absolute
    """
    try:
        document = read_toml(os.path.join(path, "pyproject.toml"))
    except DevpyError:
        document = {}
    build_system = _table(document, "build-system")
    name = build_system.get("build-backend")
    rebuilds = name == _MESON_PYTHON or _table(document, "tool", "scikit-build", "editable").get("rebuild") is True
    requires = _strings(build_system, "requires")
    if not isinstance(name, str):
        return Backend(_LEGACY, [], requires or _LEGACY_REQUIRES, rebuilds)
    return Backend(name, _strings(build_system, "backend-path"), requires, rebuilds)


def _strings(table: dict[str, Any], name: str) -> list[str]:
    values = table.get(name)
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []


def _table(document: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return a table inside others; an empty one if there is none, or it is something else."""
    for name in names:
        inner = document.get(name)
        document = inner if isinstance(inner, dict) else {}
    return document
