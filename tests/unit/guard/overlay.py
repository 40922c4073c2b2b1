"""An overlay's site-packages, made by hand, for tests of what runs in an overlay."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import devpy_pip_guard
from devpy_virtualenv_plugin import layout, startup


def write_files(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def empty_files(folder: Path, *names: str) -> Path:
    return write_files(folder, dict.fromkeys(names, "raise SystemExit('imported')\n"))


def write_start_files(site_packages: Path, base: Path, bridge: str) -> None:
    """Write the guard, as source, and the bridge.

    :param bridge: the name of its file
    """
    ignored = shutil.ignore_patterns("__pycache__", "sitecustomize.py")
    guard = shutil.copytree(Path(devpy_pip_guard.__file__).parent, site_packages / layout.GUARD, ignore=ignored)
    with (guard / "__init__.py").open("a", encoding="utf-8") as stream:
        stream.write(startup.places(base, site_packages.parents[2]))
    write_files(site_packages, {bridge: startup.BRIDGES[bridge]})


class Overlay:
    """A site-packages folder with the guard in it, and one of a base.

    :param minor: of the Python 3.X that it is for, if not for this one
    """

    def __init__(self, folder: Path, minor: int = sys.version_info.minor) -> None:
        self.venv, self.base = folder / ".venv", folder / "base"
        self.site_packages = self.venv / "lib" / f"python3.{minor}" / "site-packages"
        self.base.mkdir()
        write_start_files(self.site_packages, self.base, layout.bridge(str(self.site_packages)))

    def install(
        self,
        name: str,
        project: Path,
        pth: str = "",
        files: Mapping[str, str] | None = None,
        top_level: str = "",
        metadata: str = "",
    ) -> None:
        """Install an editable as a wheel with these files in it would be."""
        info = f"{name}-1.0.dist-info"
        installed = {**(files or {}), f"__editable__.{name}.pth": pth} if pth else dict(files or {})
        record = "".join(f"{path},sha256=x,1\n" for path in [*installed, f"{info}/RECORD", "../../../bin/script"])
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{metadata}\nName: none\n"
        origin = json.dumps({"url": project.as_uri(), "dir_info": {"editable": True}})
        installed.update({f"{info}/METADATA": metadata, f"{info}/direct_url.json": origin, f"{info}/RECORD": record})
        if top_level:
            installed[f"{info}/top_level.txt"] = top_level
        write_files(self.site_packages, installed)
