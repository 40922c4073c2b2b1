"""Odd names and odd users: devpy's own work is not disturbed, and the console scripts run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .commands import Devpy, run
from .environments import CondaEnvironment
from .mounts import DevpyInMounts, Mounts
from .projects import MakeRepository, copy_package

CONFIG = '[python]\nbase_conda_env = "{base}"\n[editables]\npackages = ["{package}"]\n'
PACKAGE = "console-script"
SHADOWED = ("json", "logging", "packaging", "pip", "pluggy", "re", "setuptools", "tomli", "virtualenv", "yaml")


def assert_works(devpy: Devpy, root: Path, folder: str = PACKAGE) -> None:
    for arguments in (["update-editables"], ["info"], ["doctor"], ["update-editables", "--reinstall"]):
        assert devpy(*arguments, cwd=root).code == 0
    script = devpy("sample-console-script", cwd=root)
    assert script.out == f"{root}/{folder}/src/sample_console_script/__init__.py\n"
    assert devpy("clean", cwd=root).code == 0


def shadows(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for name in SHADOWED:
        (folder / f"{name}.py").write_text(f"raise SystemExit('the wrong {name}')\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", ["end[br]", "tab\tand space"])
@pytest.mark.bounds
def test_name_of_a_folder(
    tmp_path: Path, conda_env: CondaEnvironment, repository: MakeRepository, devpy: Devpy, name: str
) -> None:
    root = repository(tmp_path / name, files={"devpy.toml": CONFIG.format(base=conda_env.name, package="lib[br]")})
    copy_package(PACKAGE, root / "lib[br]")
    assert_works(devpy, root, "lib[br]")


def test_pythonpath_with_modules_that_devpy_uses(
    tmp_path: Path, conda_env: CondaEnvironment, repository: MakeRepository, devpy_environ: dict[str, str]
) -> None:
    """They are for the user's command."""
    root = repository(
        tmp_path / "root", PACKAGE, files={"devpy.toml": CONFIG.format(base=conda_env.name, package=PACKAGE)}
    )
    folder = shadows(tmp_path / "shadows")
    devpy = Devpy({**devpy_environ, "PYTHONPATH": str(folder)})
    for arguments in (["update-editables"], ["info"], ["update-editables", "--reinstall"]):
        assert devpy(*arguments, cwd=root).code == 0
    assert "wrong" not in devpy("doctor", cwd=root).out
    assert "the wrong json" in devpy("python", "-c", "import json", cwd=root).err
    assert devpy("clean", cwd=root).code == 0


def test_pythonpath_of_devpy_toml_with_modules_that_pip_uses(
    tmp_path: Path, conda_env: CondaEnvironment, repository: MakeRepository, devpy: Devpy
) -> None:
    folder = shadows(tmp_path / "shadows")
    toml = CONFIG.format(base=conda_env.name, package=PACKAGE) + f'[env]\nPYTHONPATH = "{folder}"\n'
    root = repository(tmp_path / "root", PACKAGE, files={"devpy.toml": toml})
    assert devpy("update-editables", cwd=root).code == 0
    assert "the wrong json" in devpy("python", "-c", "import json", cwd=root).err


def test_modules_that_devpy_uses_in_the_current_folder(
    tmp_path: Path, conda_env: CondaEnvironment, repository: MakeRepository, devpy: Devpy
) -> None:
    root = repository(
        tmp_path / "root", PACKAGE, files={"devpy.toml": CONFIG.format(base=conda_env.name, package=PACKAGE)}
    )
    shadows(root)
    assert_works(devpy, root)


def test_user_without_a_name_and_a_home(
    tmp_path: Path,
    conda_env: CondaEnvironment,
    repository: MakeRepository,
    devpy_environ: dict[str, str],
    mounts: Mounts,
) -> None:
    """As in a container that is started with a user id of its own."""
    root = repository(
        tmp_path / "root", PACKAGE, files={"devpy.toml": CONFIG.format(base=conda_env.name, package=PACKAGE)}
    )
    mounts.mount("--bind", "/dev/null", "/etc/passwd")
    environ = {name: value for name, value in devpy_environ.items() if name != "HOME"}
    (root / "~" / ".conda").mkdir(parents=True)
    (root / "~" / ".condarc").write_text("envs_dirs: [", encoding="utf-8")
    assert_works(DevpyInMounts(mounts, environ), root)
    for _ in range(2):
        assert mounts.run(sys.executable, "-m", "devpy_runner", "true", cwd=root, environ=environ).code == 0


def test_overlay_that_a_tab_is_in_takes_other_packages(
    tmp_path: Path, conda_env: CondaEnvironment, repository: MakeRepository, devpy: Devpy, devpy_environ: dict[str, str]
) -> None:
    """Their scripts run from the next devpy command on."""
    root = repository(tmp_path / "a\tb", files={"devpy.toml": CONFIG.format(base=conda_env.name, package=PACKAGE)})
    copy_package(PACKAGE, root / PACKAGE)
    assert devpy("true", cwd=root).code == 0
    pip = root / ".venv" / "bin" / "pip"
    assert run([pip, "install", "--quiet", "--no-deps", "cowsay"], cwd=root, environ=devpy_environ).code == 0
    assert devpy("cowsay", "--version", cwd=root).code == 0
