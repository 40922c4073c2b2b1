"""Packages of every common build backend, on several Pythons and in folders with difficult names."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from .commands import Devpy, clean_environ, run
from .environments import CondaEnvironment, MakeCondaEnv
from .projects import MakeRepository, copy_package, import_name

pytestmark = pytest.mark.slow

Environ = dict[str, str]  # the variables of a process

FEW = ("hatchling", "legacy-setup-py", "setuptools-flat")
ALL = (*FEW, "c-extension", "console-script", "flit", "poetry-core", "setuptools-src")


class Tree(NamedTuple):
    """A worktree with packages installed in its overlay."""

    root: Path
    packages: dict[str, Path]
    """The folder of each sample project."""
    base: CondaEnvironment
    """An environment of this worktree's own."""
    environ: Environ

    def devpy(self, *args: str) -> str:
        result = Devpy(self.environ)(*args, cwd=self.root)
        assert result.code == 0
        return result.out.strip()

    def plain(self, program: str, *args: str) -> str:
        """Run a program of the overlay without devpy, from elsewhere, with nothing in its environment."""
        result = run([self.root / ".venv/bin" / program, *args], cwd=self.root.parent, environ={})
        assert result.code == 0
        return result.out.strip()

    def source(self, package: str) -> str:
        (module,) = self.packages[package].glob(f"**/{import_name(package)}/__init__.py")
        return str(module)


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory, pip_cache: Path, conda_root: Path) -> Environ:
    home = tmp_path_factory.mktemp("home")
    return {**clean_environ(home, pip_cache), "CONDA_ENVS_DIRS": str(conda_root / "envs")}


def make_tree(root: Path, folder: str, packages: tuple[str, ...], base: CondaEnvironment, environ: Environ) -> Tree:
    """Make a repository with the packages in `folder`, and install them."""
    folders = {name: copy_package(name, root / folder / f"{name} ç") for name in packages}
    paths = json.dumps([str(path.relative_to(root)) for path in folders.values()], ensure_ascii=False)
    toml = f'[python]\nbase_conda_env = "{base.name}"\n[editables]\npackages = {paths}\n'
    shutil.move(root, root.with_name("files"))
    MakeRepository(environ)(root, files={"devpy.toml": toml})
    shutil.copytree(root.with_name("files"), root, dirs_exist_ok=True)
    tree = Tree(root, folders, base, environ)
    tree.devpy("update-editables")
    return tree


@pytest.fixture(scope="module")
def everything(
    tmp_path_factory: pytest.TempPathFactory,
    make_conda_env: MakeCondaEnv,
    conda_env: CondaEnvironment,
    environ: Environ,
) -> Tree:
    """All sample projects on Python 3.11. The paths hold spaces and letters that are not ASCII; a compiler takes no
    space in that of the base."""
    base = make_conda_env.clone(conda_env, "bäse-of-backends")
    return make_tree(tmp_path_factory.mktemp("every thing") / "wörk trée", "päck ages", ALL, base, environ)


@pytest.fixture(scope="module", params=["3.8", "3.13"])
def other(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    make_conda_env: MakeCondaEnv,
    environ: Environ,
) -> Tree:
    """A few sample projects on another Python."""
    base = make_conda_env(f"python-{request.param}", python=request.param, packages=["pip==24.3.1", "pytest"])
    return make_tree(tmp_path_factory.mktemp("other") / "worktree", "packages", FEW, base, environ)


def assert_imports_worktree(tree: Tree, package: str) -> None:
    code = f"import {import_name(package)} as it; print(it.origin())"
    assert tree.devpy("python", "-c", code) == tree.source(package)
    assert tree.plain("python", "-X", "utf8", "-c", code) == tree.source(package)


@pytest.mark.parametrize("package", ALL)
def test_imported_from_the_worktree(everything: Tree, package: str) -> None:
    assert_imports_worktree(everything, package)


@pytest.mark.parametrize("package", FEW)
def test_imported_from_the_worktree_on_other_pythons(other: Tree, package: str) -> None:
    assert_imports_worktree(other, package)


def test_info_knows_them_all(everything: Tree) -> None:
    facts = json.loads(everything.devpy("info", "--json"))
    assert facts["overlay state"] == "current"
    expected = [{"path": str(path), "state": "installed"} for path in everything.packages.values()]
    assert facts["editable packages"] == expected


# The base may hold the same package.


class Rival(NamedTuple):
    """A package in the base of the same name as one in the worktree."""

    files: list[Path]

    def remove(self) -> None:
        for path in self.files:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


@pytest.fixture(params=["regular install", "editable of another worktree"])
def rivals(request: pytest.FixtureRequest, tmp_path: Path, everything: Tree) -> Iterator[str]:
    """All sample projects in the base, too."""
    site_packages = everything.base.site_packages
    folder = site_packages if request.param == "regular install" else tmp_path
    made = [folder / import_name(package) for package in ALL]
    for path in made:
        path.mkdir()
        (path / "__init__.py").write_text("def origin():\n    return __file__\n", encoding="utf-8")
    if folder == tmp_path:
        made.append(site_packages / "__editable__.aaa.pth")
        made[-1].write_text(f"{tmp_path}\n", encoding="utf-8")
    yield request.param
    Rival(made).remove()


def test_worktree_wins_over_the_base(everything: Tree, rivals: str) -> None:
    modules = {import_name(package): everything.source(package) for package in ALL}
    origins = f"{{n: importlib.import_module(n).origin() for n in {list(modules)}}}"
    code = f"import importlib, json; print(json.dumps({origins}))"
    assert rivals
    for found in (everything.devpy("python", "-c", code), everything.plain("python", "-X", "utf8", "-c", code)):
        wrong = {name: path for name, path in json.loads(found).items() if path != modules[name]}
        assert wrong == {}


def test_worktree_wins_under_pytest_of_the_base(everything: Tree, rivals: str) -> None:
    tests = [
        f"def test_{import_name(package)}():\n"
        f"    import {import_name(package)} as it\n"
        f"    assert it.origin() == {everything.source(package)!r}\n"
        for package in ALL
    ]
    assert rivals
    (everything.root / "test_origins.py").write_text("\n".join(tests), encoding="utf-8")
    result = Devpy(everything.environ)("pytest", "-q", "-p", "no:cacheprovider", "test_origins.py", cwd=everything.root)
    assert f"{len(ALL)} passed" in result.out


# Console scripts and compiled parts.


def test_console_script(everything: Tree) -> None:
    source = everything.source("console-script")
    assert everything.devpy("sample-console-script") == source
    assert everything.plain("sample-console-script") == source


def test_console_script_wins_over_that_of_the_base(everything: Tree) -> None:
    script = everything.base.prefix / "bin" / "sample-console-script"
    script.write_text(
        f"#!/bin/sh\n'''exec' \"{everything.base.python}\" \"$0\"\n' '''\nprint('base')\n", encoding="utf-8"
    )
    script.chmod(0o755)
    try:
        assert everything.devpy("sample-console-script") == everything.source("console-script")
    finally:
        script.unlink()


def test_compiled_parts_are_rebuilt_by_update_editables_alone(everything: Tree) -> None:
    answer = ("python", "-c", "import sample_c_extension as it; print(it.answer())")
    assert everything.devpy(*answer) == "42"
    source = everything.packages["c-extension"] / "src" / "_answer.c"
    source.write_text(source.read_text("utf-8").replace("(42)", "(43)"), encoding="utf-8")
    assert everything.devpy(*answer) == "42"
    result = Devpy(everything.environ)("update-editables", cwd=everything.root)
    assert result.code == 0
    assert [line for line in result.err.splitlines() if "installed" in line] == [
        f"devpy: installed sample-c-extension ({everything.packages['c-extension']})"
    ]
    assert everything.devpy(*answer) == everything.plain(*answer) == "43"


def test_compiled_parts_that_no_longer_compile(everything: Tree) -> None:
    source = everything.packages["c-extension"] / "src" / "_answer.c"
    good = source.read_text("utf-8")
    source.write_text(good + "#error this is the end\n", encoding="utf-8")
    failed = Devpy(everything.environ)("update-editables", cwd=everything.root)
    source.write_text(good, encoding="utf-8")
    assert failed.code == 2
    assert "c-extension" in failed.err.splitlines()[0]
    assert "this is the end" in failed.err
    assert_imports_worktree(everything, "c-extension")
