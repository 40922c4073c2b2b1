"""Bringing an overlay up to date: its own files, then the editables that devpy.toml declares."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple, TypeVar

from devpy_pip_guard import distributions
from devpy_pip_guard.config import check_editables
from devpy_pip_guard.errors import DevpyError
from devpy_virtualenv_plugin import base_scripts, record
from devpy_virtualenv_plugin.base_python import UPGRADE, refuse_unfit, untested
from devpy_virtualenv_plugin.layout import site_packages
from devpy_virtualenv_plugin.lock import empty, locked
from devpy_virtualenv_plugin.record import Record

from ..activate import environment
from ..base import facts
from ..base.condarc import read_settings
from ..base.lookup import Base
from ..base.prefix import check_prefix, python_version
from ..plugin.manager import find_base
from ..records import start_record
from . import dependencies, disk_space, editables
from .editables import Editable
from .pip import Pip, PipError, without_diversions
from .progress import Progress
from .state import ABSENT, CURRENT, INCOMPLETE, Overlay, build, examine, is_writable, refuse_foreign

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from devpy_pip_guard.config import Config


T = TypeVar("T")


class Wanted(NamedTuple):
    """How much work is asked for."""

    compiled: bool = False
    """Rebuild packages with compiled parts, whose sources are not looked at."""
    everything: bool = False
    """Reinstall every package."""
    tidy: bool = False
    """Uninstall the editables that came in some other way."""
    verbose: bool = False
    """Show what pip prints."""


class Plan(NamedTuple):
    """What is to be done to the packages in an overlay."""

    install: list[str]
    """Folders of declared packages."""
    uninstall: list[Editable]
    add_deps: bool
    """Whether to look for dependencies that the base lacks."""

    @property
    def has_work(self) -> bool:
        """Whether anything is to be done."""
        return bool(self.install or self.uninstall or self.add_deps)


def bring_up_to_date(config: Config, root: str, environ: Mapping[str, str], wanted: Wanted) -> Plan:
    """Make the overlay current, and say what was done to its packages.

    :param config: from devpy.toml
    :param root: the worktree root, absolute
    :param environ: the caller's environment variables
    :raises DevpyError: if the base or a declared package is not there or unfit, something foreign stands in the
        overlay's place, or a package cannot be built; the packages that were installed are then as they were
    """
    check_editables(config)
    base = find_base(config.base, environ)
    check_prefix(base.prefix)
    found = examine(config, base.prefix)
    refuse_foreign(found, config)  # before the lock leaves a file in it
    if not is_writable(config.venv):
        return _nothing_to_do(found, config, wanted)
    progress = Progress()
    if found.rebuild:
        _check_python(base.prefix, config, environ, progress)
    with disk_space.needed(config.venv), locked(config.venv):
        overlay = examine(config, base.prefix)  # now that nobody else changes it
        if overlay.rebuild:
            _announce(config, base, overlay, progress)
            build(config, base, overlay, environ)
        callers = without_diversions(environ)
        own = environment.variables(config, root, base.prefix)
        settings = read_settings(environ)
        env = environment.of(config.venv, base.prefix, settings, own, root, callers)
        start_record.refresh(config, base.prefix, environ)
        pip = Pip(env, base.prefix, progress, wanted.verbose)
        try:
            return _update_packages(config, pip, wanted)
        except PipError:
            if overlay.state != INCOMPLETE or _holds_others(config):
                raise
            # What an interrupted pip has left behind can be in the way of the next one.
            empty(config.venv)
            build(config, base, overlay, environ)
            start_record.refresh(config, base.prefix, environ)
            return _update_packages(config, pip, wanted)


def _holds_others(config: Config) -> bool:
    """Tell whether there is more in the overlay than editables: nobody but the user may know how to get it back."""
    return not all(distributions.project_folder(path) for _, path in distributions.metadata(_site_packages(config)))


def _check_python(prefix: str, config: Config, environ: Mapping[str, str], progress: Progress) -> None:
    """Refuse a base on which no overlay can be made or filled, while there is nothing of it yet.

    :param prefix: of the conda environment, absolute
    """
    python, pip = facts.ask(prefix, environ)
    refuse_unfit(python)
    if config.editables and not pip:
        raise facts.lacks_pip(prefix)
    problem = untested(python)
    if problem:
        progress.note(f"warning: {problem}\n  {UPGRADE}")


def _nothing_to_do(found: Overlay, config: Config, wanted: Wanted) -> Plan:
    """Return an empty plan for an overlay that cannot be written to.

    :raises DevpyError: if there is something to do
    """
    if found.state == CURRENT and found.record is not None:
        plan = _plan(config, found.record, wanted)
        if not plan.has_work:
            return plan
    what = f"{found.state}, and" if found.state != CURRENT else "current, but"
    reasons = f" ({'; '.join(found.reasons)})" if found.reasons else ""
    mend = "see that you may write there, then: devpy update-editables"
    raise DevpyError(f"{config.venv}: {what} cannot be written to{reasons}", mend)


def _announce(config: Config, base: Base, overlay: Overlay, progress: Progress) -> None:
    doing = "creating" if overlay.state == ABSENT else "updating"
    reasons = f" ({'; '.join(overlay.reasons)})" if overlay.reasons else ""
    version = python_version(base.prefix)
    python = f", Python {version}" if version else ""
    progress.note(f"{doing} {config.venv} on {base.prefix}{python}{reasons}")


def _update_packages(config: Config, pip: Pip, wanted: Wanted) -> Plan:
    before = _record(config)
    plan = _plan(config, before, wanted)
    after = before._replace(has_deps=config.install_deps)
    if plan.has_work:
        # Should pip be killed, what it was about is installed again, however complete it looks.
        known = _without(before.editables, plan.install)
        record.write(before._replace(complete=False, built=True, editables=known))
        try:
            _uninstall(plan.uninstall, config, pip)
            # Only now: pip may have taken a declared package of the same name with it.
            plan = plan._replace(install=_plan(config, before, wanted).install)
            # Read before pip does: what is edited meanwhile counts as a change.
            built = {path: editables.build_files(path) for path in plan.install}
            _install(plan, config, before, pip)
        except BaseException as error:
            if not disk_space.is_lacking(error):  # else pip could not put back what it has changed
                _write_record(config, before._replace(editables=_without(before.editables, plan.install)))
            raise
        after = after._replace(editables={**_without(before.editables, plan.install), **built})
    _write_record(config, after)
    return plan


def _without(known: dict[str, T], paths: list[str]) -> dict[str, T]:
    return {path: value for path, value in known.items() if path not in paths}


def _plan(config: Config, before: Record, wanted: Wanted) -> Plan:
    """Compare what is declared, what is there, and what devpy remembers of it."""
    there = _installed(config)
    by_path = {editable.path: editable for editable in there}
    install = [path for path in config.editables if _needs_work(path, by_path.get(path), before, wanted)]
    extra = [editable for editable in there if editable.path not in config.editables]
    uninstall = [editable for editable in extra if wanted.tidy or editable.path in before.editables]
    has_changed = bool(install) or before.site_stamp != record.site_stamp(site_packages(config.venv, before.python))
    add_deps = config.install_deps and (has_changed or not before.has_deps)
    return Plan(install, uninstall, add_deps)


def _needs_work(path: str, there: Editable | None, before: Record, wanted: Wanted) -> bool:
    if there is None or path not in before.editables or wanted.everything:
        return True
    return (wanted.compiled and not there.is_pure) or editables.build_files_changed(path, before.editables[path])


def _install(plan: Plan, config: Config, made: Record, pip: Pip) -> None:
    if plan.install:
        before = _installed(config)
        requests = [argument for path in plan.install for argument in ("--editable", path)]
        name = f" {os.path.basename(plan.install[0])}" if len(plan.install) == 1 else ""
        pip.run(["install", "--no-deps", *requests], f"installing{name}")
        missing = editables.missing_at_start(_site_packages(config))
        if missing:
            pip.run(["install", "--no-deps", "--ignore-installed", *missing], f"installing {missing[0]}")
        _uninstall(_former_names(before, _installed(config)), config, pip)
        _note_installed(plan.install, config, pip)
    if plan.add_deps:
        dependencies.install(_site_packages(config), site_packages(made.base, made.python), pip)


def _uninstall(unwanted: list[Editable], config: Config, pip: Pip) -> None:
    """Uninstall, by name and then again by name: of two that share one, pip takes a single one at a time."""
    remaining, before = unwanted, _installed(config)
    while remaining:
        names = sorted({editable.name for editable in remaining if editable.name})
        if names:
            pip.run(["uninstall", "--yes", *names], f"uninstalling {', '.join(names)}")
        for editable in remaining:
            if not editable.name:
                editables.remove_path_line(_site_packages(config), editable.path)
        after = _installed(config)
        remaining = [editable for editable in remaining if editable in after]
        if remaining and after == before:
            paths = ", ".join(editable.path for editable in remaining)
            mend = "devpy clean, then: devpy update-editables"
            raise PipError(f"pip has not uninstalled {paths} from {config.venv}", mend)
        before = after
    for editable in dict.fromkeys(unwanted):
        pip.progress.note(f"uninstalled {editable.name or 'a path'} ({editable.path})")


def _former_names(before: list[Editable], after: list[Editable]) -> list[Editable]:
    """Return what is left of packages that have since been given another name."""
    new = {editable.path for editable in after if editable not in before}
    return [editable for editable in after if editable in before and editable.path in new]


def _note_installed(paths: list[str], config: Config, pip: Pip) -> None:
    """Say what has been installed.

    :raises PipError: if a declared package is not there; pip replaces one that has the name of another
    """
    by_path = {editable.path: editable for editable in _installed(config)}
    for path in config.editables:
        if path not in by_path:
            others = " or ".join(other for other in paths if other in by_path)
            if not others:
                problem = f"pip has not installed {path} into {config.venv}"
                raise PipError(problem, "remove target, prefix and root from pip's configuration: pip config list")
            problem = f"{config.file}: editables.packages: {path} is called as {others} is, which has taken its place"
            raise PipError(problem, "give each a name of its own, or declare only one: devpy update-editables")
    for path in paths:
        pip.progress.note(f"installed {by_path[path].name} ({path})")


def _write_record(config: Config, now: Record) -> None:
    """Remember what is there now, unless nothing is new."""
    known = {path: files for path, files in now.editables.items() if path in config.editables}
    stamp = record.site_stamp(site_packages(config.venv, now.python))
    if stamp != now.site_stamp:  # a script that has left the overlay gives its name back to the base's
        base_scripts.link(Path(config.venv), Path(now.base), now.python)
    after = now._replace(complete=True, base_name=config.base, editables=known, site_stamp=stamp)
    if after != record.read(config.venv):
        record.write(after)


def _installed(config: Config) -> list[Editable]:
    return editables.installed(_site_packages(config))


def _site_packages(config: Config) -> str:
    return site_packages(config.venv, _record(config).python)


def _record(config: Config) -> Record:
    """Return what the overlay says of itself.

    :raises DevpyError: if somebody has taken that away meanwhile
    """
    made = record.read(config.venv)
    if made is None:
        raise DevpyError(f"{config.venv}: its record is gone", "devpy update-editables")
    return made
