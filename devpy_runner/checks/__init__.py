"""The checks of `devpy doctor`: each is a plugin, as one of yours would be, in a module of its own."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from devpy_pip_guard.errors import DevpyError

from .. import plugins
from .found import Setup
from .verdicts import FAILED, OK, SKIPPED, STATES, WARNING, Skipped, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pluggy import PluginManager

__all__ = ["FAILED", "OK", "SKIPPED", "STATES", "WARNING", "Setup", "Skipped", "Verdict", "examine"]

OWN = (
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
"""The built-in checks, in the order in which they are shown: a module in this package for each."""


def examine(setup: Setup) -> Iterator[Verdict]:
    """Yield what the built-in checks and then those of installed plugins say; a plugin's failure is a verdict."""
    own = {name: import_module(f".{name}", __package__) for name in OWN}
    try:
        manager = plugins.load(setup.environ)
    except DevpyError as error:
        yield Verdict("plugins", FAILED, error.problem, error.mend)
        manager = plugins.load({plugins.DISABLE_VARIABLE: "1"})
    installed = manager.hook.devpy_check.get_hookimpls()
    for name, module in own.items():
        manager.register(module, name=name)
        yield from _verdicts(manager, name, module, setup)
    for implementation in installed:
        yield from _verdicts(manager, implementation.plugin_name, implementation.plugin, setup)


def _verdicts(manager: PluginManager, name: str, plugin: object, setup: Setup) -> Iterator[Verdict]:
    """Ask one plugin, so that an error in it does not silence the others."""
    others = [other for other in manager.get_plugins() if other is not plugin]
    try:
        for answer in manager.subset_hook_caller("devpy_check", others)(setup=setup):
            for verdict in answer:
                yield _checked(verdict, name)
    except Skipped as skipped:
        yield Verdict(name.replace("_", " "), SKIPPED, skipped.reason)
    except DevpyError as error:
        yield Verdict(name.replace("_", " "), FAILED, error.problem, error.mend)
    except Exception as error:  # noqa: BLE001 - another's code may raise anything
        yield _broken(name, f"{type(error).__name__}: {' '.join(str(error).split())}")


def _checked(verdict: Any, name: str) -> Verdict:
    """Return the verdict of a plugin if it is one."""
    if not isinstance(verdict, Verdict) or verdict.state not in STATES or not all(type(t) is str for t in verdict):
        return _broken(name, f"{verdict!r} is no Verdict")
    return verdict


def _broken(name: str, problem: str) -> Verdict:
    if name in OWN:
        return Verdict(
            name, FAILED, f"the check itself failed: {problem}", "report this, with the output of: devpy info"
        )
    return Verdict(name, FAILED, f"the check of plugin {name} failed: {problem}", plugins.WITHOUT_PLUGINS)
