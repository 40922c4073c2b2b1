"""The project's own build backend (PEP 517, PEP 660): its editables start by an entry point (PEP 829).

Older Pythons find an `import` line in the `.pth` file beside it. The finder stands behind Python's own.
"""

from __future__ import annotations

import os
import zipfile

_NAME = "sample_start_file"
_DIST_INFO = f"{_NAME}-1.0.dist-info"
_FINDER = """\
import sys
from importlib.machinery import PathFinder


class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return PathFinder.find_spec(name, [{folder!r}]) if name == {name!r} else None


def install():
    if Finder not in sys.meta_path:
        sys.meta_path.append(Finder)
"""


def build_editable(wheel_directory: str, *_: object) -> str:
    module = f"_{_NAME}_start"
    files = {
        f"{module}.py": _FINDER.format(folder=os.getcwd(), name=_NAME),
        f"_{_NAME}.pth": f"import {module}; {module}.install()\n",
        f"_{_NAME}.start": f"\ufeff{module}:install\n",
    }
    return _write(wheel_directory, files)


def build_wheel(wheel_directory: str, *_: object) -> str:
    with open(os.path.join(_NAME, "__init__.py"), encoding="utf-8") as stream:
        return _write(wheel_directory, {f"{_NAME}/__init__.py": stream.read()})


def _write(folder: str, files: dict) -> str:
    files[f"{_DIST_INFO}/METADATA"] = "Metadata-Version: 2.1\nName: sample-start-file\nVersion: 1.0\n"
    files[f"{_DIST_INFO}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: own\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = f"{_DIST_INFO}/RECORD"
    files[record] = "".join(f"{path},,\n" for path in [*files, record])
    name = f"{_NAME}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
    return name
