"""Bringing an overlay up to date: its own files, then the editables that devpy.toml declares."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from devpy_pip_guard import distributions
from devpy_pip_guard.config import check_editables, problem_of
from devpy_pip_guard.errors import DevpyError
from devpy_virtualenv_plugin import base_scripts, record
from devpy_virtualenv_plugin.base_python import UPGRADE, refuse_unfit, untested
from devpy_virtualenv_plugin.layout import site_packages
from devpy_virtualenv_plugin.lock import empty, locked
from devpy_virtualenv_plugin.mends import conda_install
from devpy_virtualenv_plugin.record import Record

from ..activate.environment import overlay_variables, worktree_environment
from ..base import facts
from ..base.condarc import read_settings
from ..base.lookup import Base
from ..base.prefix import check_prefix, python_version
from ..plugin.manager import find_base
from ..records import start_variables
from ..worktree import without_locations
from . import builds, compiled, disk_space, editables
from .creation import build
from .editables import Editable
from .pip import InstallError, Pip, without_diversions
from .progress import Progress
from .state import ABSENT, CURRENT, INCOMPLETE, Overlay, examine, is_writable, missing_scripts, refuse_foreign

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from devpy_pip_guard.config import Config
    from devpy_pip_guard.native_sources import NativeSources


class SyncOptions(NamedTuple):
    """What to do beyond what is out of date, and how to show it."""

    compiled: bool = False
    """Rebuild packages with compiled parts, whether or not devpy can tell that their sources have changed."""
    everything: bool = False
    """Reinstall every package."""
    tidy: bool = False
    """Uninstall the editables that devpy.toml does not declare, whoever has installed them."""
    verbose: bool = False
    """Show what build backends and pip print."""
    leaves_out_missing: bool | None = None
    """Go on with the rest where declared packages cannot be installed; None if they have been left out before."""


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


def bring_up_to_date(config: Config, root: str, environ: Mapping[str, str], options: SyncOptions) -> Plan:
    """Make the overlay current, and say what was done to its packages.

    :param config: from devpy.toml
    :param root: the worktree root, absolute
    :param environ: the caller's environment variables
    :raises DevpyError: if the base or a declared package is not there or unfit, something foreign stands in the
        overlay's place, or a package cannot be built; the packages that were installed are then as they were
    """
    config = _without_missing(config, options)
    base = find_base(config.base, environ)
    check_prefix(base.prefix)
    overlay = examine(config, base.prefix)
    refuse_foreign(overlay, config)  # before the lock leaves a file in it
    if not is_writable(config.venv):
        return _nothing_to_do(overlay, config, options)
    progress = Progress()
    if overlay.rebuild:
        _check_python(base.prefix, config, environ, progress)
    with disk_space.needed(config.venv), locked(config.venv):
        overlay = examine(config, base.prefix)  # now that nobody else changes it
        if overlay.rebuild:
            _announce(config, base, overlay, progress)
            build(config, base, overlay, environ)
        prefix = _record(config).base  # as the overlay spells it, if there are several ways
        environ_of_builds = without_locations(without_diversions(environ))
        variables = overlay_variables(config, root, prefix)
        settings = read_settings(environ)
        env = worktree_environment(config.venv, prefix, settings, variables, root, environ_of_builds)
        start_variables.refresh(config, prefix, environ)
        pip = Pip(env, prefix, progress, options.verbose)
        try:
            return _update_packages(config, pip, options)
        except InstallError:
            if overlay.state != INCOMPLETE or _holds_regular_packages(config):
                raise
            # What an interrupted pip has left behind can be in the way of the next one.
            empty(config.venv)
            build(config, base, overlay, environ)
            start_variables.refresh(config, base.prefix, environ)
            return _update_packages(config, pip, options)


def _without_missing(config: Config, options: SyncOptions) -> Config:
    """Return the config without the packages that cannot be installed, if the user has had these left out.

    :raises DevpyError: for those that he has not
    """
    recorded = record.read(config.venv)
    missing = [path for path in config.editables if problem_of(path)]
    are_left_out = recorded is not None and set(missing) <= set(recorded.missing)
    if not (are_left_out if options.leaves_out_missing is None else options.leaves_out_missing):
        check_editables(config)
    kept = {path: declared for path, declared in zip(config.editables, config.declared) if path not in missing}
    return config._replace(editables=list(kept), declared=list(kept.values()), missing=tuple(missing))


def _holds_regular_packages(config: Config) -> bool:
    """Tell whether the overlay holds more than editables. Only the user may know how to install that again."""
    return not all(distributions.project_folder(path) for _, path in distributions.metadata(_site_packages(config)))


def _check_python(prefix: str, config: Config, environ: Mapping[str, str], progress: Progress) -> None:
    """Refuse a base on which no overlay can be made, or no package installed, before anything is written.

    :param prefix: of the conda environment, absolute
    """
    python, pip = facts.ask(prefix, environ)
    refuse_unfit(python)
    if config.editables and not pip:
        raise facts.lacks_pip(prefix)
    problem = untested(python)
    if problem:
        progress.note(f"warning: {problem}\n  {UPGRADE}")


def _nothing_to_do(overlay: Overlay, config: Config, options: SyncOptions) -> Plan:
    """Return an empty plan for an overlay that cannot be written to.

    :raises DevpyError: if there is something to do
    """
    if overlay.state == CURRENT and overlay.record is not None:
        plan = _plan(config, overlay.record, options)
        if not plan.has_work:
            return plan
    what = f"{overlay.state}, and" if overlay.state != CURRENT else "current, but"
    reasons = f" ({'; '.join(overlay.reasons)})" if overlay.reasons else ""
    mend = "see that you may write there, then: devpy update-editables"
    raise DevpyError(f"{config.venv}: {what} cannot be written to{reasons}", mend)


def _announce(config: Config, base: Base, overlay: Overlay, progress: Progress) -> None:
    doing = "creating" if overlay.state == ABSENT else "updating"
    reasons = f" ({'; '.join(overlay.reasons)})" if overlay.reasons else ""
    version = python_version(base.prefix)
    python = f", Python {version}" if version else ""
    progress.note(f"{doing} {config.venv} on {base.prefix}{python}{reasons}")


def _update_packages(config: Config, pip: Pip, options: SyncOptions) -> Plan:
    recorded = _record(config)
    plan = _plan(config, recorded, options)
    updated = recorded._replace(has_deps=config.install_deps)
    if plan.has_work:
        # Should pip be killed, the packages that it was installing are installed again, however complete they look.
        record.write(_without_packages(recorded, plan.install)._replace(complete=False, built=True))
        try:
            _uninstall(plan.uninstall, config, pip)
            # Planned anew: with an editable, pip may have uninstalled a declared package of the same name.
            plan = plan._replace(install=_plan(config, recorded, options).install)
            # Read before pip reads them: what is edited meanwhile counts as a change.
            build_files = {path: editables.build_files(path) for path in plan.install}
            sources = {path: compiled.contents(path) for path in plan.install}
            _install(plan, config, recorded, pip)
            built = _built_sources(sources, config)
        except BaseException as error:
            if not disk_space.is_lacking(error):  # without space, pip may not have put back what it had changed
                _write_record(config, _without_packages(recorded, plan.install))
            raise
        unchanged = _without_packages(recorded, plan.install)
        updated = updated._replace(
            editables={**unchanged.editables, **build_files}, native_sources={**unchanged.native_sources, **built}
        )
    missing = missing_scripts(config.venv, recorded)
    if missing and not plan.has_work:
        pip.progress.note(f"linked the base's {', '.join(missing)} in {config.venv} again")
    _write_record(config, updated)
    return plan


def _built_sources(before: dict[str, dict[str, str]], config: Config) -> dict[str, NativeSources]:
    """Return what compiled parts have been built from, for those of the packages just installed that have some.

    :param before: what the sources of each package held before it was built
    """
    pure = {editable.path for editable in _installed(config) if editable.is_pure}
    found = {path: compiled.built_sources(path, each) for path, each in before.items() if path not in pure}
    return {path: sources for path, sources in found.items() if sources is not None}


def _without_packages(recorded: Record, paths: list[str]) -> Record:
    """Return a record without the packages in some folders, so that they count as not installed."""
    return recorded._replace(
        editables={path: files for path, files in recorded.editables.items() if path not in paths},
        native_sources={path: built for path, built in recorded.native_sources.items() if path not in paths},
    )


def _plan(config: Config, recorded: Record, options: SyncOptions) -> Plan:
    """Compare what is declared, what is installed, and what the record says."""
    installed = _installed(config)
    by_path = {editable.path: editable for editable in installed}
    install = [path for path in config.editables if _needs_install(path, by_path.get(path), recorded, options)]
    undeclared = [editable for editable in installed if editable.path not in config.editables]
    uninstall = [editable for editable in undeclared if options.tidy or editable.path in recorded.editables]
    stamp = record.site_stamp(site_packages(config.venv, recorded.python))
    add_deps = config.install_deps and (bool(install) or stamp != recorded.site_stamp or not recorded.has_deps)
    return Plan(install, uninstall, add_deps)


def _needs_install(path: str, editable: Editable | None, recorded: Record, options: SyncOptions) -> bool:
    """Tell whether a declared package has to be installed, be it once more.

    :param path: its folder
    :param editable: what is installed of it, if anything is
    """
    if editable is None or path not in recorded.editables or options.everything:
        return True
    if options.compiled and not editable.is_pure:
        return True
    return editables.build_files_changed(path, recorded.editables[path])


def _install(plan: Plan, config: Config, recorded: Record, pip: Pip) -> None:
    if plan.install:
        previous = _installed(config)
        left = builds.install(plan.install, config, recorded, pip)
        in_place = [path for path in left if _needs_lasting_requirements(path, config, recorded, pip)]
        _install_by_pip([path for path in left if path not in in_place], [], pip)
        _install_by_pip(in_place, ["--no-build-isolation"], pip)
        missing = editables.missing_at_start(_site_packages(config))
        if missing:
            pip.run(["install", "--no-deps", "--ignore-installed", *missing], f"installing {missing[0]}")
        _uninstall(_former_names(previous, _installed(config)), config, pip)
        _report_installed(plan.install, config, pip)
    if plan.add_deps:
        from . import dependencies

        dependencies.install(_site_packages(config), site_packages(recorded.base, recorded.python), pip)


def _install_by_pip(paths: list[str], options: list[str], pip: Pip) -> None:
    if paths:
        requests = [argument for path in paths for argument in ("--editable", _as_pip_takes_it(path))]
        name = f" {os.path.basename(paths[0])}" if len(paths) == 1 else ""
        pip.run(["install", "--no-deps", *options, *requests], f"installing{name}")


def _as_pip_takes_it(path: str) -> str:
    """Return how to name a folder to pip, which takes brackets at the end of a path for extras."""
    return Path(path).as_uri() if path.endswith("]") else path


def _needs_lasting_requirements(path: str, config: Config, recorded: Record, pip: Pip) -> bool:
    """Tell whether a package that every import builds again is to be built with what is there for good.

    If some of that is missing, the user is told: an import will fail as soon as there is something to build.
    """
    folders = [site_packages(prefix, recorded.python) for prefix in (config.venv, recorded.base)]
    missing = compiled.missing_at_import(path, folders, pip.search_path, recorded.python)
    if missing:
        problem = f"{path} is built again when it is imported, and the base lacks {', '.join(missing)} for that"
        mend = conda_install(recorded.base, *missing)
        pip.progress.note(f"warning: {problem}\n  {mend}, then: devpy update-editables")
    return missing == []


def _uninstall(unwanted: list[Editable], config: Config, pip: Pip) -> None:
    """Uninstall by name, as often as it takes: of two editables that share a name, pip uninstalls one at a time.

    :raises InstallError: if pip leaves some of them installed
    """
    remaining, installed = unwanted, _installed(config)
    while remaining:
        names = sorted({editable.name for editable in remaining if editable.name})
        if names:
            pip.run(["uninstall", "--yes", *names], f"uninstalling {', '.join(names)}")
        for editable in remaining:
            if not editable.name:
                editables.remove_path_line(_site_packages(config), editable.path)
        previous, installed = installed, _installed(config)
        remaining = [editable for editable in remaining if editable in installed]
        if remaining and installed == previous:
            paths = ", ".join(editable.path for editable in remaining)
            mend = "devpy clean, then: devpy update-editables"
            raise InstallError(f"pip has not uninstalled {paths} from {config.venv}", mend)
    for editable in dict.fromkeys(unwanted):
        pip.progress.note(f"uninstalled {editable.name or 'a path'} ({editable.path})")


def _former_names(previous: list[Editable], installed: list[Editable]) -> list[Editable]:
    """Return what is left of renamed packages under their former names."""
    renamed = {editable.path for editable in installed if editable not in previous}
    return [editable for editable in installed if editable in previous and editable.path in renamed]


def _report_installed(paths: list[str], config: Config, pip: Pip) -> None:
    """Tell the user what has been installed.

    :param paths: the folders of the packages that pip was told to install
    :raises InstallError: if a declared package is not installed; of two with the same name, pip keeps one
    """
    by_path = {editable.path: editable for editable in _installed(config)}
    for path in config.editables:
        if path not in by_path:
            raise _not_installed(path, [each for each in paths if each in by_path], config)
    for path in paths:
        pip.progress.note(f"installed {by_path[path].name} ({path})")


def _not_installed(path: str, installed: list[str], config: Config) -> InstallError:
    """Return the error for a declared package that pip has not installed.

    :param installed: the folders of those that it has installed instead
    """
    if not installed:
        problem = f"pip has not installed {path} into {config.venv}"
        return InstallError(problem, "remove target, prefix and root from pip's configuration: pip config list")
    rivals = " or ".join(installed)
    problem = f"{config.file}: editables.packages: {path} is called as {rivals} is, which has taken its place"
    return InstallError(problem, "give each a name of its own, or declare only one: devpy update-editables")


def _write_record(config: Config, updated: Record) -> None:
    """Write the record of a complete overlay, unless the overlay has it already.

    :param updated: the record, apart from what is looked up here
    """
    declared = {path: files for path, files in updated.editables.items() if path in config.editables}
    stamp = record.site_stamp(site_packages(config.venv, updated.python))
    # Where the overlay has lost a script, the base's script of that name is linked.
    if stamp != updated.site_stamp or missing_scripts(config.venv, updated):
        base_scripts.mend_headers(Path(config.venv))
        scripts, replaced = base_scripts.link(Path(config.venv), Path(updated.base), updated.python)
        updated = updated._replace(scripts=scripts, replaced_scripts=replaced)
    complete = updated._replace(
        complete=True, base_name=config.base, editables=declared, site_stamp=stamp, missing=config.missing
    )
    if complete != record.read(config.venv):
        record.write(complete)


def _installed(config: Config) -> list[Editable]:
    return editables.installed(_site_packages(config))


def _site_packages(config: Config) -> str:
    return site_packages(config.venv, _record(config).python)


def _record(config: Config) -> Record:
    """Return what the overlay says of itself.

    :raises DevpyError: if somebody has taken that away meanwhile
    """
    recorded = record.read(config.venv)
    if recorded is None:
        raise DevpyError(f"{config.venv}: its record is gone", "devpy update-editables")
    return recorded
