"""Show the configuration and the overlay's state. Creates nothing and runs nothing."""

from __future__ import annotations

import os

from devpy_pip_guard.errors import DevpyError
from devpy_virtualenv_plugin.layout import site_packages

from ..overlay.editables import installed, undeclared
from ..overlay.state import CURRENT, Overlay, examine
from ..records import start_variables
from . import current_worktree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from typing import Any

    from devpy_pip_guard.config import Config


def add_options(parser: ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def execute(arguments: Namespace) -> int:
    """Print what devpy knows, as lines of `key: value` or as JSON.

    :raises DevpyError: if there is no worktree or no valid devpy.toml
    """
    root, config = current_worktree()
    facts = collect(config, root)
    if arguments.json:
        import json

        print(json.dumps(facts, indent=2))
    else:
        print("\n".join(_lines(facts)))
    return 0


def collect(config: Config, root: str) -> dict[str, Any]:
    """Return the facts by name; paths are absolute.

    :param config: from devpy.toml
    :param root: the worktree root, absolute
    """
    overlay = examine(config)
    if overlay.state == CURRENT and overlay.record is not None:  # no need to look the name up again
        base: dict[str, Any] = _base_facts(overlay.record.base)
    else:
        base = _looked_up_base(config)
        overlay = examine(config, base["base prefix"])
    return {
        "project root": root,
        "entry config": config.entry,
        "effective config": config.file,
        "config kind": "stack" if config.is_stack else "repo",
        "shared venv": config.is_stack,
        "config root": config.root,
        "env root": config.root,
        "command cwd": root,
        "base conda env": config.base,
        **base,
        "venv": config.venv,
        "venv exists": os.path.isdir(config.venv),
        "overlay state": overlay.state,
        "overlay reasons": overlay.reasons,
        "activation record": _start_variables_facts(config, overlay),
        "python": os.path.join(config.venv, "bin", "python"),
        "pip": os.path.join(config.venv, "bin", "pip"),
        "install editable deps": config.install_deps,
        "editable packages": [{"path": path, "state": state} for path, state in _packages(config, overlay)],
        "environment variables": config.env,
    }


def _looked_up_base(config: Config) -> dict[str, Any]:
    from ..base.prefix import check_prefix
    from ..plugin.manager import find_base

    try:
        base = find_base(config.base, os.environ)
        check_prefix(base.prefix)
    except DevpyError as error:
        return {"base prefix": None, "base problem": error.problem, "base python": None}
    return _base_facts(base.prefix)


def _base_facts(prefix: str) -> dict[str, Any]:
    from ..base.prefix import python_version

    return {"base prefix": prefix, "base python": python_version(prefix)}


def _start_variables_facts(config: Config, overlay: Overlay) -> dict[str, Any]:
    """Return the state of the start variables, and their age in seconds, which is None if there are none."""
    if overlay.record is None:
        return {"state": start_variables.NONE, "seconds": None}
    state, age = start_variables.examine(config, overlay.record.base, os.environ)
    return {"state": state, "seconds": age}


def _packages(config: Config, overlay: Overlay) -> list[tuple[str, str]]:
    """Return each declared or installed editable package with its state."""
    if overlay.record is None:
        return [(path, _package_state(path, is_installed=False)) for path in config.editables]
    folder = site_packages(config.venv, overlay.record.python)
    paths = {editable.path for editable in installed(folder)}
    states = [(path, _package_state(path, is_installed=path in paths)) for path in config.editables]
    return states + [(path, "installed, but not declared") for path in undeclared(folder, config.editables)]


def _package_state(path: str, *, is_installed: bool) -> str:
    if not os.path.isdir(path):
        return "missing"
    return "installed" if is_installed else "not installed"


def _lines(facts: dict[str, Any]) -> list[str]:
    lines = []
    for name, value in facts.items():
        if name == "editable packages":
            lines.append(f"{name}:")
            lines += [f"  - {package['path']} ({package['state']})" for package in value] or ["  - none"]
        elif name == "activation record":
            lines.append(f"{name}: {_shown_state(**value)}")
        elif isinstance(value, dict):
            lines += [f"{name}:", *(f"  {key} = {item}" for key, item in value.items())] if value else []
        elif isinstance(value, list):
            lines += [f"{name}: {'; '.join(value)}"] if value else []
        else:
            lines.append(f"{name}: {_shown(value)}")
    return lines


def _shown_state(state: str, seconds: float | None) -> str:
    if seconds is None:
        return state
    units = {"day": 86400, "hour": 3600, "minute": 60, "second": 1}
    unit, size = next((each for each in units.items() if seconds >= each[1]), ("second", 1))
    count = int(seconds / size)
    age = f"{count} {unit}{'' if count == 1 else 's'} old"
    return age if state == start_variables.CURRENT else f"{state}, {age}"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "unknown" if value is None else str(value)
