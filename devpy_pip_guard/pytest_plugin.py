"""pytest's plugin in every overlay: no test runs unless each declared package comes from where it was declared.

A test run that imports another checkout's code is worth nothing, and nothing shows it. So the plugin checks three
times: before anything is collected; after the collection, since conftest files and test modules may change `sys.path`;
and after the tests, for what has been loaded. pytest finds it through `pytest_entry_point`; `-p no:devpy` leaves it
out.
"""

from __future__ import annotations

import os
import shlex
import sys
from typing import Any, Iterable, Iterator, NamedTuple

import pytest

from . import (
    BASE,
    OVERLAY,
    OVERLAY_RECORD,
    SITE_PACKAGES,
    native_sources,
    origins,
    pyvenv_cfg,
    record,
    sibling_editables,
    worktrees,
)
from . import config as devpy_config
from .errors import DevpyError
from .origins import is_same

_UPDATE = "run `devpy update-editables`"
_PROOF = "devpy-proof"
_REFUSAL_KEY = "devpy"
"""The key under which a worker of pytest-xdist, which cannot print, sends its refusal."""

_MOST_SHOWN = 3
"""How many modules of a package the header names."""


class Overlay(NamedTuple):
    """The overlay that this Python runs in; every path is absolute."""

    venv: str
    base: str
    declaring_file: str
    declared: list[str]
    """The folders of the declared packages, real paths."""
    native_sources: dict[str, native_sources.NativeSources]
    """What compiled parts were built from, by the folder of the package."""
    left_out: list[str]
    """Those of the declared folders that the user has had left out, since they cannot be installed."""


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Refuse a session that would test other code than what is declared, before the header and before workers start.

    :raises pytest.UsageError: if so, or if that cannot be found out
    """
    if session.config.pluginmanager.has_plugin(_PROOF):
        return
    try:
        overlay = read_overlay()
    except DevpyError as error:
        refuse(session, [error])
        return
    packages = origins.packages()
    proof = Proof(session.config, overlay, packages)
    elsewhere = proof.tests_elsewhere(session.config.args)
    unproved = [*_unusable_editables(overlay, packages), *proof.editables_of_siblings()]
    refuse(session, [*elsewhere, *unproved, *proof.wrong_origins()])
    session.config.pluginmanager.register(proof, _PROOF)


class EntryPoint:
    """What pytest finds by itself. It is no module, since pytest refuses one that `-p` names as well."""

    pytest_sessionstart = staticmethod(pytest_sessionstart)


def refuse(session: pytest.Session, errors: list[DevpyError]) -> None:
    """End the session if there are errors.

    :raises pytest.UsageError: with all of them; a worker of pytest-xdist leaves that to its controller
    """
    if not errors:
        return
    message = _joined(errors)
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[_REFUSAL_KEY] = message
        raise session.Failed(message)
    raise pytest.UsageError(message)


def _joined(errors: list[DevpyError]) -> str:
    return "\n".join(f"devpy: {error}" for error in errors)


def read_overlay() -> Overlay:
    """Read the overlay's record and the devpy.toml that governs it.

    :raises DevpyError: if one of them is missing or broken, or the overlay is not where it was made
    """
    venv = OVERLAY  # as seen from this package: `sys.prefix` can be changed
    fields = record.load(venv)
    made, base = fields.get("venv"), fields.get("base")
    if not (isinstance(made, str) and isinstance(base, str)):
        raise DevpyError(f"{os.path.join(venv, OVERLAY_RECORD)}: missing or broken", _UPDATE)
    if os.path.exists(os.path.join(sys.prefix, OVERLAY_RECORD)) and not is_same(venv, sys.prefix):
        raise DevpyError(f"this is the Python of {sys.prefix}, but PYTHONPATH leads to {venv}", "unset PYTHONPATH")
    if not is_same(made, venv):
        raise DevpyError(f"{venv} was made as {made}, and may import the code there", _UPDATE)
    config = devpy_config.load(pyvenv_cfg.config_file(os.path.join(venv, pyvenv_cfg.FILE_NAME)))
    missing = fields.get("missing")
    recorded = missing if isinstance(missing, list) else []
    left_out = [path for path in config.editables if path in recorded and devpy_config.problem_of(path)]
    try:
        built = native_sources.native_sources_in(fields)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DevpyError(f"{os.path.join(venv, OVERLAY_RECORD)}: broken", _UPDATE) from error
    return Overlay(venv, base, config.file, config.editables, built, left_out)


class Proof:
    """Tells where the packages come from, and looks again after collection and after the tests.

    :param packages: as they were found when the session started
    """

    def __init__(self, config: pytest.Config, overlay: Overlay, packages: list[origins.Package]) -> None:
        self._config = config
        self._overlay = overlay
        self._packages = packages
        self._message = ""
        self._roots = worktrees.own_roots_around([os.path.dirname(overlay.venv), *overlay.declared])

    def pytest_report_header(self) -> list[str]:
        """Name the overlay, its base, and where each declared package comes from."""
        folder = os.fspath(self._config.invocation_params.dir)
        lines = [f"devpy: overlay {_shown(self._overlay.venv, folder)} on base {self._overlay.base}"]
        for package in self._packages:
            places = [_shown(origins.place(module.actual), folder) for module in package.modules]
            if len(places) > _MOST_SHOWN:
                places[_MOST_SHOWN:] = [f"{len(places) - _MOST_SHOWN} more"]
            no_places = f"NOT CHECKED, no module of it found in {_shown(package.path, folder)}"
            if package.is_without_modules:
                no_places = "nothing to import"
            lines.append(f"  {package.name}: {', '.join(places) or no_places}{self._newer_source(package, folder)}")
        left_out = {path: devpy_config.problem_of(path) for path in self._overlay.left_out}
        lines += [f"  {_shown(path, folder)}: LEFT OUT, it {problem}" for path, problem in left_out.items()]
        return lines

    def _newer_source(self, package: origins.Package, folder: str) -> str:
        """Return what to add to the line of a package whose compiled parts are out of date."""
        built = self._overlay.native_sources.get(package.path)
        source = native_sources.newer(package.path, built) if built is not None else ""
        return f"; COMPILED BEFORE {_shown(source, folder)} WAS CHANGED, {_UPDATE}" if source else ""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Check once more, before any test runs.

        :raises pytest.UsageError: if a package would now come, or has come, from elsewhere
        """
        self._packages = origins.refreshed(self._packages)
        files = dict.fromkeys(os.fspath(getattr(item, "path", None) or item.fspath) for item in session.items)
        folders = dict.fromkeys(map(os.path.dirname, files))
        refuse(session, [*self.tests_elsewhere(folders), *self.wrong_origins()])

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Let the session fail if a test has loaded a package from elsewhere."""
        self._packages = origins.loaded(self._packages)
        errors = list(self.wrong_origins())
        if not errors or session.exitstatus == pytest.ExitCode.USAGE_ERROR:  # USAGE_ERROR: it has been refused already
            return
        self._message = _joined(errors)
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput[_REFUSAL_KEY] = self._message

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Tell why the session has failed."""
        if self._message:
            terminalreporter.write_line(f"ERROR: {self._message}", red=True)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Refuse what a worker of pytest-xdist has refused; the controller itself collects nothing.

        :raises pytest.UsageError: if it has
        """
        message = getattr(node, "workeroutput", {}).get(_REFUSAL_KEY)
        if message:
            raise pytest.UsageError(message)

    def tests_elsewhere(self, arguments: Iterable[str]) -> Iterator[DevpyError]:
        """Yield an error for each sibling of the overlay's worktrees in which tests lie.

        :param arguments: files and folders as pytest takes them, absolute or relative to where it was started
        """
        folder = os.fspath(self._config.invocation_params.dir)
        paths = dict.fromkeys(os.path.join(folder, argument.split("::")[0]) for argument in arguments)
        siblings = dict.fromkeys(filter(None, (worktrees.find_sibling(path, self._roots) for path in paths)))
        for root, sibling in siblings:
            names = [package.name for package in self._packages if root in worktrees.roots(package.path)]
            what = f" (package {', '.join(names)})" if names else ""
            problem = f"this overlay is for {root}{what}, but the tests are in {sibling}"
            yield DevpyError(problem, f"cd {shlex.quote(sibling)}, then: devpy pytest")

    def editables_of_siblings(self) -> Iterator[DevpyError]:
        """Yield an error for each editable in the base that is the code of a sibling, and not declared here."""
        overlay = self._overlay
        found = sibling_editables.find(os.fsdecode(BASE), SITE_PACKAGES, overlay.declared, self._roots)
        for editable in found:
            yield sibling_editables.describe(editable, overlay.base, overlay.declaring_file)

    def wrong_origins(self) -> Iterator[DevpyError]:
        """Yield an error for each module that comes from elsewhere."""
        for package, module in origins.elsewhere(self._packages):
            reason, mend = self._reason(package, module)
            where = f"comes from {module.actual}, not from" if module.actual else "cannot be imported, though it is in"
            yield DevpyError(f"{module.name} ({package.name}) {where} {module.expected}: {reason}", mend)

    def _reason(self, package: origins.Package, module: origins.Module) -> tuple[str, str]:
        """Return what leads an import to the actual file, and what mends it."""
        doctor = f"`devpy doctor {module.name}` tells more"
        if not module.actual:
            return "sys.path or sys.modules has been changed since Python's start", doctor
        entry = _path_entry(module)
        if entry is None:
            finder = origins.finder_name(module)
            how = f"the finder {finder} in sys.meta_path leads" if finder else "sys.path, when it was imported, led"
            return f"{how} there", doctor
        if _contains(os.environ.get("PYTHONPATH", "").split(os.pathsep), entry):
            return "PYTHONPATH leads there", f"take {entry} out of PYTHONPATH"
        if _contains(self._pythonpath_setting(), entry):
            return "pytest's setting `pythonpath` leads there", f"take {entry} out of it ({self._config.inipath})"
        if _is_behind_overlay(entry) or entry.startswith(self._overlay.base + os.sep):
            return f"{self._overlay.base}, the base, holds it", f"uninstall it there; {doctor}"
        folder = origins.place(module.actual)
        if folder != module.actual and folder.startswith(package.path + os.sep) and _holds_tests(folder):
            return f"a folder of tests has the package's name: {folder}", "rename it, or remove its __init__.py"
        if is_same(entry, os.getcwd()):
            reason = f"this overlay is {os.path.dirname(self._overlay.venv)}'s, and {entry} hides its {module.name}"
            return reason, f"to test {entry}'s own: cd there, devpy pytest; else -p no:devpy"
        mend = "test another worktree with its own overlay; in this one, --import-mode=importlib helps"
        return f"pytest, or a conftest.py, has put {entry} first in sys.path", mend

    def _pythonpath_setting(self) -> list[object]:
        try:
            return list(self._config.getini("pythonpath"))
        except (KeyError, ValueError):  # pytest before 7 has none
            return []


def _unusable_editables(overlay: Overlay, packages: list[origins.Package]) -> Iterator[DevpyError]:
    for path in overlay.declared:
        if not (path in overlay.left_out or any(is_same(path, package.path) for package in packages)):
            yield DevpyError(f"{path} is declared in {overlay.declaring_file} and not installed", _UPDATE)
    for package in packages:
        if package.error and not package.modules:
            yield DevpyError(f"{package.name} ({package.path}) cannot be imported: {package.error}", "devpy doctor")
        if not any(is_same(path, package.path) for path in overlay.declared):
            problem = f"{package.name} is installed from {package.path}, not declared in {overlay.declaring_file}"
            yield DevpyError(problem, f"declare it there, or remove it: {_UPDATE}")


def _path_entry(module: origins.Module) -> str | None:
    """Return the entry of `sys.path` from which a module is found, absolute; None if there is none."""
    root = origins.root(module.actual, module.name)
    return next((os.path.abspath(entry) for entry in sys.path if os.path.realpath(entry) == root), None)


def _holds_tests(folder: str) -> bool:
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return any(name.startswith("test_") or name.endswith("_test.py") for name in names)


def _is_behind_overlay(entry: str) -> bool:
    """Tell whether an entry of `sys.path` comes after the overlay's site-packages, as the base's do."""
    paths = [os.path.realpath(path) for path in sys.path]
    site_packages = os.path.realpath(SITE_PACKAGES)
    return site_packages in paths and paths.index(os.path.realpath(entry)) > paths.index(site_packages)


def _shown(path: str, folder: str) -> str:
    """Return a path relative to a folder, if that is shorter."""
    return min(path, os.path.relpath(path, folder), key=len)


def _contains(paths: Iterable[object], entry: str) -> bool:
    return any(is_same(str(path), entry) for path in paths)
