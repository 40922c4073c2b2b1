"""The project's own build backend (PEP 517, PEP 660): it requires nothing, so that a build is quick and offline.

Each build of an editable adds a line to `builds.txt`. The line `fail` in `pyproject.toml`, as a comment, makes it fail.
"""

from __future__ import annotations

import os
import re
import zipfile

with open("pyproject.toml", encoding="utf-8") as _stream:
    _TEXT = _stream.read()
_NAME, _VERSION = (re.findall(rf'^{key} = "(.+)"$', _TEXT, re.MULTILINE)[0] for key in ("name", "version"))
_MODULE = _NAME.replace("-", "_")
_DIST_INFO = f"{_MODULE}-{_VERSION}.dist-info"


def build_wheel(wheel_directory: str, *_: object) -> str:
    with open(os.path.join("src", _MODULE, "__init__.py"), encoding="utf-8") as stream:
        return _write(wheel_directory, {f"{_MODULE}/__init__.py": stream.read()})


def build_editable(wheel_directory: str, *_: object) -> str:
    with open("builds.txt", "a", encoding="utf-8") as stream:
        stream.write("built\n")
    if "# fail" in _TEXT:
        raise SystemExit("the build was told to fail")
    return _write(wheel_directory, {f"_{_MODULE}.pth": os.path.abspath("src") + "\n"})


def _write(folder: str, files: dict) -> str:
    files[f"{_DIST_INFO}/METADATA"] = f"Metadata-Version: 2.1\nName: {_NAME}\nVersion: {_VERSION}\n"
    files[f"{_DIST_INFO}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: own\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{_DIST_INFO}/entry_points.txt"] = f"[console_scripts]\n{_NAME} = {_MODULE}:main\n"
    record = f"{_DIST_INFO}/RECORD"
    files[record] = "".join(f"{path},,\n" for path in [*files, record])
    name = f"{_MODULE}-{_VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
    return name
