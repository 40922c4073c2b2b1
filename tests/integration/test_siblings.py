"""Code of another worktree of the same repository is named, whichever way leads to it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from .commands import Devpy, run
from .environments import CondaEnvironment, MakeCondaEnv
from .projects import MakeRepository, import_name

CONFIG = '[python]\nbase_conda_env = "{base}"\n[editables]\npackages = ["flit"]\n'
UNDECLARED = "legacy-setup-py"
GIT = shutil.which("git") or "git"
MODULE = import_name(UNDECLARED)
TEST = f"import {MODULE}\n\ndef test_origin():\n    print(); print('tested', {MODULE}.__file__)\n"


class Monorepo(NamedTuple):
    """A repository whose worktrees declare one of two packages; the base holds the main checkout's other one."""

    main: Path
    feature: Path
    base: CondaEnvironment


@pytest.fixture(scope="module")
def base(conda_env: CondaEnvironment, make_conda_env: MakeCondaEnv) -> CondaEnvironment:
    return make_conda_env.clone(conda_env, "with-a-siblings-editable")


@pytest.fixture
def monorepo(
    tmp_path: Path, base: CondaEnvironment, repository: MakeRepository, devpy_environ: dict[str, str]
) -> Iterator[Monorepo]:
    files = {"devpy.toml": CONFIG.format(base=base.name), "tests/test_origin.py": TEST}
    main = repository(tmp_path / "main", "flit", UNDECLARED, files=files)
    pip: list[str | Path] = [base.python, "-m", "pip"]
    options = ["--no-deps", "--no-build-isolation", "--quiet"]
    installed = run([*pip, "install", *options, "--editable", main / UNDECLARED], cwd=main, environ=devpy_environ)
    assert installed.code == 0
    yield Monorepo(main, repository.worktree(main, "feature"), base)
    name = f"sample-{UNDECLARED}"
    assert run([*pip, "uninstall", "--quiet", "--yes", name], cwd=main, environ=devpy_environ).code == 0


def test_undeclared_package_of_which_the_base_holds_a_siblings_editable(monorepo: Monorepo, devpy: Devpy) -> None:
    feature, main = monorepo.feature, monorepo.main
    where = ("python", "-c", f"import {MODULE}; print({MODULE}.__file__)")
    problem = f"sample-{UNDECLARED} in {monorepo.base.prefix} is the code of another worktree, {main}/{UNDECLARED}"
    mend = f'declare this worktree\'s own: add "{UNDECLARED}" to packages in {feature}/devpy.toml'
    for _ in range(2):
        result = devpy(*where, cwd=feature)
        assert problem in result.err
        assert mend in result.err
    refused = devpy("pytest", "-s", cwd=feature)
    assert refused.code == pytest.ExitCode.USAGE_ERROR
    assert "tested" not in refused.out
    assert problem in refused.err
    assert mend in refused.err
    doctor = devpy("doctor", cwd=feature).out
    assert doctor.count(f'add "{UNDECLARED}" to packages') == 2
    assert "uninstall" not in doctor

    declared = CONFIG.format(base=monorepo.base.name).replace('"flit"', f'"flit", "{UNDECLARED}"')
    (feature / "devpy.toml").write_text(declared, encoding="utf-8")
    result = devpy(*where, cwd=feature)
    assert "warning" not in result.err
    assert result.out.startswith(f"{feature}/")
    assert "1 passed" in devpy("pytest", "-s", cwd=feature).out


def test_package_that_this_worktree_has_dropped(monorepo: Monorepo, devpy: Devpy) -> None:
    shutil.rmtree(monorepo.feature / UNDECLARED)
    uninstall = f"{monorepo.base.python} -m pip uninstall sample-{UNDECLARED}"
    assert uninstall in devpy("true", cwd=monorepo.feature).err
    assert uninstall in devpy("pytest", cwd=monorepo.feature).err
    assert uninstall in devpy("doctor", cwd=monorepo.feature).out


def test_own_editable_in_the_base(monorepo: Monorepo, devpy: Devpy) -> None:
    """In the main checkout that code is the worktree's own."""
    assert "warning" not in devpy("true", cwd=monorepo.main).err
    assert "1 passed" in devpy("pytest", "-s", cwd=monorepo.main).out


@pytest.fixture
def feature_with_submodule(
    tmp_path: Path, conda_env: CondaEnvironment, repository: MakeRepository, devpy_environ: dict[str, str]
) -> Path:
    """Both worktrees have a submodule `lib`; return the feature worktree."""
    lib = repository(tmp_path / "lib", root="self-built")
    main = repository(tmp_path / "main", "flit", files={"devpy.toml": CONFIG.format(base=conda_env.name)})
    feature = repository.worktree(main, "feature")
    for root in (main, feature):
        add = [
            "/usr/bin/env",
            "git",
            "-c",
            "protocol.file.allow=always",
            "submodule",
            "--quiet",
            "add",
            str(lib),
            "lib",
        ]
        subprocess.run(add, cwd=root, env=devpy_environ, check=True)
    return feature


def test_submodule_of_a_sibling_on_pythonpath(
    feature_with_submodule: Path, devpy: Devpy, devpy_environ: dict[str, str]
) -> None:
    feature, main = feature_with_submodule, feature_with_submodule.with_name("main")
    for root, told in ((main, True), (feature, False)):
        environ = {**devpy_environ, "PYTHONPATH": f"{root}/lib/src"}
        result = devpy("true", cwd=feature, environ=environ)
        assert (f"PYTHONPATH: {root}/lib/src puts the code of {root} first" in result.err) == told
        assert ("leads into another worktree" in devpy("doctor", cwd=feature, environ=environ).out) == told


def test_declared_submodule_of_a_sibling(feature_with_submodule: Path, devpy: Devpy) -> None:
    feature, main = feature_with_submodule, feature_with_submodule.with_name("main")
    text = (feature / "devpy.toml").read_text("utf-8")
    (feature / "devpy.toml").write_text(text.replace('["flit"]', '["../main/lib"]'), encoding="utf-8")
    assert f"{main}/lib is the code of another worktree, {main}" in devpy("true", cwd=feature).err
    assert f"{main}/lib is declared, but is the code of the worktree {main}" in devpy("doctor", cwd=feature).out


def test_worktree_inside_this_one_on_pythonpath(
    tmp_path: Path, conda_env: CondaEnvironment, repository: MakeRepository, devpy: Devpy, devpy_environ: dict[str, str]
) -> None:
    main = repository(tmp_path / "main", "flit", files={"devpy.toml": CONFIG.format(base=conda_env.name)})
    inner = repository.worktree(main / "flit", "inner")
    for root, other in ((main, inner), (inner, main)):
        environ = {**devpy_environ, "PYTHONPATH": f"{other}/flit"}
        assert f"puts the code of {other} first" in devpy("true", cwd=root, environ=environ).err
        assert "puts" not in devpy("true", cwd=root, environ={**environ, "PYTHONPATH": f"{root}/flit"}).err


def test_worktrees_whose_git_file_leads_nowhere(
    tmp_path: Path, conda_env: CondaEnvironment, repository: MakeRepository, devpy: Devpy, devpy_environ: dict[str, str]
) -> None:
    """As in a container that has the worktrees at other paths, and the repository nowhere."""
    outside = tmp_path / "outside"
    main = repository(outside / "main", "flit", files={"devpy.toml": CONFIG.format(base=conda_env.name)})
    for name in ("one", "two"):
        repository.worktree(main, name).rename(tmp_path / name)
    main.rename(tmp_path / "main")
    for other in ("two", "main"):
        (tmp_path / other / "devpy.toml").unlink()
        environ = {**devpy_environ, "PYTHONPATH": f"{tmp_path}/{other}/flit"}
        result = devpy("true", cwd=tmp_path / "one", environ=environ)
        assert result.code == 0
        assert f"puts the code of {tmp_path}/{other} first" in result.err
    pytest_elsewhere = devpy("pytest", str(tmp_path / "two"), cwd=tmp_path / "one")
    assert f"but the tests are in {tmp_path}/two" in pytest_elsewhere.err
    assert shlex.quote(os.fspath(tmp_path / "two")) in pytest_elsewhere.err
