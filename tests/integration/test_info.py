"""`devpy info` tells everything and changes nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from .commands import Devpy
from .environments import CondaEnvironment
from .projects import MakeRepository

Environ = dict[str, str]  # the variables of a process

CONFIG = """\
[python]
base_conda_env = "{base}"

[editables]
packages = [".", "flit"]

[env]
SAMPLE_PATH = "{{root}}/data"
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, conda_env: CondaEnvironment, devpy_environ: Environ) -> Path:
    """A worktree whose overlay is current; tests only read it."""
    root = tmp_path_factory.mktemp("installed") / "main"
    files = {"devpy.toml": CONFIG.format(base=conda_env.name), "deep/er/file": ""}
    MakeRepository(devpy_environ)(root, "flit", root="console-script", files=files)
    assert Devpy(devpy_environ)("update-editables", cwd=root).code == 0
    return root


@pytest.fixture
def root(tmp_path: Path, repository: MakeRepository, conda_env: CondaEnvironment) -> Path:
    """A worktree without an overlay."""
    files = {"devpy.toml": CONFIG.format(base=conda_env.name)}
    return repository(tmp_path / "main", "flit", root="console-script", files=files)


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size in bytes and modification time in nanoseconds of everything in a folder."""
    status = {str(path.relative_to(folder)): path.lstat() for path in folder.rglob("*")}
    return {name: (each.st_size, each.st_mtime_ns) for name, each in status.items()}


def info(devpy: Devpy, root: Path, environ: Environ | None = None) -> dict[str, Any]:
    result = devpy("info", "--json", cwd=root, environ=environ)
    assert result.code == 0
    assert result.err == ""
    facts: dict[str, Any] = json.loads(result.out)
    return facts


def test_lines(installed: Path, conda_env: CondaEnvironment, devpy: Devpy) -> None:
    result = devpy("info", cwd=installed)
    assert (result.code, result.err) == (0, "")
    version = next(conda_env.prefix.glob("conda-meta/python-3*.json")).name.split("-")[1]
    lines = result.out.splitlines()
    age = next(line for line in lines if line.startswith("activation record: "))
    assert re.fullmatch(r"activation record: \d+ (?:second|minute)s? old", age)
    assert lines == [
        f"project root: {installed}",
        f"entry config: {installed}/devpy.toml",
        f"effective config: {installed}/devpy.toml",
        "config kind: repo",
        "shared venv: no",
        f"config root: {installed}",
        f"env root: {installed}",
        f"command cwd: {installed}",
        f"base conda env: {conda_env.name}",
        f"base prefix: {conda_env.prefix}",
        f"base python: {version}",
        f"venv: {installed}/.venv",
        "venv exists: yes",
        "overlay state: current",
        age,
        f"python: {installed}/.venv/bin/python",
        f"pip: {installed}/.venv/bin/pip",
        "install editable deps: no",
        "editable packages:",
        f"  - {installed} (installed)",
        f"  - {installed}/flit (installed)",
        "environment variables:",
        "  SAMPLE_PATH = {root}/data",
    ]


def test_json_says_the_same(installed: Path, devpy: Devpy) -> None:
    facts = info(devpy, installed)
    lines = devpy("info", cwd=installed).out.splitlines()
    assert f"base prefix: {facts['base prefix']}" in lines
    assert f"base python: {facts['base python']}" in lines
    assert facts["venv exists"] is True
    assert facts["install editable deps"] is False
    assert [package["state"] for package in facts["editable packages"]] == ["installed", "installed"]
    assert facts["environment variables"] == {"SAMPLE_PATH": "{root}/data"}


def test_from_a_subfolder(installed: Path, devpy: Devpy) -> None:
    facts = [info(devpy, folder) for folder in (installed / "deep" / "er", installed)]
    for each in facts:
        assert each.pop("activation record")["state"] == "current"
    assert facts[0] == facts[1]


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_nothing_is_created(root: Path, devpy: Devpy, devpy_environ: Environ, option: list[str]) -> None:
    home = Path(devpy_environ["HOME"])
    before = tree(root), tree(home)
    assert devpy("info", *option, cwd=root).code == 0
    assert (tree(root), tree(home)) == before


def test_age_of_the_activation_record(installed: Path, tmp_path: Path, devpy: Devpy) -> None:
    copied = Path(shutil.copytree(installed, tmp_path / "copied", symlinks=True))
    record = copied / ".venv" / "devpy-start"
    os.utime(record, (0, time.time() - 3 * 3600 - 60))
    assert "activation record: out of date, 3 hours old" in devpy("info", cwd=copied).out.splitlines()
    found = info(devpy, copied)["activation record"]
    assert found["state"] == "out of date"
    assert 3 * 3600 < found["seconds"] < 4 * 3600
    record.unlink()
    assert "activation record: none" in devpy("info", cwd=copied).out.splitlines()
    assert info(devpy, copied)["activation record"] == {"state": "none", "seconds": None}


def test_absent(root: Path, devpy: Devpy) -> None:
    facts = info(devpy, root)
    assert facts["venv exists"] is False
    assert facts["overlay state"] == "absent"
    assert [package["state"] for package in facts["editable packages"]] == ["not installed", "not installed"]


def test_foreign(root: Path, devpy: Devpy) -> None:
    (root / ".venv").mkdir()
    (root / ".venv" / "pyvenv.cfg").write_text("home = /usr/bin\n", encoding="utf-8")
    assert info(devpy, root)["overlay state"] == "foreign"


def test_stale(installed: Path, tmp_path: Path, devpy: Devpy) -> None:
    copied = Path(shutil.copytree(installed, tmp_path / "copied", symlinks=True))
    facts = info(devpy, copied)
    assert facts["overlay state"] == "stale"
    assert f"moved or copied from {installed}/.venv" in facts["overlay reasons"]
    assert f"overlay reasons: moved or copied from {installed}/.venv" in devpy("info", cwd=copied).out


def test_incomplete(installed: Path, tmp_path: Path, devpy: Devpy) -> None:
    copied = Path(shutil.copytree(installed, tmp_path / "copied", symlinks=True))
    record = copied / ".venv" / "devpy.json"
    record.write_text(record.read_text("utf-8").replace('"complete": true', '"complete": false'), encoding="utf-8")
    assert info(devpy, copied)["overlay state"] == "incomplete"


def test_editable_that_is_not_declared(installed: Path, tmp_path: Path, devpy: Devpy) -> None:
    copied = Path(shutil.copytree(installed, tmp_path / "copied", symlinks=True))
    text = (copied / "devpy.toml").read_text("utf-8").replace('[".", "flit"]', '["."]')
    (copied / "devpy.toml").write_text(text, encoding="utf-8")
    states = {package["path"]: package["state"] for package in info(devpy, copied)["editable packages"]}
    assert states[f"{installed}/flit"] == "installed, but not declared"


def test_environment_that_does_not_exist(root: Path, conda_env: CondaEnvironment, devpy: Devpy) -> None:
    (root / "devpy.toml").write_text(CONFIG.format(base=conda_env.name + "x"), encoding="utf-8")
    result = devpy("info", cwd=root)
    assert (result.code, result.err) == (0, "")
    assert f"base conda env: {conda_env.name}x\n" in result.out
    assert f"conda environment {conda_env.name}x: not found in " in result.out
    assert info(devpy, root)["base prefix"] is None


def test_folder_that_is_no_environment(root: Path, tmp_path: Path, devpy: Devpy) -> None:
    (root / "devpy.toml").write_text(CONFIG.format(base=f"{tmp_path}/"), encoding="utf-8")
    assert "not a conda environment" in devpy("info", cwd=root).out


def test_declared_package_that_is_missing(root: Path, devpy: Devpy) -> None:
    shutil.rmtree(root / "flit")
    result = devpy("info", cwd=root)
    assert (result.code, result.err) == (0, "")
    assert f"  - {root}/flit (missing)\n" in result.out


def test_nothing_is_run(root: Path, tmp_path: Path, devpy: Devpy, devpy_environ: Environ) -> None:
    """Neither the environment's Python, which would leave a trace, nor anything on PATH, which is empty."""
    prefix = tmp_path / "env"
    for folder in ("bin", "conda-meta", "etc/conda/activate.d"):
        (prefix / folder).mkdir(parents=True)
    (prefix / "conda-meta" / "history").touch()
    for file in ("bin/python", "etc/conda/activate.d/script.sh"):
        (prefix / file).write_text(f"#!/bin/sh\n: > {tmp_path}/ran\n", encoding="utf-8")
        (prefix / file).chmod(0o755)
    (root / "devpy.toml").write_text(CONFIG.format(base=prefix), encoding="utf-8")
    facts = info(devpy, root, environ={**devpy_environ, "PATH": str(tmp_path / "nowhere")})
    assert facts["base prefix"] == str(prefix)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("argument", ["--jsn", "--JSON", "extra"])
def test_unknown_argument(root: Path, devpy: Devpy, argument: str) -> None:
    result = devpy("info", argument, cwd=root)
    assert result.code == 2
    assert argument in result.err


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[python]\nbase_conda_env = "shared"\n[editable]\npackages = ["."]\n', "did you mean [editables]?"),
        ("[python]\nbase_conda_env = 3\n", "python.base_conda_env = 3 is not a string"),
        ('[python]\nbase_conda_env = "shared\n', "(at line 2, column 25)"),
        ('[python]\nbase_conda_env = "shared"\nvenv = [\n', "line 4"),
        ("[editables]\npackages = []\n", "python.base_conda_env: missing"),
        ('[python]\nbase_conda_env = "shared"\n[editables]\npackages = [".", "./"]\n', "declared twice"),
    ],
)
def test_broken_config(root: Path, devpy: Devpy, text: str, problem: str) -> None:
    (root / "devpy.toml").write_text(text, encoding="utf-8")
    result = devpy("info", cwd=root)
    assert (result.code, result.out) == (2, "")
    assert str(root / "devpy.toml") in result.err
    assert problem in result.err
