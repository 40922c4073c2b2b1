from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from devpy_pip_guard.config import load
from devpy_runner.base.lookup import Base
from devpy_runner.overlay import editables, sync
from devpy_runner.overlay.pip import InstallError, Pip
from devpy_runner.overlay.progress import Progress
from devpy_runner.overlay.state import ABSENT, Overlay
from devpy_virtualenv_plugin import record

from ...virtualenv_plugin.test_record import make_record


def test_a_python_of_unknown_version_is_announced_without_it(tmp_path: Path) -> None:
    (tmp_path / "devpy.toml").write_text('[python]\nbase_conda_env = "any"\n', encoding="utf-8")
    said: list[str] = []
    progress = cast("Progress", SimpleNamespace(note=said.append))
    overlay = Overlay(ABSENT, [], True, None)
    sync._announce(load(str(tmp_path / "devpy.toml")), Base("any", str(tmp_path)), overlay, progress)
    assert said == [f"creating {tmp_path}/.venv on {tmp_path}"]


def test_a_pip_that_uninstalls_nothing_is_not_asked_for_ever(tmp_path: Path) -> None:
    """As where pip skips a package that it does not hold to be installed there, which it takes for a success."""
    (tmp_path / "devpy.toml").write_text('[python]\nbase_conda_env = "any"\n', encoding="utf-8")
    site_packages = tmp_path / ".venv" / "lib" / "python3.11" / "site-packages"
    info = site_packages / "stranger-1.dist-info"
    info.mkdir(parents=True)
    record.write(make_record(tmp_path / ".venv"))
    (info / "METADATA").write_text("Name: stranger\n", encoding="utf-8")
    origin = {"url": f"file://{tmp_path}/stranger", "dir_info": {"editable": True}}
    (info / "direct_url.json").write_text(json.dumps(origin), encoding="utf-8")
    asked: list[Any] = []

    def run(arguments: list[str], task: str) -> None:
        asked.append((arguments, task))
        assert len(asked) < 3

    pip = cast("Pip", SimpleNamespace(run=run, progress=SimpleNamespace(note=print)))
    with pytest.raises(InstallError, match="stranger"):
        sync._uninstall(editables.installed(str(site_packages)), load(str(tmp_path / "devpy.toml")), pip)
    assert asked == [(["uninstall", "--yes", "stranger"], "uninstalling stranger")]
