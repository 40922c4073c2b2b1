"""Every supported release of virtualenv makes the same overlay, by devpy and by `virtualenv --creator devpy`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from devpy_runner.overlay.creation import WORKING_VIRTUALENV

from .commands import Result, clean_environ, run
from .environments import CondaEnvironment
from .projects import MakeRepository

Environ = dict[str, str]

REPOSITORY = Path(__file__).parents[2]
# The first two fill in pyvenv.cfg once, the third and later ones before and after `create`; one that is known to work.
RELEASES = ("20.26.0", "21.15.5", "21.15.10", WORKING_VIRTUALENV, "newest")


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory, pip_cache: Path, conda_root: Path) -> Environ:
    home = tmp_path_factory.mktemp("home")
    return {**clean_environ(home, pip_cache), "CONDA_ENVS_DIRS": str(conda_root / "envs")}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, environ: Environ) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        folder,
        REPOSITORY,
    ]
    subprocess.run(command, check=True, env=environ)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module", params=dict.fromkeys(RELEASES))
def tools(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, wheel: Path, environ: Environ
) -> Path:
    """The `bin` of an environment with devpy and one release of virtualenv."""
    folder = tmp_path_factory.mktemp(f"virtualenv-{request.param}") / "tools"
    virtualenv = "virtualenv" if request.param == "newest" else f"virtualenv=={request.param}"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    command: list[str | Path] = [folder / "bin/python", "-m", "pip", "install", "--quiet", wheel, virtualenv]
    subprocess.run(command, check=True, env=environ)
    return folder / "bin"


def update(tools: Path, root: Path, environ: Environ) -> Result:
    return run([tools / "devpy", "update-editables"], cwd=root, environ=environ)


def tree(venv: Path) -> dict[str, str | bytes]:
    """Return the content of each file, and where each link leads; virtualenv's scripts are its own affair.

    The record tells what has been looked at since.
    """
    paths = [path for path in venv.rglob("*") if path.is_symlink() or path.is_file()]
    others = [
        path
        for path in paths
        if not path.name.startswith(("activate", "deactivate", "pydoc", "devpy.json", "devpy-start"))
    ]
    links = {str(path.relative_to(venv)): os.readlink(path) for path in others if path.is_symlink()}
    return {**links, **{str(path.relative_to(venv)): path.read_bytes() for path in others if not path.is_symlink()}}


def test_same_overlay_by_every_release(
    tmp_path: Path, conda_env: CondaEnvironment, environ: Environ, tools: Path
) -> None:
    files = {"devpy.toml": f'[python]\nbase_conda_env = "{conda_env.name}"\n'}
    root = MakeRepository(environ)(tmp_path / "worktree", files=files)
    devpy = [sys.executable, "-m", "devpy_runner"]
    assert run([*devpy, "update-editables"], cwd=root, environ=environ).code == 0
    by_newest = tree(root / ".venv")
    assert run([*devpy, "clean"], cwd=root, environ=environ).code == 0

    assert update(tools, root, environ).code == 0
    assert tree(root / ".venv") == by_newest
    assert update(tools, root, environ).err == ""
    sourced_by_bash = ["bash", "-c", ". .venv/bin/activate && echo $CONDA_PREFIX"]
    sourced = run(sourced_by_bash, cwd=root, environ=environ)
    assert (sourced.out, sourced.err) == (f"{conda_env.prefix}\n", "")
    assert run([tools / "devpy", "clean"], cwd=root, environ=environ).code == 0

    options = ["--creator", "devpy", "--discovery", "devpy", ".venv"]
    for more in ([], [], ["--clear"]):
        assert run([tools / "virtualenv", *options, *more], cwd=root, environ=environ).code == 0
        assert tree(root / ".venv") == by_newest
        plain = run([root / ".venv/bin/python", "-c", "import pytest, sys; print(sys.prefix)"], cwd=root, environ={})
        assert plain.out == f"{root / '.venv'}\n"
    used = run([tools / "devpy", "true"], cwd=root, environ=environ)
    assert (used.code, used.err) == (0, "")
    assert run(sourced_by_bash, cwd=root, environ=environ) == sourced


def test_refusals_take_one_line_by_every_release(
    tmp_path: Path, conda_env: CondaEnvironment, environ: Environ, tools: Path
) -> None:
    files = {"devpy.toml": f'[python]\nbase_conda_env = "{conda_env.name}"\n', "precious/file": "kept"}
    root = MakeRepository(environ)(tmp_path / "worktree", files=files)
    for more in ([], ["--clear"]):
        options = ["--creator", "devpy", "--discovery", "devpy", *more, "precious"]
        refused = run([tools / "virtualenv", *options], cwd=root, environ=environ)
        assert refused.code != 0
        assert "was not made by devpy" in refused.err + refused.out
        assert len((refused.err + refused.out).splitlines()) <= 2
        assert (root / "precious/file").read_text(encoding="utf-8") == "kept"
    other = run([tools / "virtualenv", "--no-seed", "other"], cwd=root, environ=environ)
    assert (other.code, "devpy" in (root / "other/pyvenv.cfg").read_text("utf-8").replace(str(tools), "")) == (0, False)
