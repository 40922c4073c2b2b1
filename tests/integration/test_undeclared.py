"""Editables that got into an overlay past the guard: each is found, named, and removed but for its own folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from .commands import Devpy, Result, run
from .environments import CondaEnvironment, MakeCondaEnv
from .projects import MakeRepository, copy_package

Environ = dict[str, str]  # the variables of a process
Unchanged = Callable[[Path], AbstractContextManager[None]]

OWN, STRANGER = "self-built", "legacy-setup-py"
WHERE = "import sample_legacy_setup_py as it; print(it.origin())"


class Worktree:
    """A worktree that declares the sample project `self-built`, seen through devpy and from a plain shell."""

    def __init__(self, root: Path, base: CondaEnvironment, environ: Environ) -> None:
        self.root = root
        self.base = base
        self.environ = environ

    def declare(self, *paths: str | Path) -> None:
        packages = json.dumps([str(path) for path in paths])
        text = f'[python]\nbase_conda_env = "{self.base.name}"\n[editables]\npackages = {packages}\n'
        (self.root / "devpy.toml").write_text(text, encoding="utf-8")

    def devpy(self, *args: str) -> Result:
        return Devpy(self.environ)(*args, cwd=self.root)

    def shell(self, *command: str | Path, cwd: Path | None = None) -> Result:
        return run(command, cwd=cwd or self.root, environ=self.environ)

    def warnings(self) -> list[str]:
        """Return what devpy warns of when it runs a command."""
        result = self.devpy("true")
        assert result.code == 0
        return [line for line in result.err.splitlines() if line.startswith("devpy: warning: ")]

    def packages(self) -> dict[str, str]:
        """Return the state of each editable, as `devpy info` tells it, by its folder."""
        packages = json.loads(self.devpy("info", "--json").out)["editable packages"]
        return {package["path"]: package["state"] for package in packages}

    @property
    def python(self) -> Path:
        return self.root / ".venv" / "bin" / "python"

    @property
    def site_packages(self) -> Path:
        return next(self.root.glob(".venv/lib/python3.*/site-packages"))


@pytest.fixture(scope="module")
def base(make_conda_env: MakeCondaEnv) -> CondaEnvironment:
    """One whose setuptools develops without pip, as it has not done since version 80."""
    return make_conda_env("old-setuptools", packages=["pip", "setuptools==65.5.0", "wheel==0.45.1"])


@pytest.fixture
def tree(tmp_path: Path, repository: MakeRepository, base: CondaEnvironment, devpy_environ: Environ) -> Worktree:
    tree = Worktree(repository(tmp_path / "main", OWN), base, devpy_environ)
    tree.declare(OWN)
    assert tree.devpy("update-editables").code == 0
    return tree


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """A project that nobody has declared."""
    return copy_package(STRANGER, tmp_path / "stranger")


# Ways past the guard: each puts a project into the overlay.


def pip_of_the_base(tree: Worktree, project: Path) -> None:
    options: list[str | Path] = [
        "--no-deps",
        "--no-build-isolation",
        "--no-warn-script-location",
        "--prefix",
        tree.root / ".venv",
    ]
    assert tree.shell(tree.base.python, "-m", "pip", "install", *options, "--editable", project).code == 0


def uv(tree: Worktree, project: Path) -> None:
    program = uv_program(tree)
    options: list[str | Path] = [
        "--offline",
        "--no-cache",
        "--no-deps",
        "--no-build-isolation",
        "--python",
        tree.python,
    ]
    assert tree.shell(program, "pip", "install", *options, "--editable", project).code == 0


def uv_program(tree: Worktree) -> str:
    program = shutil.which("uv", path=tree.environ["PATH"])
    if program is None:
        pytest.skip("no uv on PATH")
    return program


def setup_develop(tree: Worktree, project: Path) -> None:
    assert tree.shell(tree.python, "setup.py", "develop", cwd=project).code == 0


def conda_develop(tree: Worktree, project: Path) -> None:
    """What that program does; it comes with conda-build."""
    with (tree.site_packages / "conda.pth").open("a", encoding="utf-8") as stream:
        stream.write(f"{project}\n")


WAYS = [pip_of_the_base, uv, setup_develop, conda_develop]
by_way = pytest.mark.parametrize("add", WAYS)
Add = Callable[[Worktree, Path], None]


def content(folder: Path) -> dict[str, bytes]:
    """Return the files in a folder, bytecode caches apart, by their paths."""
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@by_way
def test_found_named_and_removed(tree: Worktree, stranger: Path, add: Add) -> None:
    add(tree, stranger)
    assert tree.shell(tree.python, "-c", WHERE).out.startswith(f"{stranger}/")

    assert tree.packages()[str(stranger)] == "installed, but not declared"  # before devpy has run anything
    for _ in range(3):  # every time, until it is gone
        (warning,) = tree.warnings()
        assert f"{stranger}: an editable in {tree.root}/.venv that {tree.root}/devpy.toml does not declare" in warning
    assert f"  - {stranger} (installed, but not declared)\n" in tree.devpy("info").out

    before = content(stranger)
    updated = tree.devpy("update-editables")
    assert updated.code == 0
    assert f"({stranger})" in updated.err
    assert content(stranger) == before
    assert "ModuleNotFoundError" in tree.shell(tree.python, "-c", WHERE).err
    assert tree.packages() == {f"{tree.root}/{OWN}": "installed"}
    assert tree.devpy("python", "-c", "import sample_self_built").code == 0
    assert tree.devpy("true").err == ""


def test_named_where_devpy_may_change_nothing(tree: Worktree, stranger: Path) -> None:
    pip_of_the_base(tree, stranger)
    assert str(stranger) in tree.devpy("--no-sync", "true").err


@by_way
def test_declared_afterwards(tree: Worktree, stranger: Path, add: Add) -> None:
    add(tree, stranger)
    tree.declare(OWN, stranger)
    assert tree.warnings() == []
    assert tree.packages()[str(stranger)] == "installed"
    assert tree.devpy("python", "-c", WHERE).out.startswith(f"{stranger}/")
    assert tree.devpy("true").err == ""


@pytest.mark.slow
@by_way
def test_declared_package_counts_as_such_until_it_no_longer_is(tree: Worktree, stranger: Path, add: Add) -> None:
    """Whatever else has installed it once more."""
    tree.declare(OWN, stranger)
    assert tree.devpy("update-editables").code == 0
    add(tree, stranger)
    assert tree.warnings() == []
    assert tree.packages()[str(stranger)] == "installed"
    assert tree.devpy("python", "-c", WHERE).out.startswith(f"{stranger}/")

    tree.declare(OWN)
    assert tree.devpy("update-editables").code == 0
    assert tree.devpy("true").err == ""
    assert tree.packages() == {f"{tree.root}/{OWN}": "installed"}
    assert "ModuleNotFoundError" in tree.shell(tree.python, "-c", WHERE).err


@pytest.mark.slow
@by_way
def test_another_checkout_of_a_declared_package(tree: Worktree, stranger: Path, tmp_path: Path, add: Add) -> None:
    """The other code never runs in silence, and what is declared comes back."""
    declared = copy_package(STRANGER, tmp_path / "declared")
    tree.declare(OWN, declared)
    assert tree.devpy("update-editables").code == 0
    add(tree, stranger)

    seen = tree.devpy("python", "-c", WHERE)
    assert seen.out.startswith(f"{declared}/") or f"{stranger}: an editable in" in seen.err

    assert tree.devpy("update-editables").code == 0
    assert tree.packages() == {f"{tree.root}/{OWN}": "installed", str(declared): "installed"}
    assert tree.devpy("python", "-c", WHERE) == Result(0, f"{declared}/sample_legacy_setup_py/__init__.py\n", "")


def test_another_folder_of_conda_develop(tree: Worktree, stranger: Path, tmp_path: Path) -> None:
    """It is added to the file that names the first."""
    conda_develop(tree, stranger)
    assert len(tree.warnings()) == 1
    other = copy_package(STRANGER, tmp_path / "other")
    conda_develop(tree, other)
    assert [str(path) in line for path, line in zip((other, stranger), tree.warnings())] == [True, True]


def test_conda_develop_again_after_it_was_removed(tree: Worktree, stranger: Path) -> None:
    conda_develop(tree, stranger)
    assert tree.devpy("update-editables").code == 0
    conda_develop(tree, stranger)
    assert len(tree.warnings()) == 1


def test_uv_installs_into_the_overlay_even_if_set_to_use_the_base(
    tree: Worktree, stranger: Path, make_conda_env: MakeCondaEnv, base_unchanged: Unchanged
) -> None:
    """As UV_SYSTEM_PYTHON does in many container images."""
    program = uv_program(tree)
    tree.base = make_conda_env.clone(tree.base, "at-the-mercy-of-uv")
    tree.declare(OWN)
    assert tree.devpy("true").code == 0
    tree.environ = {**tree.environ, "UV_SYSTEM_PYTHON": "1"}
    with base_unchanged(tree.base.prefix):
        options = ["--offline", "--no-cache", "--no-deps", "--no-build-isolation"]
        assert tree.devpy(program, "pip", "install", *options, str(stranger)).code == 0
    assert (tree.site_packages / "sample_legacy_setup_py").is_dir()
