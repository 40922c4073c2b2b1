"""What the overlay alone would import, whatever PYTHONPATH or the base hold; and what makes the overlay come first.

Where the base holds an editable, every start of the overlay's Python runs `restore`. So this module imports only what
is loaded already.
"""

from __future__ import annotations

import sys

if hasattr(sys.modules.get("importlib.machinery"), "NamespacePath"):  # Python 3.15, whose `site` has loaded it
    from importlib.machinery import ModuleSpec, NamespacePath, PathFinder  # type: ignore[attr-defined] # up to 3.14
else:  # to load importlib.machinery would take longer than all of this module, and NamespacePath is private
    from _frozen_importlib import ModuleSpec
    from _frozen_importlib_external import PathFinder
    from _frozen_importlib_external import _NamespacePath as NamespacePath  # type: ignore[attr-defined]

from . import SITE_PACKAGES, finders_before_base, is_namespace, path_before_base
from .rivals import Rivals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

_IMPORTLIB = ("_frozen_importlib", "_frozen_importlib_external")
"""The modules of Python's own finders."""

_overlay_folders: list[str] = []

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
    :param path: what `sys.path` held before they ran
    :param finders: what `sys.meta_path` held before they ran
    :param modules: the names of what had been imported before they ran
    """
    rivals = Rivals(base, SITE_PACKAGES)
    base_entries = [entry for entry in _without(sys.path, path) if not rivals.put_on_path(entry)]
    sys.path[:] = [entry for entry in path if entry in sys.path] + base_entries
    overlay_finders = _overlay_finders()
    remaining = [finder for finder in sys.meta_path if finder in finders or not rivals.define(finder)]
    sys.meta_path[:] = [
        _behind_overlay(finder, rivals)
        if finder not in finders
        else OverlayFinder(finder)
        if finder in overlay_finders
        else finder
        for finder in remaining
    ]
    for name, module in [*sys.modules.items()]:
        if name not in modules and rivals.hold(_file(module)):
            del sys.modules[name]  # imported by a start-up file of the base while a rival came first
        elif is_namespace(module):
            _restore_namespace(name, module, rivals, is_of_base=name not in modules)


def _without(entries: list[str], excluded: list[str]) -> list[str]:
    """Return the entries without the excluded ones; repetitions of those stay, since old pips look for them."""
    to_exclude = [*excluded]
    rest = []
    for entry in entries:
        if entry in to_exclude:
            to_exclude.remove(entry)
        else:
            rest.append(entry)
    return rest


def drop_repeated_finders() -> None:
    """Take away the finders that the overlay's editables have put into `sys.meta_path` again, after `restore`."""
    wrapped = [finder for finder in sys.meta_path if isinstance(finder, OverlayFinder)]
    modules = {finder.module for finder in wrapped}
    sys.meta_path[:] = [
        finder for finder in sys.meta_path if finder in wrapped or getattr(finder, "__module__", "") not in modules
    ]


def _behind_overlay(finder: Any, rivals: Rivals) -> Any:
    """Return a finder that finds nothing that the overlay has; one without `find_spec` stays as it is."""
    return BaseFinder(finder, rivals) if hasattr(finder, "find_spec") else finder


class _Wrapper:
    """Stands for a finder in `sys.meta_path`, and equals it, so that whoever has put it there can remove it."""

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
    """A finder of one of the overlay's editables. That of meson-python hides the other parts of a namespace package."""

    @property
    def module(self) -> str:
        """The name of the module that it comes from."""
        return str(self._finder.__module__)

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return what the editable's finder finds; a namespace package also has its parts on the path."""
        spec: ModuleSpec | None = self._finder.find_spec(name, path, target)
        return _joined(name, [spec], path) if spec is not None and _is_namespace(spec) else spec


class BaseFinder(_Wrapper):
    """A finder that the base has put into `sys.meta_path`, for what the overlay does not have."""

    def __init__(self, finder: Any, rivals: Rivals) -> None:
        super().__init__(finder)
        self._rivals = rivals

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return what the base's finder finds, unless the overlay has that name, or it is a rival's."""
        spec: ModuleSpec | None = self._finder.find_spec(name, path, target)
        if spec is None:
            return None
        overlay_spec = find_in_overlay(name)
        if overlay_spec is not None and not _is_namespace(overlay_spec) and overlay_spec.origin == spec.origin:
            return spec  # a finder that changes how modules are loaded, wherever they are
        if self._rivals.hold(spec.origin or ""):
            return None
        if overlay_spec is None:
            return None if _is_closed(name.rpartition(".")[0]) else spec
        are_parts = _is_namespace(overlay_spec) and _is_namespace(spec)
        return _joined(name, [overlay_spec, spec], path) if are_parts else None


def _is_closed(package: str) -> bool:
    """Tell whether the overlay has a package, or one around it, whose modules must not come from elsewhere."""
    while package:
        spec = find_in_overlay(package)
        if spec is not None:
            return not _is_namespace(spec) and not _is_open_to_others(spec.origin or "")
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
    """Tell by the origin, not by the loader: scikit-build-core gives a namespace package one of its own."""
    return spec.origin is None and spec.submodule_search_locations is not None


def _joined(name: str, parts: list[ModuleSpec], path: Any) -> ModuleSpec:
    """Return a namespace package of these parts and, behind them, of those on the path."""
    on_path = PathFinder.find_spec(name, path)
    if on_path is not None and _is_namespace(on_path):
        parts = [*parts, on_path]
    spec = ModuleSpec(name, None, is_package=True)
    locations = (location for part in parts for location in part.submodule_search_locations or [])
    # importlib.resources insists on this class. It would look for other locations if those of the parent changed.
    spec.submodule_search_locations = NamespacePath(name, list(dict.fromkeys(locations)), lambda *_: None)
    return spec


def _restore_namespace(name: str, module: Any, rivals: Rivals, *, is_of_base: bool) -> None:
    """Put the overlay's part of a namespace package first, or remove it if the overlay has a package of that name.

    A `*-nspkg.pth` makes such packages without looking for other parts.
    """
    parent, _, child = name.rpartition(".")
    locations = list(module.__path__)
    allowed = [location for location in locations if not rivals.hold(location)]
    spec = find_in_overlay(name) if is_of_base else None
    if spec is not None and _is_namespace(spec):
        allowed = list(dict.fromkeys([*(spec.submodule_search_locations or []), *allowed]))
    elif spec is not None or (is_of_base and _is_closed(parent)):
        allowed = []
    if allowed == locations:
        return
    if allowed:
        module.__path__ = allowed
    else:
        del sys.modules[name]
        vars(sys.modules.get(parent, module)).pop(child, None)


def _find(name: str, path: list[str] | None) -> ModuleSpec | None:
    for finder in _overlay_finders():
        spec: ModuleSpec | None = finder.find_spec(name, path)
        if spec is not None:
            return spec
    return PathFinder.find_spec(name, _overlay_path() if path is None else path)


def _overlay_finders() -> list[Any]:
    """Return what the overlay's editables have put into `sys.meta_path`."""
    finders = [finder for finder in finders_before_base if not isinstance(finder, type(sys))]  # the guard is a module
    finders = [finder for finder in finders if getattr(finder, "__module__", "") not in _IMPORTLIB]
    return [finder for finder in finders if hasattr(finder, "find_spec")]  # up to Python 3.11 another method would do


def _overlay_path() -> list[str]:
    """Return the overlay's site-packages, and the folders that its `.pth` files name or have added to `sys.path`.

    The files have to be read: `site` does not add a folder that PYTHONPATH holds.
    """
    if not _overlay_folders:
        start = path_before_base.index(SITE_PACKAGES) if SITE_PACKAGES in path_before_base else len(path_before_base)
        _overlay_folders[:] = [SITE_PACKAGES]  # enough for the import below, which comes here again
        from .site_files import folders

        folders_in_files = [folder for _, folder in folders(SITE_PACKAGES)]
        _overlay_folders[:] = dict.fromkeys([SITE_PACKAGES, *folders_in_files, *path_before_base[start:]])
    return _overlay_folders


def _file(module: object) -> str:
    return str(vars(module).get("__file__") or "") if type(module) is type(sys) else ""
