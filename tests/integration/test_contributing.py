"""CONTRIBUTING.md alone teaches how to write a plugin: in a fresh environment, its session prints what it shows."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from .commands import clean_environ, run

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def text() -> str:
    return (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Plugins")[2]


def test_the_plugin_that_it_shows_does_what_it_shows(tmp_path: Path, pip_cache: Path, text: str) -> None:
    environ = clean_environ(tmp_path, pip_cache)
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    environ["PATH"] = f"{tmp_path}/venv/bin:{environ['PATH']}"
    assert run(["python", "-m", "pip", "install", "--quiet", REPOSITORY], cwd=tmp_path, environ=environ).code == 0

    files = re.findall(r"`(devpy-check-data/\S+)`:\n\n```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    for name, content in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    assert [name for name, _ in files] == ["devpy-check-data/pyproject.toml", "devpy-check-data/devpy_check_data.py"]
    imported = re.findall(r"^(?:from|import) (devpy\S*)", files[1][1], re.MULTILINE)
    assert imported == ["devpy_runner.plugin"]

    (session,) = re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    commands = re.findall(r"^\$ (.*)$", session.replace("/tmp/", f"{tmp_path}/"), re.MULTILINE)  # noqa: S108 - as shown
    script = "\n".join(f"echo {shlex.quote(f'$ {command}')}\n{command}" for command in commands)
    result = run(["bash", "-c", script], cwd=tmp_path, environ=environ)
    assert (result.err, result.out.replace(f"{tmp_path}/", "/tmp/")) == ("", session)  # noqa: S108
