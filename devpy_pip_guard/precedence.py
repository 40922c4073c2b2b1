"""What the overlay itself would import, whatever PYTHONPATH or the base hold besides; and that it comes first.

Where the base holds an editable, every start of the overlay's Python runs `restore`, so the modules that it needs are
loaded already.
"""

from __future__ import annotations

import sys

if hasattr(sys.modules.get("importlib.machinery"), "NamespacePath"):  # Python 3.15, whose `site` has loaded it
    from importlib.machinery import ModuleSpec, NamespacePath, PathFinder  # type: ignore[attr-defined] # up to 3.14
else:  # to load importlib.machinery would take longer than all of this module, and NamespacePath is private
    from _frozen_importlib import ModuleSpec
    from _frozen_importlib_external import PathFinder
    from _frozen_importlib_external import _NamespacePath as NamespacePath  # type: ignore[attr-defined]

from . import SITE_PACKAGES, is_namespace, own_finders, own_path
from .rivals import Rivals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

_PYTHONS_OWN = ("_frozen_importlib", "_frozen_importlib_external")
_path_of_overlay: list[str] = []

_OPEN_TO_OTHERS = (b"extend_path", b"declare_namespace")
"""What the `__init__.py` of a package calls that shares its name with other distributions."""


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


def restore(base: str, path: list[str], finders: list[Any], modules: set[str]) -> None:
    """Put the overlay first again after the base's start-up files have run, and leave its rivals out.

    :param base: the base's site-packages, absolute
    :param path: what `sys.path` held before
    :param finders: what `sys.meta_path` held before
    :param modules: the names of what had been imported before
    """
    rivals = Rivals(base, SITE_PACKAGES)
    added = [entry for entry in _without(sys.path, path) if not rivals.put_on_path(entry)]
    sys.path[:] = [entry for entry in path if entry in sys.path] + added
    ours = _finders()
    kept = [finder for finder in sys.meta_path if finder in finders or not rivals.define(finder)]
    sys.meta_path[:] = [
        _behind_overlay(finder, rivals)
        if finder not in finders
        else OverlayFinder(finder)
        if finder in ours
        else finder
        for finder in kept
    ]
    for name, module in [*sys.modules.items()]:
        if name not in modules and rivals.hold(_file(module)):
            del sys.modules[name]  # imported by a start-up file of the base while a rival came first
        elif is_namespace(module):
            _restore_namespace(name, module, rivals, is_of_base=name not in modules)


def _without(entries: list[str], before: list[str]) -> list[str]:
    """Return the entries that have been added; what is added once more counts, since old pips look for just that."""
    left = [*before]
    added = []
    for entry in entries:
        if entry in left:
            left.remove(entry)
        else:
            added.append(entry)
    return added


def drop_repeated_finders() -> None:
    """Take away what an editable of the overlay has put into `sys.meta_path` once more, since `restore` has run."""
    known = [finder for finder in sys.meta_path if isinstance(finder, OverlayFinder)]
    modules = {finder.module for finder in known}
    sys.meta_path[:] = [
        finder for finder in sys.meta_path if finder in known or getattr(finder, "__module__", "") not in modules
    ]


def _behind_overlay(finder: Any, rivals: Rivals) -> Any:
    """Return a finder that leaves to the overlay what is the overlay's; one without `find_spec` stays as it is."""
    return BaseFinder(finder, rivals) if hasattr(finder, "find_spec") else finder


class _Wrapper:
    """Stands for a finder in `sys.meta_path`: equal to it, so that it can be looked for and removed there."""

    def __init__(self, finder: Any) -> None:
        self._finder = finder

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "_finder"), name)

    def __eq__(self, other: object) -> bool:
        return bool(self._finder == (other._finder if isinstance(other, _Wrapper) else other))

    def __hash__(self) -> int:
        return hash(self._finder)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._finder!r})"


class OverlayFinder(_Wrapper):
    """A finder of one of the overlay's editables; meson-python's keeps other parts of a namespace package from view."""

    @property
    def module(self) -> str:
        """The name of the module that it comes from."""
        return str(self._finder.__module__)

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return what the editable's finder does, for a namespace package with the parts on the path as well."""
        spec: ModuleSpec | None = self._finder.find_spec(name, path, target)
        return _joined(name, [spec], path) if spec is not None and _is_namespace(spec) else spec


class BaseFinder(_Wrapper):
    """A finder that the base has put into `sys.meta_path`, for what the overlay does not have."""

    def __init__(self, finder: Any, rivals: Rivals) -> None:
        super().__init__(finder)
        self._rivals = rivals

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return what the base's finder does unless it leads elsewhere than the overlay, or to a rival."""
        spec: ModuleSpec | None = self._finder.find_spec(name, path, target)
        if spec is None:
            return None
        own = find_in_overlay(name)
        if own is not None and not _is_namespace(own) and own.origin == spec.origin:
            return spec  # from a finder that changes how modules are loaded, whoever has them
        if self._rivals.hold(spec.origin or ""):
            return None
        if own is None:
            return None if _is_the_overlays(name.rpartition(".")[0]) else spec
        return _joined(name, [own, spec], path) if _is_namespace(own) and _is_namespace(spec) else None


def _is_the_overlays(package: str) -> bool:
    """Tell whether what a package lacks is missing on purpose: the overlay has it, or one that it would be part of."""
    while package:
        own = find_in_overlay(package)
        if own is not None:
            return not _is_namespace(own) and not _is_open_to_others(own.origin or "")
        package = package.rpartition(".")[0]
    return False


def _is_open_to_others(origin: str) -> bool:
    try:
        with open(origin, "rb") as stream:
            source = stream.read()
    except OSError:
        return False
    return any(word in source for word in _OPEN_TO_OTHERS)


def _is_namespace(spec: ModuleSpec) -> bool:
    """Tell by the origin: scikit-build-core gives a namespace package a loader of its own."""
    return spec.origin is None and spec.submodule_search_locations is not None


def _joined(name: str, parts: list[ModuleSpec], path: Any) -> ModuleSpec:
    """Return a namespace package of these parts and, behind them, of those on the path."""
    on_path = PathFinder.find_spec(name, path)
    if on_path is not None and _is_namespace(on_path):
        parts = [*parts, on_path]
    spec = ModuleSpec(name, None, is_package=True)
    locations = (location for part in parts for location in part.submodule_search_locations or [])
    # As Python's own, which importlib.resources insists on; it asks for other locations should the parent's change.
    spec.submodule_search_locations = NamespacePath(name, list(dict.fromkeys(locations)), lambda *_: None)
    return spec


def _restore_namespace(name: str, module: Any, rivals: Rivals, *, is_of_base: bool) -> None:
    """Put the overlay's part of a namespace package first, or make way for the package that the overlay has.

    A `*-nspkg.pth` makes such packages without looking for other parts.
    """
    parent, _, child = name.rpartition(".")
    there = list(module.__path__)
    wanted = [location for location in there if not rivals.hold(location)]
    own = find_in_overlay(name) if is_of_base else None
    if own is not None and _is_namespace(own):
        wanted = list(dict.fromkeys([*(own.submodule_search_locations or []), *wanted]))
    elif own is not None or (is_of_base and _is_the_overlays(parent)):
        wanted = []
    if wanted == there:
        return
    if wanted:
        module.__path__ = wanted
    else:
        del sys.modules[name]
        vars(sys.modules.get(parent, module)).pop(child, None)


def _find(name: str, path: list[str] | None) -> ModuleSpec | None:
    for finder in _finders():
        spec: ModuleSpec | None = finder.find_spec(name, path)
        if spec is not None:
            return spec
    return PathFinder.find_spec(name, _overlay_path() if path is None else path)


def _finders() -> list[Any]:
    """Return what the overlay's editables have put into `sys.meta_path`."""
    others = [finder for finder in own_finders if not isinstance(finder, type(sys))]  # the guard is one
    ours = [finder for finder in others if getattr(finder, "__module__", "") not in _PYTHONS_OWN]
    return [finder for finder in ours if hasattr(finder, "find_spec")]  # up to Python 3.11 another method would do


def _overlay_path() -> list[str]:
    """Return the overlay's site-packages, and the folders that its `.pth` files name or have added to `sys.path`.

    What they name has to be read: `site` adds no folder that PYTHONPATH holds.
    """
    if not _path_of_overlay:
        start = own_path.index(SITE_PACKAGES) if SITE_PACKAGES in own_path else len(own_path)
        _path_of_overlay[:] = [SITE_PACKAGES]  # enough for the import below, which comes here again
        from .site_files import folders

        named = [folder for _, folder in folders(SITE_PACKAGES)]
        _path_of_overlay[:] = dict.fromkeys([SITE_PACKAGES, *named, *own_path[start:]])
    return _path_of_overlay


def _file(module: object) -> str:
    return str(vars(module).get("__file__") or "") if type(module) is type(sys) else ""
