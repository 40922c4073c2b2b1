"""Where a module comes from, what it shadows, and why."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from devpy_pip_guard import is_inside

from ..overlay.editables import installed
from . import probe
from .interpreter import as_packages, source

if TYPE_CHECKING:
    from ..overlay.editables import Editable
    from .interpreter import Package
    from .setup import WorktreeSetup


class Copy(NamedTuple):
    """One of the files that a module can be imported from; paths are absolute."""

    files: list[str]
    """The file, or the folders of a namespace package; "built-in" for a module that Python has no file for."""
    reason: str
    """What leads there, and where that comes from."""
    owner: str
    """What it belongs to: a declared package, the overlay, the base or another worktree; empty if to none of them."""


class Origin(NamedTuple):
    """What is known of a module."""

    name: str
    copies: list[Copy]
    """In the order of precedence: an import gives the first one, which shadows the others."""
    left_out: list[Copy]
    """The copies in the base that devpy hides from Python, since the overlay has the package."""
    problem: str
    """What is wrong, in one line; empty if it comes from where it should."""


def find(setup: WorktreeSetup, names: list[str]) -> list[Origin]:
    """Look for modules as the overlay's Python would, and import none but the parents of dotted names.

    :param names: the modules, dotted for a submodule
    :raises Skipped: if there is no overlay whose Python can be asked
    """
    answer = setup.ask("find", *names)
    packages = as_packages(answer)
    return [_origin(module, packages, setup) for module in answer["modules"]]


def _origin(module: dict[str, Any], packages: list[Package], setup: WorktreeSetup) -> Origin:
    copies = [_copy(copy, setup) for copy in module["copies"]]
    left_out = [
        _copy(copy, setup)._replace(reason=f"{copy['entry']}, from {source(copy['kind'], copy['pth'])}")
        for copy in module["left_out"]
    ]
    return Origin(module["name"], copies, left_out, _problem(module, copies, packages, setup))


def _problem(module: dict[str, Any], copies: list[Copy], packages: list[Package], setup: WorktreeSetup) -> str:
    if module["error"]:
        return str(module["error"])
    if not copies:
        return "not found"
    package = _providing_package(
        module["name"], [package for package in packages if package.path in setup.config.editables]
    )
    expected = module["expected"]
    if package is not None and expected and copies[0].files != [expected]:
        return f"{package.name} ({package.path}) declares it, so it should come from {expected}"
    editable = _editable_around(copies[0].files[0], setup)
    if editable is not None and editable.path not in setup.config.editables:
        return f"from {editable.path}, an editable that {setup.config.file} does not declare"
    return ""


def _providing_package(name: str, packages: list[Package]) -> Package | None:
    """Return the package that provides a module or one of its parents."""
    for package in packages:
        if any(f"{name}.".startswith(f"{module.name}.") for module in package.modules):
            return package
    return None


def _copy(copy: dict[str, Any], setup: WorktreeSetup) -> Copy:
    files = copy["portions"] or [copy["file"]]
    return Copy(files, _reason(copy), _owner(files[0], setup))


def _reason(copy: dict[str, Any]) -> str:
    where = source(copy["kind"], copy["pth"])
    if copy["kind"] == probe.FINDER:
        return f"the finder {copy['entry']}" + (f", from {copy['pth']}" if copy["pth"] else "")
    if copy["kind"] == probe.PARENT:
        return f"{copy['entry']}, where its package searches"
    if copy["kind"] == probe.STDLIB and not os.path.isabs(copy["entry"]):
        return where
    return f"{copy['entry']} on sys.path, from {where}"


def _owner(path: str, setup: WorktreeSetup) -> str:
    if not os.path.isabs(path):
        return ""
    if _is_in_overlay(path, setup):
        return "in the overlay"
    if _is_in_base(path, setup):
        return "in the base"
    sibling = setup.sibling_of(path)
    if sibling is not None:
        return f"in another worktree, {sibling}"
    editable = _editable_around(path, setup)
    if editable is None:
        return ""
    kind = "declared:" if editable.path in setup.config.editables else "undeclared editable"
    return f"{kind} {editable.name or 'a path'} ({editable.path})"


def _editable_around(path: str, setup: WorktreeSetup) -> Editable | None:
    """Return the innermost editable that a file belongs to; overlay and base are no part of one that they lie in."""
    if not os.path.isabs(path) or _is_in_overlay(path, setup) or _is_in_base(path, setup):
        return None
    enclosing = [editable for editable in installed(setup.site_packages) if is_inside(path, editable.path)]
    return max(enclosing, key=lambda editable: len(editable.path), default=None)


def _is_in_overlay(path: str, setup: WorktreeSetup) -> bool:
    return is_inside(path, os.path.realpath(setup.config.venv))


def _is_in_base(path: str, setup: WorktreeSetup) -> bool:
    return is_inside(path, os.path.realpath(setup.record.base))
