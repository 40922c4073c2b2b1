"""What `site` takes from the `.pth` and `.start` files in a site-packages folder, as this version of Python does it.

From Python 3.15 on, `site` calls the entry points that `.start` files name, after it has read all `.pth` files. A
`.start` file replaces the `import` lines in the `.pth` file of its name. From Python 3.18 on, all such lines are
ignored (PEP 829). Where the base holds an editable, every start of an overlay's Python runs this.
"""

from __future__ import annotations

import os
import sys

_IMPORTS = ("import ", "import\t")
"""How the lines of a `.pth` file begin that are run; the others name folders."""


def folders(site_packages: str, names: list[str] | None = None) -> list[tuple[str, str]]:
    """Return the folders that `.pth` files name for `sys.path`, each with its file, in the order in which they come.

    :param site_packages: absolute, as are what is returned
    :param names: of the files, None for all
    """
    files = _files(site_packages, names, ".pth")
    lines = [(file, line) for file in files for line in _lines(file)]
    return [(file, os.path.join(site_packages, line)) for file, line in lines if not line.startswith(_IMPORTS)]


def code(site_packages: str, names: list[str] | None = None) -> list[tuple[str, str]]:
    """Return what the files run, each with its file, in the order in which it runs.

    :param site_packages: absolute, as are the files
    :param names: of the files, None for all
    :return: `import` lines; of entry points (`package.module:name`), the module
    """
    has_imports, has_entry_points = sys.version_info < (3, 18), sys.version_info >= (3, 15)
    lines = []
    for file in _files(site_packages, names, ".pth") if has_imports else ():
        if not (has_entry_points and _is_read(file[: -len(".pth")] + ".start")):
            lines += [(file, line) for line in _lines(file) if line.startswith(_IMPORTS)]
    for file in _files(site_packages, names, ".start") if has_entry_points else ():
        if _is_read(file):
            lines += [(file, line.partition(":")[0]) for line in _lines(file)]
    return lines


def _files(site_packages: str, names: list[str] | None, suffix: str) -> list[str]:
    """Return the files in the order in which `site` takes them."""
    names = sorted(os.listdir(site_packages) if names is None else names)
    names = [name for name in names if name.endswith(suffix) and not name.startswith(".") and "/" not in name]
    return [os.path.join(site_packages, name) for name in names]


def _lines(file: str) -> list[str]:
    strip = str.strip if sys.version_info >= (3, 15) else str.rstrip
    # No path can hold NUL. `site` takes what is no UTF-8 in the locale's encoding, and skips a byte order mark.
    text = _content(file).decode("utf-8", "surrogateescape").replace("\0", "").lstrip("\ufeff")
    lines = [strip(line) for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _is_read(start_file: str) -> bool:
    """Tell whether there is a `.start` file that `site` reads: it passes over what is not UTF-8."""
    try:
        _content(start_file).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return os.access(start_file, os.R_OK)


def _content(file: str) -> bytes:
    """Return what a file holds, which is nothing if it cannot be read."""
    try:
        with open(file, "rb") as stream:
            return stream.read()
    except OSError:
        return b""
