"""devpy never runs another checkout's code in silence, and nothing that a user has put into an overlay is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from devpy_virtualenv_plugin.lock import locked

from .commands import Devpy, run
from .environments import CondaEnvironment, MakeCondaEnv
from .projects import MakeRepository, import_name

WHERE = ("python", "-c", "import sample_self_built; print(sample_self_built.__file__)")


def config(base: str, *packages: str, head: str = "") -> str:
    declared = ", ".join(f'"{name}"' for name in packages)
    return f'{head}[python]\nbase_conda_env = "{base}"\n\n[editables]\npackages = [{declared}]\n'


def test_a_worktree_whose_stack_declares_another_one(
    tmp_path: Path, conda_env: CondaEnvironment, repository: MakeRepository, devpy: Devpy
) -> None:
    head = '[devpy]\nkind = "stack"\n\n'
    (tmp_path / "stack.toml").write_text(config(conda_env.name, "app/self-built", head=head), encoding="utf-8")
    app = repository(tmp_path / "app", "self-built", files={"devpy.toml": '[devpy]\nextends = "../stack.toml"\n'})
    feature = repository.worktree(app, "feature")
    assert "warning" not in devpy(*WHERE, cwd=app).err
    for _ in range(2):
        result = devpy(*WHERE, cwd=feature)
        assert f"{app}/self-built is the code of another worktree, {app}" in result.err


def test_a_name_that_leads_to_another_base(
    tmp_path: Path, make_conda_env: MakeCondaEnv, conda_env: CondaEnvironment, repository: MakeRepository,
    devpy: Devpy, devpy_environ: dict[str, str],
) -> None:  # fmt: skip
    other = make_conda_env.clone(conda_env, "another-base")
    for name, target in (("one", conda_env.prefix), ("two", other.prefix)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "env").symlink_to(target)
    root = repository(tmp_path / "root", files={"devpy.toml": config("env")})
    for name in ("one", "two", "one"):
        environ = {**devpy_environ, "CONDA_ENVS_DIRS": str(tmp_path / name)}
        time.sleep(2.1)  # so that there is a record of the run before, which must not count
        result = devpy("sh", "-c", 'echo "$CONDA_PREFIX"; realpath .venv/bin/python', cwd=root, environ=environ)
        prefix = tmp_path / name / "env"
        assert result.out.splitlines() == [str(prefix), os.path.realpath(prefix / "bin" / "python")]


@pytest.mark.parametrize(
    "part",
    [
        "lib/devpy/base-script",
        "~devpy.*",
        "sitecustomize.py",
        "_devpy_guard/__init__.pyc",
        "_devpy_guard/rest.zip",
        "pyvenv.cfg",
    ],
)
def test_a_lost_part_comes_back(
    tmp_path: Path, conda_env: CondaEnvironment, repository: MakeRepository, devpy: Devpy, part: str
) -> None:
    root = repository(tmp_path / "root", "self-built", files={"devpy.toml": config(conda_env.name, "self-built")})
    assert devpy("true", cwd=root).code == 0
    (lost,) = (path for path in (root / ".venv").rglob("*") if path.match(part))
    lost.unlink()
    assert devpy("pytest", "--version", cwd=root).code == 0
    assert lost.exists()
    assert devpy(*WHERE, cwd=root).out.startswith(str(root))


def test_what_was_installed_by_hand_survives_an_interruption(
    tmp_path: Path, conda_env: CondaEnvironment, repository: MakeRepository, devpy: Devpy, devpy_environ: dict[str, str]
) -> None:
    root = repository(tmp_path / "root", "flit", files={"devpy.toml": config(conda_env.name, "flit")})
    assert devpy("update-editables", cwd=root).code == 0
    (root / ".venv" / "notes.txt").write_text("mine", encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "devpy_runner", "update-editables", "--reinstall"],
        cwd=root, env=devpy_environ, start_new_session=True, stderr=subprocess.PIPE,
    )  # fmt: skip
    time.sleep(1)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    result = devpy("python", "-c", f"import {import_name('flit')}", cwd=root)
    assert result.code == 0
    assert (root / ".venv" / "notes.txt").read_text("utf-8") == "mine"


@pytest.mark.parametrize(
    "redirected", ["info | true", "--help > /dev/full", "info > /dev/full", "info >&-", "nope 2>&-"]
)
def test_odd_outputs_give_no_traceback(
    tmp_path: Path, repository: MakeRepository, devpy_environ: dict[str, str], redirected: str
) -> None:
    root = repository(tmp_path / "root", files={"devpy.toml": config("nowhere")})
    line = f'"{sys.executable}" -m devpy_runner {redirected}'
    for more in ({}, {"PYTHONUNBUFFERED": "1"}, {"PYTHONIOENCODING": "ascii"}):
        result = run(["bash", "-c", line], cwd=root, environ={**devpy_environ, **more})
        assert "Traceback" not in result.err
        assert "Exception" not in result.err
        assert "devpy:" not in result.out


@pytest.mark.parametrize("name", ["a:b", "new\nline"])
def test_a_path_that_no_virtual_environment_can_have(
    tmp_path: Path, conda_env: CondaEnvironment, repository: MakeRepository, devpy: Devpy, name: str
) -> None:
    root = repository(tmp_path / name, files={"devpy.toml": config(conda_env.name)})
    result = devpy("true", cwd=root)
    assert result.code == 2
    assert "python.venv" in result.err
    assert sorted(path.name for path in root.iterdir()) == [".git", "devpy.toml"]


def test_a_relative_cache_folder_is_ignored(
    tmp_path: Path, conda_env: CondaEnvironment, repository: MakeRepository, devpy: Devpy, devpy_environ: dict[str, str]
) -> None:
    root = repository(tmp_path / "root", files={"devpy.toml": config(conda_env.name)})
    for _ in range(2):
        assert devpy("true", cwd=root, environ={**devpy_environ, "XDG_CACHE_HOME": "relative"}).code == 0
        time.sleep(2.1)
    assert not (root / "relative").exists()


def test_no_sync_without_a_python(
    tmp_path: Path, make_conda_env: MakeCondaEnv, conda_env: CondaEnvironment, repository: MakeRepository, devpy: Devpy
) -> None:
    base = make_conda_env.clone(conda_env, "to-be-moved")
    root = repository(tmp_path / "root", files={"devpy.toml": config(base.name)})
    assert devpy("true", cwd=root).code == 0
    base.prefix.rename(base.prefix.with_name("moved"))
    result = devpy("--no-sync", "python", "--version", cwd=root)
    assert (result.code, result.out) == (2, "")


def test_python_of_one_worktree_started_from_the_others_shell(
    tmp_path: Path, conda_env: CondaEnvironment, repository: MakeRepository, devpy: Devpy
) -> None:
    """An IDE or agent that runs in one worktree's environment may well start the other one's Python."""
    toml = config(conda_env.name) + '\n[env]\nCHECKOUT = "{root}"\n'
    roots = [repository(tmp_path / name, files={"devpy.toml": toml}) for name in ("one", "two")]
    for root in roots:
        assert devpy("true", cwd=root).code == 0
    code = "import os; print(os.environ['CHECKOUT'], os.environ['VIRTUAL_ENV'], os.environ['PATH'])"
    inner = f'cd "{roots[1]}" && exec .venv/bin/python -c "{code}"'
    checkout, venv, path = devpy("bash", "-c", inner, cwd=roots[0]).out.split()
    assert (checkout, venv) == (str(roots[1]), f"{roots[1]}/.venv")
    assert path.startswith(f"{roots[1]}/.venv/bin:")
    assert f"{roots[0]}/.venv/bin" not in path.split(":")
    by_devpy, foreign = (
        devpy(python, "-c", code, cwd=roots[0]) for python in ("python", f"{roots[1]}/.venv/bin/python")
    )
    assert foreign.out == by_devpy.out  # where the environment is that of the worktree, it wins


def test_python_of_a_moved_overlay_says_so(
    tmp_path: Path, conda_env: CondaEnvironment, repository: MakeRepository, devpy: Devpy, devpy_environ: dict[str, str]
) -> None:
    root = repository(tmp_path / "before", "self-built", files={"devpy.toml": config(conda_env.name, "self-built")})
    assert devpy("true", cwd=root).code == 0
    moved = root.rename(tmp_path / "after")
    python = moved / ".venv" / "bin" / "python"
    told = run([python, "-c", "pass"], cwd=moved, environ=devpy_environ)
    assert told.err.splitlines()[0] == f"devpy: {moved}/.venv was made as {root}/.venv"
    assert devpy("true", cwd=moved).code == 0
    assert run([python, "-c", "pass"], cwd=moved, environ=devpy_environ).err == ""


@pytest.mark.parametrize("entry", ["{feature}", "../feature"])
def test_pythonpath_of_a_worktree_without_a_devpy_toml(
    tmp_path: Path,
    conda_env: CondaEnvironment,
    repository: MakeRepository,
    devpy: Devpy,
    devpy_environ: dict[str, str],
    entry: str,
) -> None:
    root = repository(tmp_path / "root", "self-built")
    feature = repository.worktree(root, "feature")
    (root / "devpy.toml").write_text(config(conda_env.name, "self-built"), encoding="utf-8")
    environ = {**devpy_environ, "PYTHONPATH": entry.format(feature=feature)}
    assert f"puts the code of {feature} first" in devpy("true", cwd=root, environ=environ).err
    assert devpy("--cwd", str(feature), "true", cwd=root).code == 2


def test_an_emptied_record_is_not_somebody_elses(
    tmp_path: Path, conda_env: CondaEnvironment, repository: MakeRepository, devpy: Devpy
) -> None:
    root = repository(tmp_path / "root", "self-built", files={"devpy.toml": config(conda_env.name, "self-built")})
    assert devpy("true", cwd=root).code == 0
    (root / ".venv" / "devpy.json").write_text("", encoding="utf-8")
    assert devpy(*WHERE, cwd=root).out.startswith(str(root))


def test_a_second_devpy_says_that_it_waits(
    tmp_path: Path, conda_env: CondaEnvironment, repository: MakeRepository, devpy_environ: dict[str, str]
) -> None:
    root = repository(tmp_path / "root", files={"devpy.toml": config(conda_env.name)})
    held = root / ".venv"
    with locked(str(held)):
        process = subprocess.Popen(
            [sys.executable, "-m", "devpy_runner", "update-editables"], cwd=root, stderr=subprocess.PIPE, text=True,
            env=devpy_environ,
        )  # fmt: skip
        assert process.stderr is not None
        assert process.stderr.readline() == f"devpy: waiting for another devpy that is changing {held}\n"
    process.communicate(timeout=60)
    assert process.returncode == 0
