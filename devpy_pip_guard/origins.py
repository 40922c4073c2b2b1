"""From where the overlay's editables are imported: what the overlay alone would give, and what an import gives now.

Under which names an editable is imported, its metadata may declare (PEP 794). Few do, and build backends record nothing
else in the same way. So names are guessed generously, from what the installed files say and from the layouts that
projects have. Each name is confirmed by asking the overlay.
"""

from __future__ import annotations

import os
import re
import sys
from importlib.machinery import ModuleSpec, PathFinder, all_suffixes
from typing import Iterable, Iterator, NamedTuple

from . import SITE_PACKAGES, distributions, files, is_inside, is_same_file, site_files
from .precedence import find_in_overlay

_SOURCE_FOLDERS = ("src", "lib", "python")
_BUILD_FILES = ("pyproject.toml", "setup.py")
_BESIDE_THE_PACKAGE = {
    "benchmark", "benchmarks", "bin", "build", "ci", "conftest", "dist", "doc", "docs", "example", "examples",
    "fabfile", "notebooks", "noxfile", "requirements", "script", "scripts", "setup", "tasks", "test", "testing",
    "tests", "tool", "tools", "versioneer",
}  # fmt: skip
"""What stands in the folder of a project, can be imported from there, and is no part of what it distributes."""

_TESTS = {"conftest", "test", "tests"}
"""What projects distribute by mistake. It is not checked if it lies in the project's folder, as in most projects."""

_DEEPEST = 8
"""How many parts the name of a package inside a namespace may have: a folder of data may look like a namespace."""


class Module(NamedTuple):
    """A module or package that an editable provides."""

    name: str
    """Under which it is imported; dotted inside a namespace."""
    expected: str
    """The file, or the folder of a namespace, that the overlay alone would give; a real path."""
    actual: str
    """The file that an import would give now, a real path; empty if none. A loaded module counts as it is."""
    is_distributed: bool
    """Whether it is certain to be part of the distribution; else it may be a script, which only the user should run."""


class Package(NamedTuple):
    """An editable of the overlay."""

    name: str
    """The distribution's, as its metadata spells it."""
    path: str
    """The folder it was installed from, a real path."""
    modules: list[Module]
    """Empty if nothing tells under which name it is imported."""
    is_without_modules: bool
    """Whether it certainly has nothing to import, but only programs, or stubs for type checkers."""
    error: str
    """What its finder has failed with, in one line, such as a build; empty if it has not."""


class _Distribution(NamedTuple):
    """What the overlay records of an editable."""

    name: str
    path: str
    folders: list[str]
    """What its own `.pth` files add to `sys.path`; real paths."""
    files: list[str]
    """What was installed into site-packages for it, relative to that."""
    top_level: list[str] | None
    """The names that setuptools has recorded; None if the build backend records none."""
    import_names: list[str]
    """What its metadata declares to be importable, and its alone; an empty name says that there is nothing."""
    import_namespaces: list[str]
    """The namespaces that it declares to share with others."""

    @property
    def declares_nothing(self) -> bool:
        """Whether the metadata says that there is nothing to import."""
        return bool(self.import_names) and not any([*self.import_names, *self.import_namespaces])


def packages() -> list[Package]:
    """Return the overlay's editables, in the order of their names; nothing is imported but namespace packages.

    Editables have a `direct_url.json` that says so (PEP 610), or the `.egg-link` of a `setup.py develop`.
    """
    editables = sorted(_distributions(SITE_PACKAGES), key=lambda editable: editable.name.lower())
    paths = [editable.path for editable in editables]
    result = []
    for distribution in editables:
        nested = [path for path in paths if path != distribution.path and is_inside(path, distribution.path)]
        search = _Search(distribution, nested)
        modules = search.modules()
        is_empty = not modules and not search.error and search.finds_nothing()
        result.append(Package(distribution.name, distribution.path, modules, is_empty, search.error))
    return result


def elsewhere(packages: list[Package]) -> list[tuple[Package, Module]]:
    """Return the modules that an import would take from another file than the expected one, with their packages."""
    pairs = ((package, module) for package in packages for module in package.modules)
    return [(package, module) for package, module in pairs if not is_same(module.expected, module.actual)]


def refreshed(packages: list[Package]) -> list[Package]:
    """Return the packages with what an import of each module would give at this moment."""
    return [package._replace(modules=[_refreshed(module) for module in package.modules]) for package in packages]


def _refreshed(module: Module) -> Module:
    return module._replace(actual=_actual(module.name, module.expected))


def loaded(packages: list[Package]) -> list[Package]:
    """Return the packages with those of their modules that are loaded at this moment, and where they come from."""
    return [
        package._replace(modules=[_refreshed(module) for module in package.modules if _is_loaded(module)])
        for package in packages
    ]


def _is_loaded(module: Module) -> bool:
    return sys.modules.get(module.name) is not None


def finder_name(module: Module) -> str:
    """Return the name of the finder that now leads an import to a module's actual file; empty if none does."""
    finder, spec = _search(module.name)
    if spec is None or spec.origin is None or not is_same(spec.origin, module.actual):
        return ""
    return str(getattr(finder, "__name__", type(finder).__name__))


class _Search:
    """Looks for the modules of a distribution.

    :param nested: the folders of other editables inside the distribution's; modules in them are not its own
    """

    def __init__(self, distribution: _Distribution, nested: list[str]) -> None:
        self.error = ""
        self._distribution = distribution
        self._nested = nested
        project = distribution.path
        folders = [os.path.join(project, name) for name in _SOURCE_FOLDERS]
        folders += [folder for folder in distribution.folders if not _is_project(folder, project)]
        self._parts = re.split(r"[-_.]+", distribution.name.lower())
        self._source_folders = list(dict.fromkeys(map(os.path.realpath, folders)))

    def modules(self) -> list[Module]:
        """Return them in the order of their names."""
        if self._distribution.declares_nothing:
            return []
        modules = self._declared() or self._guessed()
        return [modules[name] for name in sorted(modules)]

    def _declared(self) -> dict[str, Module]:
        """Return the modules that the metadata declares, as far as the overlay has them."""
        names = [*filter(None, self._distribution.import_names)] or self._distribution.import_namespaces
        return {module.name: module for name in filter(_may_be_imported, names) for module in self._ask_declared(name)}

    def _ask_declared(self, name: str) -> Iterator[Module]:
        """Yield the module of this name, or the package that it is a part of, if it is this distribution's."""
        parts = name.split(".")
        for end in range(1, len(parts)):
            parent = ".".join(parts[:end])
            if not _is_namespace_now(parent):
                yield from self._ask(parent, is_distributed=True)
                return
            __import__(parent)  # else what it holds cannot be searched for
        for module in self._ask(name, is_distributed=True):
            yield module._replace(is_distributed=True) if module.name == name else module

    def _guessed(self) -> dict[str, Module]:
        modules = self._confirmed({*self._recorded_names(), *self._names_like_distribution()}, are_distributed=True)
        if any(_is_package(module.expected) for module in modules.values()):
            modules = {name: self._scripts_marked(module) for name, module in modules.items()}
        modules = {**self._confirmed(self._names_in_source_folders(), are_distributed=not modules), **modules}
        modules = {**self._confirmed(self._names_with_prefix(), are_distributed=False), **modules}
        return modules or self._confirmed(self._names_of_last_resort(), are_distributed=False)

    def finds_nothing(self) -> bool:
        """Tell whether what is installed shows that there is nothing to import."""
        folders, has_finder = self._distribution.folders, bool(self._startup_names())
        if self._distribution.declares_nothing:
            return True
        declared_names = [*self._distribution.import_names, *self._distribution.import_namespaces]
        if any(declared_names) or any(map(str.isidentifier, self._recorded_names())):
            return False
        if self._distribution.top_level is not None or not (folders or has_finder):
            return True
        has_stubs = any(entry.endswith("-stubs") for folder in folders for entry in files.names_in(folder))
        return has_stubs and not has_finder and not _importable(folders) - _BESIDE_THE_PACKAGE

    def _scripts_marked(self, module: Module) -> Module:
        """Return a module beside a package as a possible script: setuptools, left to find modules, records it."""
        is_certain = _is_package(module.expected) or module.name in {
            *self._installed_names(),
            *self._names_like_distribution(),
        }
        return module._replace(is_distributed=module.is_distributed and is_certain)

    def _recorded_names(self) -> Iterator[str]:
        for name in self._distribution.top_level or ():
            if not (name in _TESTS and name in _importable([self._distribution.path])):
                yield name
        yield from self._installed_names()

    def _installed_names(self) -> Iterator[str]:
        startup_names = self._startup_names()
        for file in self._distribution.files:
            name = _module_name(file.split("/")[0])
            if name not in startup_names:
                yield name

    def _startup_names(self) -> set[str]:
        """Return the names in what its `.pth` and `.start` files run: these modules are the build backend's."""
        lines = site_files.code(SITE_PACKAGES, self._distribution.files)
        return {name for _, line in lines for name in re.findall(r"\w+", line)}

    def _names_like_distribution(self) -> Iterator[str]:
        project, parts = self._distribution.path, self._parts
        yield "_".join(parts)  # a finder may have a module of that name in a folder of any other
        for name in _importable([project, *self._source_folders]):
            is_first_part = name.lower() == parts[0] and name not in _BESIDE_THE_PACKAGE
            if name.lower() == "_".join(parts) or (is_first_part and os.path.isdir(os.path.join(project, name))):
                yield name

    def _names_with_prefix(self) -> Iterator[str]:
        """Yield the packages in the project's folder whose names begin like the distribution's."""
        for name in self._packages_in_project():
            if name.lower().startswith(self._parts[0] + "_"):
                yield name

    def _names_in_source_folders(self) -> Iterator[str]:
        """Yield the packages in source folders, and the folders there that may be namespaces."""
        for folder in self._source_folders:
            for name in _importable([folder]):
                path = os.path.join(folder, name)
                if _is_package_folder(path) or (os.path.isdir(path) and name not in _BESIDE_THE_PACKAGE):
                    yield name

    def _names_of_last_resort(self) -> Iterator[str]:
        yield from (name for name in self._packages_in_project() if name not in _BESIDE_THE_PACKAGE)
        yield from _importable(self._source_folders)

    def _packages_in_project(self) -> list[str]:
        project = self._distribution.path
        return [name for name in _importable([project]) if _is_package_folder(os.path.join(project, name))]

    def _confirmed(self, names: Iterable[str], *, are_distributed: bool) -> dict[str, Module]:
        candidates = [name for name in set(names) if name.isidentifier() and _may_be_imported(name)]
        return {module.name: module for name in candidates for module in self._ask(name, are_distributed)}

    def _ask(self, name: str, is_distributed: bool) -> Iterator[Module]:
        """Yield the module of this name, or what a namespace of this name holds, if it is this distribution's."""
        try:
            spec = find_in_overlay(name)
        except Exception as error:  # noqa: BLE001 - a finder is somebody else's, and may build what it finds
            self.error = self.error or " ".join(f"{type(error).__name__}: {error}".split())
            return
        if spec is None:
            return
        if spec.has_location and spec.origin is not None:
            if self._is_own(spec.origin, name):
                is_alone = "." in name and not _is_package(spec.origin) and name.lower() != ".".join(self._parts)
                actual = _actual(name, spec.origin)
                yield Module(name, os.path.realpath(spec.origin), actual, is_distributed and not is_alone)
        elif spec.submodule_search_locations is not None and name.count(".") + 1 < _DEEPEST:
            yield from self._inside_namespace(name, spec.submodule_search_locations, is_distributed)

    def _inside_namespace(self, name: str, locations: Iterable[str], is_distributed: bool) -> Iterator[Module]:
        parents = [self._distribution.path, *self._distribution.folders, *self._source_folders]
        places = [*locations, *(os.path.join(folder, *name.split(".")) for folder in parents)]
        folders = [place for place in places if os.path.isdir(place) and self._is_own(place, name)]
        children = sorted(_importable(folders))
        if not children:
            return
        if not _is_namespace_now(name):
            yield Module(name, os.path.realpath(folders[0]), _actual(name, folders[0]), is_distributed=False)
            return
        __import__(name)  # else what it holds cannot be searched for
        for child in children:
            yield from self._ask(f"{name}.{child}", is_distributed)

    def _is_own(self, path: str, name: str) -> bool:
        """Tell whether a file or folder lies in this distribution's folder, as it is written or as a real path."""
        real, search_folder = os.path.realpath(path), os.path.realpath(root(path, name))
        if any(is_inside(real, folder) for folder in self._nested):
            return False
        site_packages = os.path.realpath(SITE_PACKAGES)  # it may well lie in the folder of the project
        if is_inside(real, site_packages) or is_inside(search_folder, site_packages):
            return os.path.relpath(real, site_packages) in self._distribution.files
        folders = (self._distribution.path, *self._distribution.folders)
        return any(is_inside(place, folder) for folder in folders for place in (real, search_folder))


def _distributions(site_packages: str) -> Iterator[_Distribution]:
    for _, path in distributions.metadata(site_packages):
        project, name = distributions.project_folder(path), distributions.spelled_name(path)
        if project and name:
            installed = [file for file in distributions.installed_files(path) if not _is_beside(file, path)]
            folders = [folder for _, folder in site_files.folders(site_packages, installed)]
            if path.endswith(".egg-link"):
                folders = distributions.read_lines(path)[:1]
            infos = [os.path.join(folder, "top_level.txt") for folder in distributions.metadata_folders(path)]
            top_level = [line for info in infos for line in distributions.read_lines(info)]
            has_top_level = any(map(os.path.isfile, infos))
            reals = [os.path.realpath(os.path.join(site_packages, folder)) for folder in folders]
            declared = [_declared_names(path, field) for field in ("Import-Name", "Import-Namespace")]
            yield _Distribution(name, project, reals, installed, top_level if has_top_level else None, *declared)


def _declared_names(path: str, field: str) -> list[str]:
    """Return the names in a field of the metadata, without what marks some of them as private (PEP 794)."""
    return [value.partition(";")[0].strip() for value in distributions.core_metadata(path, field)]


def _is_beside(file: str, info: str) -> bool:
    """Tell whether a file that RECORD lists is metadata, a program or a cache."""
    return file.split("/")[0] in (os.path.basename(info), "..", "__pycache__")


def _importable(folders: Iterable[str]) -> set[str]:
    """Return the names of modules, packages and possible namespaces in folders, which need not exist."""
    names = {_module_name(entry) for folder in folders for entry in files.names_in(folder)}
    return {name for name in names if name.isidentifier() and name not in ("__init__", "__main__", "__pycache__")}


def _module_name(entry: str) -> str:
    """Return the name under which a file or folder is imported from the folder it lies in."""
    suffix = next((suffix for suffix in _SUFFIXES if entry.endswith(suffix)), "")
    return entry[: len(entry) - len(suffix)]


_SUFFIXES = sorted(all_suffixes(), key=len, reverse=True)


def _is_project(folder: str, project: str) -> bool:
    """Tell whether a folder may hold more than packages: that of a project, this one or another, or one around it."""
    return is_inside(project, folder) or any(os.path.isfile(os.path.join(folder, name)) for name in _BUILD_FILES)


def _is_package_folder(path: str) -> bool:
    return os.path.isfile(os.path.join(path, "__init__.py"))


def _is_package(file: str) -> bool:
    return os.path.basename(file).startswith("__init__.")


def place(file: str) -> str:
    """Return the folder of a package, or the file of a module."""
    return os.path.dirname(file) if _is_package(file) else file


def root(path: str, name: str) -> str:
    """Return the folder from which a module is found, as `sys.path` may hold it."""
    folder = place(path)
    for _ in name.split("."):
        folder = os.path.dirname(folder)
    return folder


def _may_be_imported(name: str) -> bool:
    """Tell whether a name, dotted or not, may be an editable's: no module precedes one of the standard library."""
    first = name.partition(".")[0]
    return all(map(str.isidentifier, name.split("."))) and not _is_in_standard_library(first)


def _is_in_standard_library(name: str) -> bool:
    library = os.path.dirname(os.__file__)
    spec = PathFinder.find_spec(name, [library, os.path.join(library, "lib-dynload")])
    return name in sys.builtin_module_names or (spec is not None and spec.loader is not None)


def _actual(name: str, expected: str) -> str:
    """Return the file that an import gives, or would give; for a namespace its expected folder, if it has that."""
    file, folders = _origin_now(name)
    if file is not None:
        return os.path.realpath(file)
    reals = [os.path.realpath(folder) for folder in folders]
    real = os.path.realpath(expected)
    return real if real in reals or os.path.dirname(real) in reals else next(iter(reals), "")


def _is_namespace_now(name: str) -> bool:
    """Tell whether an import would give a namespace package, so that importing it runs nobody's code."""
    file, folders = _origin_now(name)
    return file is None and bool(folders)


def _origin_now(name: str) -> tuple[str | None, list[str]]:
    """Return the file of a module, None if it has none, and the folders of a package, loaded or not."""
    module = sys.modules.get(name)
    file, folders = _attribute(module, "__file__"), _attribute(module, "__path__")
    folders = [folder for folder in folders if isinstance(folder, str)] if isinstance(folders, Iterable) else []
    if isinstance(file, str) or folders:
        return (file if isinstance(file, str) else None), folders
    # The loaded module may have put another object in its place.
    spec = None if name in sys.modules and module is None else _search(name)[1]
    if spec is None:
        return None, []
    return (spec.origin if spec.has_location else None), list(spec.submodule_search_locations or ())


def _attribute(module: object, name: str) -> object:
    try:
        return getattr(module, name, None)
    except Exception:  # noqa: BLE001 - an object in the place of a module may do anything
        return None


def _search(name: str) -> tuple[object, ModuleSpec | None]:
    """Search as an import would, and tell which finder has found it; the parent of a dotted name is loaded."""
    parent = name.rpartition(".")[0]
    path = getattr(sys.modules.get(parent), "__path__", []) if parent else None
    finders = [finder for finder in sys.meta_path if hasattr(finder, "find_spec")]  # Python 3.8 took others, too
    for finder in finders:
        try:
            spec = finder.find_spec(name, path)
        except Exception:  # noqa: BLE001 - a finder is somebody else's, and may build what it finds
            return finder, None
        if spec is not None:
            return finder, spec
    return None, None


def is_same(path1: str, path2: str) -> bool:
    """Tell whether two paths are of one file or folder, which need not exist."""
    return path1 == path2 or is_same_file(path1, path2)
