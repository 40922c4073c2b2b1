from __future__ import annotations

import os
import platform
import shutil
import sysconfig
from importlib import metadata
from pathlib import Path

import pytest

from devpy_pip_guard.errors import DevpyError
from devpy_runner.base import facts
from devpy_runner.commands import demo_base
from devpy_virtualenv_plugin.base_python import BasePython

NAME = os.path.basename(sysconfig.get_path("stdlib"))


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prefix laid out as conda does it, made from the running interpreter."""
    prefix = tmp_path_factory.mktemp("conda") / "prefix"
    demo_base.make(str(prefix))
    return prefix


def pips(prefix: Path) -> str:
    folders = [str(prefix / "lib" / NAME / "site-packages")]
    return next((found.version for found in metadata.distributions(name="pip", path=folders)), "")


def test_what_a_python_says_of_itself(prefix: Path) -> None:
    python, pip = facts.ask(str(prefix), {})
    assert python == BasePython(str(prefix), "CPython", platform.python_version(), NAME)
    assert pip == pips(prefix) != ""


def test_nothing_of_the_callers_is_asked(prefix: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("json", "pip", "platform"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert facts.ask(str(prefix), {"PYTHONPATH": str(tmp_path), "PYTHONHOME": "/nowhere"}).pip == pips(prefix)


def test_without_pip(prefix: Path, tmp_path: Path) -> None:
    base = shutil.copytree(prefix, tmp_path / "my base", symlinks=True)
    shutil.rmtree(base / "lib" / NAME / "site-packages" / "pip")
    assert facts.ask(str(base), {}).pip == ""
    error = facts.lacks_pip(str(base))
    assert (error.problem, error.mend) == (f"{base} has no pip", f"conda install -p '{base}' pip")


@pytest.mark.parametrize(
    ("program", "failure"),
    [
        ("#!/bin/sh\necho 'cannot load libpython' >&2\nexit 127\n", "ended with exit code 127: cannot load libpython"),
        ("#!/bin/sh\nkill -SEGV $$\n", "was ended by SIGSEGV"),
        ("#!/no/such/interpreter\n", "No such file or directory"),
    ],
)
def test_python_that_does_not_run(tmp_path: Path, program: str, failure: str) -> None:
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(program, encoding="utf-8")
    python.chmod(0o755)
    with pytest.raises(DevpyError) as raised:
        facts.ask(str(tmp_path), {"PATH": os.defpath})
    assert raised.value.problem.startswith(f"{python}: ")
    assert failure in raised.value.problem
    assert raised.value.mend == f"conda install -p {tmp_path} --force-reinstall python"
