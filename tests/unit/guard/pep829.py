"""A `site.addsitedir` by the text of PEP 829, for Pythons that are older, or that are still to come.

It is run by its path in an interpreter of its own. `sys.version_info` says which Python it stands for: up to 3.17, the
`import` lines of `.pth` files run unless there is a `.start` file of the same name; later they do not, and from 3.20 on
each gives a warning.
"""

from __future__ import annotations

import os
import pkgutil
import sys
import traceback
from collections.abc import Callable, Iterator

_IMPORTS = ("import ", "import\t")


def prelude(minor: int) -> str:
    """Return the lines of a program that make its Python behave as the given 3.X does."""
    return (
        f"import runpy, site, sys; sys.version_info = (3, {minor}, 0, 'final', 0)\n"
        f"site.addsitedir = runpy.run_path({os.path.abspath(__file__)!r})['addsitedir']\n"
    )


def addsitedir(sitedir: str, known_paths: set[str] | None = None) -> set[str] | None:
    if known_paths is not None:
        if sitedir in known_paths:
            return known_paths
        known_paths.add(sitedir)
    _add(sitedir)
    lines = [(name, line) for name in _names(sitedir, ".pth") for line in _lines(sitedir, name)]
    for _, line in lines:
        if not line.startswith(_IMPORTS):
            _add(os.path.join(sitedir, line))
    _run_imports(sitedir, [(name, line) for name, line in lines if line.startswith(_IMPORTS)])
    for line in (line for name in _names(sitedir, ".start") for line in _lines(sitedir, name)):
        _try(line, lambda line=line: pkgutil.resolve_name(line)())  # type: ignore[misc]
    return known_paths


def _run_imports(sitedir: str, lines: list[tuple[str, str]]) -> None:
    for name, line in lines:
        if sys.version_info >= (3, 20):
            print(f"{name} has an import line", file=sys.stderr)
        elif sys.version_info < (3, 18) and not os.path.exists(f"{sitedir}/{name[: -len('.pth')]}.start"):
            _try(line, lambda line=line: exec(line))  # type: ignore[misc] # noqa: S102 - as site does


def _add(folder: str) -> None:
    if folder not in sys.path and os.path.exists(folder):
        sys.path.append(folder)


def _names(sitedir: str, suffix: str) -> list[str]:
    return sorted(name for name in os.listdir(sitedir) if name.endswith(suffix) and not name.startswith("."))


def _lines(sitedir: str, name: str) -> Iterator[str]:
    with open(os.path.join(sitedir, name), encoding="utf-8-sig") as stream:
        for line in map(str.strip, stream.read().splitlines()):
            if line and not line.startswith("#"):
                yield line


def _try(line: str, action: Callable[[], object]) -> None:
    try:
        action()
    except Exception:  # noqa: BLE001 - site reports whatever it is
        print(f"Error in {line}", file=sys.stderr)
        traceback.print_exc()
