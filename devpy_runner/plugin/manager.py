"""The plugin manager: devpy's built-in plugins, then the installed ones.

This module imports pluggy, so import it only where a hook is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

from devpy_pip_guard.errors import DevpyError

from .. import installed
from ..base import lookup
from . import hooks
from .hooks import PROJECT, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from importlib.metadata import EntryPoint

GROUP = "devpy"
"""The group of entry points that plugins are found by."""
DISABLE_VARIABLE = "DEVPY_DISABLE_PLUGINS"
"""Set to 1, it leaves only the built-in plugins."""
WITHOUT_PLUGINS = f"upgrade or uninstall it; {DISABLE_VARIABLE}=1 leaves installed plugins out"
"""The mend for a broken plugin."""


class CondaPlugin:
    """The built-in plugin that finds environments where conda finds them."""

    @hookimpl(trylast=True)
    def devpy_find_base(self, name: str, environ: Mapping[str, str]) -> lookup.Base:
        """See `hooks.devpy_find_base`; what conda would not find is an error."""
        return lookup.find_base(name, environ)


def find_base(name: str, environ: Mapping[str, str]) -> lookup.Base:
    """Ask the plugins for the conda environment that devpy.toml names.

    :param name: a name, or the absolute path of a prefix
    :param environ: the caller's environment variables
    :raises DevpyError: if there is no such environment, or a plugin is broken
    """
    try:
        base = load(environ).hook.devpy_find_base(name=name, environ=environ)
    except (DevpyError, OSError):
        raise
    except Exception as error:
        raise DevpyError(f"a plugin failed to find {name}: {error!r}", WITHOUT_PLUGINS) from error
    if not isinstance(base, lookup.Base):
        raise DevpyError(f"a plugin has found {base!r} for {name}, which is no Base", WITHOUT_PLUGINS)
    return base


def load(environ: Mapping[str, str]) -> pluggy.PluginManager:
    """Make a plugin manager with the built-in plugins and, unless `DEVPY_DISABLE_PLUGINS=1`, the installed ones.

    :raises DevpyError: if a plugin cannot be imported or does not fit the hooks
    """
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hooks)
    manager.register(CondaPlugin(), name="devpy_runner.base.lookup")
    if environ.get(DISABLE_VARIABLE) != "1":
        for distribution, entry_point in _installed():
            _register(manager, distribution, entry_point)
    return manager


def _installed() -> Iterator[tuple[str, EntryPoint]]:
    """Yield the plugins' entry points, each with the name of the distribution that declares it."""
    import importlib.metadata

    for name, distribution in installed.named(importlib.metadata.distributions()):
        for entry_point in distribution.entry_points:
            if entry_point.group == GROUP:
                yield name, entry_point


def _register(manager: pluggy.PluginManager, distribution: str, entry_point: EntryPoint) -> None:
    if manager.has_plugin(entry_point.name):  # another copy of it comes earlier on the path
        return
    try:
        manager.register(entry_point.load(), name=entry_point.name)
        manager.check_pending()
    except Exception as error:
        plugin = f"plugin {entry_point.name} = {entry_point.value} of {distribution}"
        reason = " ".join(str(error).split())  # pluggy's own messages have several lines
        mend = f"upgrade or uninstall {distribution}; {DISABLE_VARIABLE}=1 leaves installed plugins out"
        raise DevpyError(f"{plugin}: {type(error).__name__}: {reason}", mend) from error
