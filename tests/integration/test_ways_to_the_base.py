"""One base that several paths lead to, and a base whose programs lead to another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from .commands import Devpy
from .environments import CondaEnvironment, MakeCondaEnv
from .mounts import DevpyInMounts, Mounts
from .projects import MakeRepository

WHERE = ("python", "-c", "import os, pytest, sys; print(sys.prefix, sys.base_prefix, pytest.__file__)")


def test_base_whose_python_is_a_link_into_another_environment(
    tmp_path: Path, conda_env: CondaEnvironment, make_conda_env: MakeCondaEnv, repository: MakeRepository, devpy: Devpy
) -> None:
    """What counts is the environment that devpy.toml names, and it stays the same from command to command."""
    base = make_conda_env.clone(conda_env, "with-a-linked-python")
    program = base.python.resolve()
    program.unlink()
    program.symlink_to(conda_env.python.resolve())
    root = repository(tmp_path / "root", files={"devpy.toml": f'[python]\nbase_conda_env = "{base.name}"\n'})
    assert "creating" in devpy("true", cwd=root).err
    result = devpy(*WHERE, cwd=root)
    assert result.err == ""
    assert result.out == f"{root}/.venv {base.prefix} {base.site_packages}/pytest/__init__.py\n"
    assert devpy("doctor", cwd=root).code == 0


def test_base_without_a_python_of_its_own(
    tmp_path: Path, conda_env: CondaEnvironment, repository: MakeRepository, devpy: Devpy
) -> None:
    base = tmp_path / "base"
    (base / "conda-meta").mkdir(parents=True)
    (base / "conda-meta" / "history").touch()
    (base / "bin").mkdir()
    (base / "bin" / "python").symlink_to(conda_env.python)
    root = repository(tmp_path / "root", files={"devpy.toml": f'[python]\nbase_conda_env = "{base}"\n'})
    result = devpy("true", cwd=root)
    assert result.code == 2
    assert f"{base}: its Python is that of another environment" in result.err
    assert not (root / ".venv").exists()


@pytest.mark.parametrize("way", ["link", "mount"])
def test_second_way_to_the_base(
    tmp_path: Path, conda_env: CondaEnvironment, repository: MakeRepository, devpy_environ: dict[str, str],
    mounts: Mounts, way: str,
) -> None:  # fmt: skip
    """Two shells that spell it in two ways do not rebuild the overlay in turns."""
    devpy = DevpyInMounts(mounts, devpy_environ)
    second = tmp_path / "second" / "way"
    second.parent.mkdir()
    if way == "link":
        second.symlink_to(conda_env.prefix)
    else:
        second.mkdir()
        mounts.mount("--bind", conda_env.prefix, second)
    root = repository(tmp_path / "root", files={"devpy.toml": '[python]\nbase_conda_env = "here"\n'})
    toml = root / "devpy.toml"
    for prefix in (conda_env.prefix, second, conda_env.prefix, second):
        toml.write_text(f'[python]\nbase_conda_env = "{prefix}"\n', encoding="utf-8")
        for arguments in (["update-editables"], ["printenv", "CONDA_PREFIX"]):
            result = devpy(*arguments, cwd=root)
            assert result.code == 0
            assert "updating" not in result.err
        assert result.out == f"{conda_env.prefix}\n"
        plain = mounts.run(
            ".venv/bin/python", "-c", "import os; print(os.environ['CONDA_PREFIX'])", cwd=root, environ={}
        )
        assert plain.out == f"{conda_env.prefix}\n"
