"""`install_deps = true`: dependencies that the base lacks go into the overlay, and no others."""

from __future__ import annotations

import json
import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Callable

import pytest

from .commands import Devpy, Result
from .environments import CondaEnvironment, MakeCondaEnv
from .projects import MakeRepository

Unchanged = Callable[[Path], "AbstractContextManager[None]"]

# A backend that needs no download: an editable of one module, `<name>.py` in the project's folder.
BACKEND = """\
import os, pathlib, zipfile

def _metadata():
    return pathlib.Path("METADATA").read_text()

def _dist_info():
    lines = dict(line.split(": ") for line in _metadata().splitlines() if line.startswith(("Name", "Version")))
    return lines["Name"].replace("-", "_") + "-" + lines["Version"]

def build_editable(directory, config_settings=None, metadata_directory=None):
    name = _dist_info()
    files = {f"{name}.pth": os.getcwd() + "\\n", f"{name}.dist-info/METADATA": _metadata()}
    files[f"{name}.dist-info/WHEEL"] = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    files[f"{name}.dist-info/RECORD"] = "".join(f"{path},,\\n" for path in [*files, f"{name}.dist-info/RECORD"])
    with zipfile.ZipFile(os.path.join(directory, f"{name}-py3-none-any.whl"), "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
    return f"{name}-py3-none-any.whl"
"""
PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


def project(name: str, *requirements: str, version: str = "1.0") -> dict[str, str]:
    """Return the files of a project in a folder of its name."""
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", "Provides-Extra: extra"]
    metadata += [f"Requires-Dist: {requirement}" for requirement in requirements]
    files = {
        "backend.py": BACKEND,
        "METADATA": "\n".join(metadata) + "\n",
        # What an install follows is the build files, so the requirements have to show in one of them.
        "pyproject.toml": PYPROJECT + f"# {version} {' '.join(requirements)}\n",
        f"{name.replace('-', '_')}.py": "",
    }
    return {f"{name}/{path}": text for path, text in files.items()}


def config(base: str, *packages: str, install_deps: bool = True) -> str:
    declared = ", ".join(f'"{name}"' for name in packages)
    switch = "true" if install_deps else "false"
    return f'[python]\nbase_conda_env = "{base}"\n\n[editables]\ninstall_deps = {switch}\npackages = [{declared}]\n'


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).write_text(text, encoding="utf-8")


def distributions(root: Path) -> list[str]:
    """Return the names of what is installed in the overlay itself."""
    found = root.glob(".venv/lib/python3.*/site-packages/*.dist-info")
    return sorted(path.name.partition("-")[0].lower() for path in found)


def origin(devpy: Devpy, root: Path, module: str) -> Path:
    result = devpy("python", "-c", f"import {module}; print({module}.__file__)", cwd=root)
    assert result.code == 0
    return Path(result.out.strip())


def state(devpy: Devpy, root: Path) -> str:
    return str(json.loads(devpy("info", "--json", cwd=root).out)["overlay state"])


def nothing_to_do(result: Result) -> bool:
    return result.code == 0 and result.out.startswith("Nothing to do: ") and result.err == ""


def test_what_the_base_lacks_goes_into_the_overlay(
    tmp_path: Path, conda_env: CondaEnvironment, repository: MakeRepository, devpy: Devpy, base_unchanged: Unchanged
) -> None:
    files = {"devpy.toml": config(conda_env.name, ".")}
    root = repository(tmp_path / "main", root="with-dependency", files=files)
    with base_unchanged(conda_env.prefix):
        assert devpy("update-editables", cwd=root).code == 0
    assert distributions(root) == ["sample_with_dependency", "six"]
    result = devpy(
        "python", "-c", "import sample_with_dependency as s; print(s.origin(), s.dependency(), sep='\\n')", cwd=root
    )
    own, dependency = map(Path, result.out.splitlines())
    assert own.is_relative_to(root / "src")
    assert dependency.is_relative_to(root / ".venv")
    assert nothing_to_do(devpy("update-editables", cwd=root))


def test_what_the_base_has_is_not_installed_again(
    tmp_path: Path, conda_env: CondaEnvironment, repository: MakeRepository, devpy: Devpy
) -> None:
    requirements = ["packaging>=20", "pytest", "Setuptools", "six; python_version < '3'", "attrs; extra == 'extra'"]
    files = {"devpy.toml": config(conda_env.name, "sample"), **project("sample", *requirements)}
    root = repository(tmp_path / "main", files=files)
    assert devpy("update-editables", cwd=root).code == 0
    assert distributions(root) == ["sample"]
    assert origin(devpy, root, "packaging").is_relative_to(conda_env.prefix)


def test_what_a_dependency_needs_is_taken_from_the_base(
    tmp_path: Path, conda_env: CondaEnvironment, repository: MakeRepository, devpy: Devpy
) -> None:
    """`build` needs `packaging`, which the base has, and `pyproject-hooks`, which it lacks."""
    files = {"devpy.toml": config(conda_env.name, "sample"), **project("sample", "build")}
    root = repository(tmp_path / "main", files=files)
    assert devpy("update-editables", cwd=root).code == 0
    assert distributions(root) == ["build", "pyproject_hooks", "sample"]
    assert origin(devpy, root, "packaging").is_relative_to(conda_env.prefix)


def test_newer_version_than_the_bases_is_refused(
    tmp_path: Path, make_conda_env: MakeCondaEnv, repository: MakeRepository, devpy: Devpy, base_unchanged: Unchanged
) -> None:
    environment = make_conda_env("old-packaging", packages=["pip", "packaging==23.0"])
    files = {"devpy.toml": config(environment.name, "sample"), **project("sample", "packaging>=24", "six")}
    root = repository(tmp_path / "main", files=files)
    with base_unchanged(environment.prefix):
        result = devpy("update-editables", cwd=root)
    assert (result.code, result.out) == (2, "")
    assert "packaging>=24" in result.err
    assert "packaging==23.0" in result.err
    assert "packaging" not in distributions(root)
    assert "six" not in distributions(root)
    # Mended, everything works.
    write(root, project("sample", "packaging>=22", "six"))
    assert devpy("true", cwd=root).code == 0
    assert distributions(root) == ["sample", "six"]
    assert origin(devpy, root, "packaging").is_relative_to(environment.prefix)


def test_dependency_that_does_not_exist(
    tmp_path: Path, conda_env: CondaEnvironment, repository: MakeRepository, devpy: Devpy
) -> None:
    files = {
        "devpy.toml": config(conda_env.name, "sample"),
        **project("sample", "devpy-sample-which-nobody-has-published"),
    }
    root = repository(tmp_path / "main", files=files)
    for _ in range(2):  # the first attempt must not pass for done
        result = devpy("echo", "ran", cwd=root)
        assert (result.code, result.out) == (2, "")
        assert "devpy-sample-which-nobody-has-published" in result.err
    (root / "devpy.toml").write_text(config(conda_env.name, "sample", install_deps=False), encoding="utf-8")
    assert devpy("echo", "ran", cwd=root).out == "ran\n"


def test_switching_it_on_and_off(
    tmp_path: Path, conda_env: CondaEnvironment, repository: MakeRepository, devpy: Devpy
) -> None:
    files = {"devpy.toml": config(conda_env.name, "sample", install_deps=False), **project("sample", "six")}
    root = repository(tmp_path / "main", files=files)
    assert devpy("update-editables", cwd=root).code == 0
    assert distributions(root) == ["sample"]
    (root / "devpy.toml").write_text(config(conda_env.name, "sample"), encoding="utf-8")
    assert state(devpy, root) == "stale"
    assert origin(devpy, root, "six").is_relative_to(root / ".venv")  # by itself, before the command runs
    assert state(devpy, root) == "current"
    (root / "devpy.toml").write_text(config(conda_env.name, "sample", install_deps=False), encoding="utf-8")
    assert devpy("update-editables", cwd=root).code == 0
    assert nothing_to_do(devpy("update-editables", cwd=root))
    assert devpy("true", cwd=root).err == ""
    (root / "devpy.toml").write_text(config(conda_env.name, "sample"), encoding="utf-8")
    assert devpy("update-editables", cwd=root).code == 0
    assert origin(devpy, root, "six").is_relative_to(root / ".venv")


def test_dependency_that_is_declared_later(
    tmp_path: Path, conda_env: CondaEnvironment, repository: MakeRepository, devpy: Devpy
) -> None:
    root = repository(tmp_path / "main", files={"devpy.toml": config(conda_env.name, "sample"), **project("sample")})
    assert devpy("update-editables", cwd=root).code == 0
    assert distributions(root) == ["sample"]
    write(root, project("sample", "six"))
    assert origin(devpy, root, "six").is_relative_to(root / ".venv")


def test_dependency_that_was_uninstalled_comes_back(
    tmp_path: Path, conda_env: CondaEnvironment, repository: MakeRepository, devpy: Devpy
) -> None:
    files = {"devpy.toml": config(conda_env.name, "sample"), **project("sample", "six")}
    root = repository(tmp_path / "main", files=files)
    assert devpy("update-editables", cwd=root).code == 0
    assert devpy("pip", "uninstall", "--yes", "six", cwd=root).code == 0
    assert devpy("update-editables", cwd=root).code == 0
    assert distributions(root) == ["sample", "six"]


def test_dependency_that_the_base_has_lost(
    tmp_path: Path, make_conda_env: MakeCondaEnv, conda_env: CondaEnvironment, repository: MakeRepository, devpy: Devpy
) -> None:
    environment = make_conda_env.clone(conda_env, "losing-iniconfig")
    files = {"devpy.toml": config(environment.name, "sample"), **project("sample", "iniconfig")}
    root = repository(tmp_path / "main", files=files)
    assert devpy("update-editables", cwd=root).code == 0
    assert distributions(root) == ["sample"]
    for path in environment.site_packages.glob("iniconfig*"):
        shutil.rmtree(path)
    with (environment.prefix / "conda-meta" / "history").open("a", encoding="utf-8") as history:
        history.write("==> 2030-01-01 00:00:00 <==\n-noarch::iniconfig\n")
    assert origin(devpy, root, "iniconfig").is_relative_to(root / ".venv")


@pytest.mark.parametrize("pinned", ["9.9.dev1", "8.0"])
def test_siblings_are_not_fetched(
    tmp_path: Path, conda_env: CondaEnvironment, repository: MakeRepository, devpy: Devpy, pinned: str
) -> None:
    """Pinned to each other's version, or to one that is not the checkout's."""
    files = {
        "devpy.toml": config(conda_env.name, "sample-one", "sample-two"),
        **project("sample-one", f"Sample.Two=={pinned}", "six", version="9.9.dev1"),
        **project("sample-two", f"sample_one=={pinned}", version="9.9.dev1"),
    }
    root = repository(tmp_path / "main", files=files)
    assert devpy("update-editables", cwd=root).code == 0
    assert distributions(root) == ["sample_one", "sample_two", "six"]
    for name in ("one", "two"):
        assert origin(devpy, root, f"sample_{name}") == root / f"sample-{name}" / f"sample_{name}.py"


def test_sibling_that_a_dependency_needs_is_not_fetched(
    tmp_path: Path, conda_env: CondaEnvironment, repository: MakeRepository, devpy: Devpy
) -> None:
    """`python-dateutil` needs `six`, which is being developed here, in a version that nobody has published."""
    files = {
        "devpy.toml": config(conda_env.name, "sample", "six"),
        **project("sample", "python-dateutil"),
        **project("six", version="99.dev1"),
    }
    root = repository(tmp_path / "main", files=files)
    assert devpy("update-editables", cwd=root).code == 0
    assert "python_dateutil" in distributions(root)
    assert distributions(root).count("six") == 1
    assert origin(devpy, root, "six") == root / "six" / "six.py"
