"""What the overlay itself would import, whatever PYTHONPATH or the base hold besides."""

from __future__ import annotations

import os
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from . import own_finders, own_path

_PYTHONS_OWN = ("_frozen_importlib", "_frozen_importlib_external")


def find_in_overlay(name: str) -> ModuleSpec | None:
    """Find a module as if there were nothing but the overlay; nothing is imported for it.

    :param name: dotted for a submodule
    :return: its spec, whose `loader` is None for a namespace package; None if the overlay does not have it
    """
    spec: ModuleSpec | None = None
    path: list[str] | None = None
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        spec = _find(".".join(parts[:end]), path)
        if spec is None or (end < len(parts) and spec.submodule_search_locations is None):
            return None
        path = list(spec.submodule_search_locations or [])
    return spec


def _find(name: str, path: list[str] | None) -> ModuleSpec | None:
    for finder in _finders():
        spec: ModuleSpec | None = finder.find_spec(name, path)
        if spec is not None:
            return spec
    return PathFinder.find_spec(name, _overlay_path() if path is None else path)


def _finders() -> list[Any]:
    """Return what the overlay's editables have put into `sys.meta_path`."""
    others = [finder for finder in own_finders if not isinstance(finder, ModuleType)]  # the guard is one
    return [finder for finder in others if getattr(finder, "__module__", "") not in _PYTHONS_OWN]


def _overlay_path() -> list[str]:
    """Return the overlay's site-packages, and what its `.pth` files have added to `sys.path`."""
    site_packages = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return own_path[own_path.index(site_packages) :] if site_packages in own_path else [site_packages]
