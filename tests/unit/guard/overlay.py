"""An overlay's site-packages, made by hand, for tests of what runs in an overlay."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import devpy_pip_guard


def write_files(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def empty_files(folder: Path, *names: str) -> Path:
    return write_files(folder, dict.fromkeys(names, "raise SystemExit('imported')\n"))


class Overlay:
    """A site-packages folder with the guard in it, and one of a base."""

    def __init__(self, folder: Path) -> None:
        self.venv, self.base = folder / ".venv", folder / "base"
        self.site_packages = self.venv / "lib" / "python3" / "site-packages"
        guard = self.site_packages / "_devpy_guard"
        guard.mkdir(parents=True)
        self.base.mkdir()
        for source in Path(devpy_pip_guard.__file__).parent.glob("*.py"):
            shutil.copy(source, guard)
        bridge = f"import _devpy_guard; _devpy_guard.start({str(self.base).encode()!r}, known_paths)\n"
        write_files(self.site_packages, {"~devpy.pth": bridge})

    def install(
        self, name: str, project: Path, pth: str = "", files: Mapping[str, str] | None = None, top_level: str = ""
    ) -> None:
        """Install an editable as a wheel with these files in it would be."""
        info = f"{name}-1.0.dist-info"
        installed = {**(files or {}), f"__editable__.{name}.pth": pth} if pth else dict(files or {})
        record = "".join(f"{path},sha256=x,1\n" for path in [*installed, f"{info}/RECORD", "../../../bin/script"])
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n\nName: none\n"
        origin = json.dumps({"url": project.as_uri(), "dir_info": {"editable": True}})
        installed.update({f"{info}/METADATA": metadata, f"{info}/direct_url.json": origin, f"{info}/RECORD": record})
        if top_level:
            installed[f"{info}/top_level.txt"] = top_level
        write_files(self.site_packages, installed)
