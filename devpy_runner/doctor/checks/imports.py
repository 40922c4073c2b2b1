"""Whether every declared package is really imported from where it was declared."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from devpy_pip_guard.config import problem_of
from devpy_virtualenv_plugin.mends import command, conda_install

from ...overlay.compiled import missing_at_import
from ...plugin import FAILED, OK, SKIPPED, WARNING, Skipped, Verdict, hookimpl
from ..interpreter import MADE_BY_ANOTHER_DEVPY, Module

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..interpreter import Package
    from ..setup import WorktreeSetup

    Answer = list[Any] | Skipped


@hookimpl
def devpy_check(setup: WorktreeSetup) -> Iterator[Verdict]:
    """See `hooks.devpy_check`; the Python is started as `devpy python` starts it.

    All packages are imported in one process. One of which that tells something bad is imported once more, in a process
    of its own: the others may have changed what it finds. That one finds nothing without the others is not noticed.
    """
    try:
        by_path = {package.path: package for package in setup.state.packages}
    except Skipped as skipped:
        python = setup.python  # skipped where there is none
        if skipped.reason == MADE_BY_ANOTHER_DEVPY:
            raise
        # An origin that cannot be checked counts as wrong.
        mend = f"see what it says: {command(python, '-c', 'pass')}"
        yield Verdict("imports", FAILED, f"nothing can be told: {skipped.reason}", mend)
        return
    paths = [path for path in setup.config.editables if path in by_path and os.path.isdir(path)]
    answers = setup.import_packages([path for path in paths if by_path[path].modules])
    for path in setup.config.editables:
        problem = problem_of(path)
        if path in paths:
            yield from _package_verdicts(setup, by_path[path], answers)
        elif problem:
            yield Verdict("imports", SKIPPED, f"{path} {problem}")
        else:
            text = f"{path} is not installed in {setup.config.venv}"
            yield Verdict("imports", FAILED, text, "devpy update-editables")
    if not setup.config.editables:
        yield Verdict("imports", OK, f"{setup.config.file} declares no packages")


def _package_verdicts(setup: WorktreeSetup, package: Package, answers: dict[str, Answer]) -> Iterator[Verdict]:
    if package.modules:
        answer = answers[package.path]
        verdicts = _import_verdicts(package, answer)
        if len(answers) > 1 and isinstance(answer, list) and any(verdict.state != OK for verdict in verdicts):
            verdicts = _import_verdicts(package, setup.import_packages([package.path])[package.path])
        yield from verdicts
    elif package.is_without_modules:
        yield Verdict("imports", OK, f"{package.name} ({package.path}) provides nothing to import")
    elif package.error:
        text = f"{package.name} ({package.path}) cannot be imported: {package.error}"
        yield Verdict("imports", FAILED, text, _mend_of_build(package, setup))
    else:
        text = f"no importable module of {package.name} found in {package.path}, so its origin is not checked"
        yield Verdict("imports", WARNING, text, "if it has one: devpy doctor MODULE")


def _import_verdicts(package: Package, answer: Answer) -> list[Verdict]:
    """Return what is to be said of a package from what has come of importing it."""
    if isinstance(answer, Skipped):  # because of the package: the same interpreter has answered before
        names = ", ".join(module.name for module in package.modules if module.is_distributed)
        mend = f"see what it does: {command('devpy', 'python', '-c', f'import {names}')}"
        text = f"{package.name} ({package.path}) cannot be imported: {answer.reason}"
        return [Verdict("imports", FAILED, text, mend)]
    modules = [Module(**module) for module in answer]
    problems = [verdict for module in modules for verdict in _module_verdicts(module, package)]
    more = f", and {len(modules) - 1} more from there" if len(modules) > 1 else ""
    return problems or [Verdict("imports", OK, f"{modules[0].name} from {modules[0].actual}{more}")]


def _mend_of_build(package: Package, setup: WorktreeSetup) -> str:
    """Return what mends a package whose finder fails: the finder of meson-python builds it."""
    folders = [setup.site_packages, setup.base_site_packages]
    path = setup.state.environ.get("PATH", os.defpath)
    missing = missing_at_import(package.path, folders, path, setup.record.python)
    if missing:
        return f"{conda_install(setup.base, *missing)}, then: devpy update-editables"
    return "devpy update-editables"


def _module_verdicts(module: Module, package: Package) -> Iterator[Verdict]:
    if module.error:
        text = f"{module.name} ({package.path}): {module.error}"
        mend = f"see where: {command('devpy', 'python', '-c', f'import {module.name}')}"
        yield Verdict("imports", FAILED, text, mend)
    elif module.actual != module.expected:
        origin = module.actual or "nowhere"
        text = f"{module.name} comes from {origin}, not from {module.expected}"
        yield Verdict("imports", FAILED, text, f"see why: devpy doctor {module.name}")
