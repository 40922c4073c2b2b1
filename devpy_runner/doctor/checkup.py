"""Asking every check: first the built-in ones, each of which is a plugin, then those of installed plugins."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from devpy_pip_guard.errors import DevpyError

from ..plugin import FAILED, SKIPPED, STATES, WARNING, Skipped, Verdict
from ..plugin import manager as plugins

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pluggy import PluginManager

    from .setup import WorktreeSetup

BUILT_IN = (
    "config",
    "base",
    "overlay",
    "imports",
    "undeclared",
    "base_editables",
    "scripts",
    "variables",
    "siblings",
    "pythonpath",
    "dependencies",
    "git",
)
"""The built-in checks, in the order in which they are shown: a module in `checks` for each."""


def examine(setup: WorktreeSetup, left_out: list[str]) -> Iterator[Verdict]:
    """Yield the verdicts of the built-in checks, then those of installed plugins. A plugin that fails gets one, too.

    :param left_out: the names of checks not to make, besides those that devpy.toml names
    :raises DevpyError: if a name is none
    """
    built_in = {name: import_module(f"{__package__}.checks.{name}") for name in BUILT_IN}
    try:
        manager = plugins.load(setup.environ)
    except DevpyError as error:
        yield Verdict("plugins", FAILED, error.problem, error.mend)
        manager = plugins.load({plugins.DISABLE_VARIABLE: "1"})
    implementations = manager.hook.devpy_check.get_hookimpls()
    checks = {**built_in, **{each.plugin_name: each.plugin for each in implementations}}
    declared = _declared_skips(setup)
    unknown = [name for name in left_out if _find(name, checks) is None]
    if unknown:
        raise DevpyError(f"--skip: {unknown[0]}: no such check", f"the checks are {', '.join(map(shown, checks))}")
    sources = {**declared, **dict.fromkeys(left_out, "--skip")}
    skipped = {_find(name, checks): source for name, source in sources.items()}
    for name, check in checks.items():
        if name in built_in:
            manager.register(check, name=name)
        if name in skipped:
            yield Verdict(shown(name), SKIPPED, f"left out by {skipped[name]}")
        else:
            yield from _verdicts(manager, name, check, setup)
    for name, source in declared.items():
        if _find(name, checks) is None:
            yield Verdict("doctor", WARNING, f"{source}: {name}: no such check", "remove it, or install its plugin")


def _declared_skips(setup: WorktreeSetup) -> dict[str, str]:
    """Return the names of the checks that devpy.toml leaves out, each with where it says so."""
    try:
        config = setup.load_config()
    except DevpyError:  # which the first check tells
        return {}
    return dict.fromkeys(config.skipped_checks, f"doctor.skip in {config.file}")


def _find(name: str, checks: Iterable[str]) -> str | None:
    """Return the check that a user means by a name, which may have dashes or spaces in it."""
    return next((check for check in checks if _plain(check) == _plain(name)), None)


def _plain(name: str) -> str:
    return name.replace(" ", "_").replace("-", "_")


def shown(name: str) -> str:
    """Return the name of a check as the user sees it."""
    return name.replace("_", " ")


def _verdicts(manager: PluginManager, name: str, plugin: object, setup: WorktreeSetup) -> Iterator[Verdict]:
    """Ask one plugin by itself, so that an error in it does not silence the rest."""
    left_out = [registered for registered in manager.get_plugins() if registered is not plugin]
    try:
        for answer in manager.subset_hook_caller("devpy_check", left_out)(setup=setup):
            for verdict in answer:
                yield _checked(verdict, name)
    except Skipped as skipped:
        yield Verdict(shown(name), SKIPPED, skipped.reason)
    except DevpyError as error:
        yield Verdict(shown(name), FAILED, error.problem, error.mend)
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        yield _broken(name, f"{type(error).__name__}: {' '.join(str(error).split())}")


def _checked(verdict: Any, name: str) -> Verdict:
    """Return the verdict of a plugin if it is one."""
    if not isinstance(verdict, Verdict) or verdict.state not in STATES or not all(type(t) is str for t in verdict):
        return _broken(name, f"{verdict!r} is no Verdict")
    return verdict


def _broken(name: str, problem: str) -> Verdict:
    if name in BUILT_IN:
        return Verdict(
            name, FAILED, f"the check itself failed: {problem}", "report this, with the output of: devpy info"
        )
    return Verdict(name, FAILED, f"the check of plugin {name} failed: {problem}", plugins.WITHOUT_PLUGINS)
