"""Asking every check: first the built-in ones, each of which is a plugin, then those of installed plugins."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from devpy_pip_guard.errors import DevpyError

from ..plugin import FAILED, SKIPPED, STATES, Skipped, Verdict
from ..plugin import manager as plugins

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def examine(setup: WorktreeSetup) -> Iterator[Verdict]:
    """Yield the verdicts of the built-in checks, then those of installed plugins. A plugin that fails gets one, too."""
    built_in = {name: import_module(f"{__package__}.checks.{name}") for name in BUILT_IN}
    try:
        manager = plugins.load(setup.environ)
    except DevpyError as error:
        yield Verdict("plugins", FAILED, error.problem, error.mend)
        manager = plugins.load({plugins.DISABLE_VARIABLE: "1"})
    implementations = manager.hook.devpy_check.get_hookimpls()
    for name, module in built_in.items():
        manager.register(module, name=name)
        yield from _verdicts(manager, name, module, setup)
    for implementation in implementations:
        yield from _verdicts(manager, implementation.plugin_name, implementation.plugin, setup)


def _verdicts(manager: PluginManager, name: str, plugin: object, setup: WorktreeSetup) -> Iterator[Verdict]:
    """Ask one plugin by itself, so that an error in it does not silence the rest."""
    left_out = [registered for registered in manager.get_plugins() if registered is not plugin]
    try:
        for answer in manager.subset_hook_caller("devpy_check", left_out)(setup=setup):
            for verdict in answer:
                yield _checked(verdict, name)
    except Skipped as skipped:
        yield Verdict(name.replace("_", " "), SKIPPED, skipped.reason)
    except DevpyError as error:
        yield Verdict(name.replace("_", " "), FAILED, error.problem, error.mend)
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
