"""What this interpreter would import, and from where: run by its path in an overlay's Python, it is no part of devpy.

Standard library of Python 3.8 only, and the `_devpy_guard` that is in every overlay.

    probe.py environ            the variables that Python has once it has started
    probe.py state              those, `sys.path`, the finders, and the overlay's editables
    probe.py import FOLDER …    import what the editable in each folder provides; an answer for each, as it comes
    probe.py find NAME …        every copy of each, without importing more than the parents of a dotted name

An answer is JSON, in one line on stdout.
"""

from __future__ import annotations

import os
import sys

if sys.path and sys.path[0] == os.path.dirname(os.path.abspath(__file__)):
    del sys.path[0]  # the folder of this file, which belongs to devpy

_PATH = list(sys.path)
"""What the user's programs search; what follows is no other than Python's own, whatever PYTHONPATH holds."""

_library = os.path.dirname(os.__file__)
_pythonpath = {os.path.abspath(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry}
_pythonpath -= {_library, os.path.join(_library, "lib-dynload")}
sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) not in _pythonpath]

import json
import re
from importlib import import_module
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder
from traceback import format_exception_only
from typing import TYPE_CHECKING, Any

sys.path[:] = _PATH

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.machinery import ModuleSpec

    Answer = dict[str, Any]

OVERLAY, BASE, STDLIB, PYTHONPATH, PTH, FINDER = "overlay", "base", "stdlib", "PYTHONPATH", "pth", "finder"
PARENT = "parent"
OTHER = "other"
"""What leads to a module: an entry of `sys.path` and where that comes from, a finder of somebody's, or its package.

OTHER is some code that ran as Python started.
"""

_DEEPEST = 3
"""How far into a finder's tables to look for paths."""


def environ() -> Answer:
    """Return the variables."""
    return {"environ": dict(os.environ)}


def state() -> Answer:
    """Return what can be told without importing a module or searching for one."""
    return {
        "environ": dict(os.environ),
        "path": [{"entry": os.path.abspath(entry), **_entry_source(entry)} for entry in sys.path],
        "finders": [
            {"name": _finder_name(finder), "paths": sorted(set(_paths(finder))), **_finder_source(finder)}
            for finder in sys.meta_path
        ],
        "packages": _packages(),
    }


def import_packages(paths: list[str]) -> Iterator[Answer]:
    """Yield, for each editable, what comes of importing each module that it distributes, even if some of them fail.

    What may be a script beside them is not run: the answer tells where an import would find it.

    :param paths: their folders, real paths
    """
    origins = import_module("_devpy_guard.origins")
    packages = {package.path: package for package in origins.packages()}
    for path in paths:
        package = packages[path]
        errors = {each.name: _import_error(each.name) if each.is_distributed else "" for each in package.modules}
        (imported,) = _as_answers(origins.refreshed([package]))
        yield {"modules": [{**module, "error": errors[module["name"]]} for module in imported["modules"]]}


def find_all(names: list[str]) -> Answer:
    """Return every copy of each module, the one that an import would give first."""
    return {"packages": _packages(), "modules": [_search(name) for name in names]}


def _packages() -> list[Answer]:
    """Return the overlay's editables, with the origin of each module as it should be and as it is."""
    return _as_answers(import_module("_devpy_guard.origins").packages())


def _as_answers(packages: list[Any]) -> list[Answer]:
    elsewhere = [module for _, module in import_module("_devpy_guard.origins").elsewhere(packages)]
    return [
        {
            "name": package.name,
            "path": package.path,
            "modules": [
                {
                    "name": module.name,
                    "expected": module.expected,
                    "actual": module.actual if module in elsewhere else module.expected,
                    "is_distributed": module.is_distributed,
                }
                for module in package.modules
            ],
            "is_without_modules": package.is_without_modules,
            "error": package.error,
        }
        for package in packages
    ]


def _import_error(name: str) -> str:
    try:
        import_module(name)
    except BaseException as error:  # noqa: BLE001 - whatever the user's code does, SystemExit among it
        return _last_line(error)
    return ""


def _last_line(error: BaseException) -> str:
    return " ".join(format_exception_only(type(error), error)[-1].split())


def _search(name: str) -> Answer:
    answer: Answer = {"name": name, "expected": "", "copies": [], "left_out": [], "error": ""}
    parent = name.rpartition(".")[0]
    path = None
    try:
        if parent:
            path = list(import_module(parent).__path__)
        answer["expected"] = _expected(name)
        answer["copies"] = _without_repeats(
            copy for finder in list(sys.meta_path) for copy in _copies(finder, name, path)
        )
        copies = [(copy["file"], copy["portions"]) for copy in answer["copies"]]
        left_out = _without_repeats(_left_out(name)) if path is None else []
        answer["left_out"] = [copy for copy in left_out if (copy["file"], copy["portions"]) not in copies]
    except BaseException as error:  # noqa: BLE001 - of a parent or a finder
        answer["error"] = _last_line(error)
    return answer


def _left_out(name: str) -> Iterator[Answer]:
    """Yield the copies that an import would find if devpy did not hide them behind the overlay."""
    for finder in sys.meta_path:
        inner = _unwrapped(finder)
        if inner is not finder:
            yield from _copies(inner, name, None)
    for folder, pth in _path_lines().items():
        if folder not in map(os.path.realpath, sys.path):
            spec = PathFinder.find_spec(name, [folder])
            if spec is not None:
                yield {"file": _file(spec), "portions": _portions(spec), "entry": folder, "kind": PTH, "pth": pth}


def _expected(name: str) -> str:
    spec = import_module("_devpy_guard.precedence").find_in_overlay(name)
    return _file(spec) if spec is not None else ""


def _copies(finder: Any, name: str, path: list[str] | None) -> Iterator[Answer]:
    """Yield the copies of a module that one finder leads to, in the order of precedence."""
    if finder is PathFinder:
        yield from _copies_on_path(name, path)
        return
    spec = finder.find_spec(name, path) if hasattr(finder, "find_spec") else None
    if spec is None:
        return
    is_standard = finder in (BuiltinImporter, FrozenImporter)
    source = {"kind": STDLIB, "pth": ""} if is_standard else {**_finder_source(finder), "kind": FINDER}
    yield {"file": _file(spec), "portions": _portions(spec), "entry": _finder_name(finder), **source}


def _copies_on_path(name: str, path: list[str] | None) -> list[Answer]:
    """Return regular modules first: a namespace package wins only if no entry has a regular module."""
    regular, portions = [], []
    for entry in sys.path if path is None else path:
        spec = PathFinder.find_spec(name, [entry])
        if spec is None:
            continue
        source = _entry_source(entry) if path is None else {"kind": PARENT, "pth": ""}
        copy = {"file": _file(spec), "portions": [], "entry": os.path.abspath(entry), **source}
        if spec.loader is None:
            portions.append({**copy, "portions": _portions(spec)})
        else:
            regular.append(copy)
    if not portions:
        return regular
    folders = dict.fromkeys(folder for copy in portions for folder in copy["portions"])  # each may name them all
    return [*regular, {**portions[0], "portions": list(folders)}]


def _file(spec: ModuleSpec) -> str:
    origin = getattr(spec.loader_state, "filename", None) or spec.origin or ""  # a frozen module has a source, too
    return os.path.realpath(origin) if os.path.isabs(origin) else origin if spec.loader is not None else ""


def _portions(spec: ModuleSpec) -> list[str]:
    is_namespace = spec.loader is None or not spec.origin
    return [os.path.realpath(folder) for folder in spec.submodule_search_locations or []] if is_namespace else []


def _without_repeats(copies: Iterator[Answer]) -> list[Answer]:
    """Leave out copies that an earlier way has led to already."""
    unique: dict[tuple[str, ...], Answer] = {}
    for copy in copies:
        unique.setdefault((copy["file"], *copy["portions"]), copy)
    return list(unique.values())


def _entry_source(entry: str) -> dict[str, str]:
    """Return what has put an entry on `sys.path`."""
    path = os.path.abspath(entry)
    pythonpath = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if path in [os.path.abspath(each) for each in pythonpath if each]:
        return {"kind": PYTHONPATH, "pth": ""}
    pth = _path_lines().get(os.path.realpath(path))
    if pth is not None:
        return {"kind": PTH, "pth": pth}
    if path == _overlay_site_packages():
        return {"kind": OVERLAY, "pth": ""}
    if os.path.basename(path) == "site-packages":
        return {"kind": BASE, "pth": ""}
    stdlib = os.path.dirname(os.path.abspath(os.__file__))
    is_standard = path in (stdlib, os.path.join(stdlib, "lib-dynload")) or path.endswith(".zip")
    return {"kind": STDLIB if is_standard else OTHER, "pth": ""}


def _overlay_site_packages() -> str:
    return os.path.dirname(os.path.dirname(os.path.abspath(import_module("_devpy_guard").__file__ or "")))


def _path_lines() -> dict[str, str]:
    """Return, by its real path, the first `.pth` file that adds a folder to `sys.path`."""
    lines: dict[str, str] = {}
    for site_packages in _site_packages():
        for file, folder in _site_files().folders(site_packages):
            lines.setdefault(os.path.realpath(folder), file)
    return lines


def _site_packages() -> list[str]:
    """Return the folders whose start-up files `site` has read."""
    return [entry for entry in sys.path if os.path.basename(entry) == "site-packages" and os.path.isdir(entry)]


def _site_files() -> Any:
    return import_module("_devpy_guard.site_files")


def _finder_source(finder: Any) -> dict[str, str]:
    module = _finder_module(_unwrapped(finder))
    if module.partition(".")[0] in ("_frozen_importlib", "_frozen_importlib_external", "zipimport"):
        return {"kind": STDLIB, "pth": ""}
    for site_packages in _site_packages():
        for file, line in _site_files().code(site_packages):
            if any(_lies_in(module, name) or _lies_in(name, module) for name in re.findall(r"[\w.]+", line)):
                return {"kind": PTH, "pth": file}
    return {"kind": OTHER, "pth": ""}


def _lies_in(inner: str, outer: str) -> bool:
    """Tell whether a dotted name is another, or lies in the package that the other names."""
    return bool(outer) and f"{inner}.".startswith(f"{outer}.")


def _unwrapped(finder: Any) -> Any:
    """Return the finder that one of devpy's finders wraps; any other finder as it is."""
    if not type(finder).__module__.startswith("_devpy_guard"):
        return finder
    return next((inner for inner in vars(finder).values() if hasattr(inner, "find_spec")), finder)


def _finder_module(finder: Any) -> str:
    return str(getattr(finder, "__module__", None) or getattr(finder, "__name__", ""))


def _finder_name(finder: Any) -> str:
    finder = _unwrapped(finder)
    kind = finder if isinstance(finder, type) else type(finder)
    name = getattr(finder, "__name__", None) or kind.__name__
    module = str(getattr(finder, "__module__", ""))
    return f"{module}.{name}" if module else str(name)


def _paths(finder: Any) -> Iterator[str]:
    """Yield the absolute paths in the tables of a finder, such as the mapping of a setuptools editable."""
    finder = _unwrapped(finder)
    if _finder_source(finder)["kind"] == STDLIB or _finder_module(finder).startswith("_devpy_guard"):
        return
    yield from _paths_in(vars(finder) if hasattr(finder, "__dict__") else {}, 0)
    module = sys.modules.get(_finder_module(finder))
    tables = vars(module) if module is not None else {}
    yield from _paths_in({name: value for name, value in tables.items() if not name.startswith("__")}, 0)


def _paths_in(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        if os.path.isabs(value):
            yield os.path.realpath(value)
    elif depth < _DEEPEST and hasattr(value, "values"):
        for item in list(value.values()) if not isinstance(value, type) else []:
            yield from _paths_in(item, depth + 1)
    elif depth < _DEEPEST and isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from _paths_in(item, depth + 1)


def main(task: str, arguments: list[str]) -> None:
    """Answer on the stdout that was given; what imported code prints goes to stderr."""
    stream = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    for answer in _answers(task, arguments):
        sys.stdout.flush()
        stream.write("\n" + json.dumps(answer) + "\n")
        stream.flush()


def _answers(task: str, arguments: list[str]) -> Iterator[Answer]:
    if task == "import":
        yield from import_packages(arguments)
    elif task == "find":
        yield find_all(arguments)
    else:
        yield environ() if task == "environ" else state()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
