"""The main job: two worktrees of one project on one conda environment, each running its own code."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Callable, NamedTuple

import pytest

from .commands import Devpy, Result, run
from .environments import CondaEnvironment, MakeCondaEnv
from .projects import MakeRepository, copy_package, import_name

Environ = dict[str, str]  # the variables of a process
Unchanged = Callable[[Path], "AbstractContextManager[None]"]

PROJECTS = ("console-script", "setuptools-flat")  # setuptools in src layout, by a .pth, and in flat layout, by a finder
GITIGNORE = "__pycache__/\n*.egg-info/\n"
TEST = """\
import os
from {module} import origin

def test_own_code():
    worktree = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    assert origin().startswith(worktree + os.sep)
"""


class Checkouts(NamedTuple):
    """A repository with one more worktree, both with an overlay on the same environment."""

    environment: CondaEnvironment
    main: Path
    feature: Path


@pytest.fixture(scope="module")
def checkouts(
    tmp_path_factory: pytest.TempPathFactory,
    make_conda_env: MakeCondaEnv,
    conda_env: CondaEnvironment,
    devpy_environ: Environ,
) -> Checkouts:
    environment = make_conda_env.clone(conda_env, "two-worktrees")
    repository = MakeRepository(devpy_environ)
    tests = {f"tests/test_{import_name(name)}.py": TEST.format(module=import_name(name)) for name in PROJECTS}
    files = {".gitignore": GITIGNORE, **tests}
    main = repository(tmp_path_factory.mktemp("story") / "main", *PROJECTS, files=files)
    feature = repository.worktree(main, "feature")
    for root in (main, feature):
        declare(root, environment, *PROJECTS)
        assert Devpy(devpy_environ)("update-editables", cwd=root).code == 0
    return Checkouts(environment, main, feature)


@pytest.fixture(scope="module")
def beside_copies(checkouts: Checkouts, devpy_environ: Environ) -> Checkouts:
    """The worktrees, after somebody has installed the packages into the environment too, as conda or pip would."""
    sources = [str(checkouts.main / name) for name in PROJECTS]
    pip = [str(checkouts.environment.prefix / "bin" / "pip"), "install", "--no-deps", "--no-build-isolation"]
    result = run([*pip, *sources], cwd=checkouts.environment.prefix, environ=devpy_environ)
    assert result.code == 0
    for name in PROJECTS:
        assert (checkouts.environment.site_packages / import_name(name) / "__init__.py").is_file()
    return checkouts


def declare(root: Path, environment: CondaEnvironment, *packages: str) -> None:
    declared = ", ".join(f'"{name}"' for name in packages)
    text = f'[python]\nbase_conda_env = "{environment.name}"\n\n[editables]\npackages = [{declared}]\n'
    (root / "devpy.toml").write_text(text, encoding="utf-8")


def print_origin(project: str) -> list[str]:
    module = import_name(project)
    return ["-c", f"import {module}; print({module}.__file__)"]


def assert_own_code(result: Result, root: Path, project: str) -> None:
    assert result.code == 0
    assert Path(result.out.strip()).is_relative_to(root / project)


@pytest.mark.parametrize("project", PROJECTS)
def test_devpy_python_imports_the_worktrees_own_code(checkouts: Checkouts, devpy: Devpy, project: str) -> None:
    for root in (checkouts.main, checkouts.feature):
        assert_own_code(devpy("python", *print_origin(project), cwd=root), root, project)


@pytest.mark.parametrize("project", PROJECTS)
def test_the_overlays_python_imports_the_worktrees_own_code(
    checkouts: Checkouts, devpy_environ: Environ, tmp_path: Path, project: str
) -> None:
    for root in (checkouts.main, checkouts.feature):
        python = root / ".venv" / "bin" / "python"
        assert_own_code(run([python, *print_origin(project)], cwd=tmp_path, environ=devpy_environ), root, project)


def test_the_bases_pytest_tests_the_worktrees_own_code(checkouts: Checkouts, devpy: Devpy) -> None:
    for root in (checkouts.main, checkouts.feature):
        result = devpy("pytest", cwd=root)
        assert result.code == 0
        assert f"rootdir: {root}\n" in result.out
        assert f"{len(PROJECTS)} passed" in result.out


def test_the_bases_pytest_runs_on_the_overlays_python(checkouts: Checkouts, devpy: Devpy) -> None:
    assert not list(checkouts.main.glob(".venv/lib/python3.*/site-packages/pytest"))
    code = "import pytest, sys; print(pytest.__file__); print(sys.prefix)"
    pytest_file, prefix = devpy("python", "-c", code, cwd=checkouts.main).out.splitlines()
    assert Path(pytest_file).is_relative_to(checkouts.environment.prefix)
    assert prefix == str(checkouts.main / ".venv")


def test_console_scripts_run_the_worktrees_own_code(
    checkouts: Checkouts, devpy: Devpy, devpy_environ: Environ, tmp_path: Path
) -> None:
    for root in (checkouts.main, checkouts.feature):
        assert_own_code(devpy("sample-console-script", cwd=root), root, "console-script")
        script = root / ".venv" / "bin" / "sample-console-script"
        assert_own_code(run([script], cwd=tmp_path, environ=devpy_environ), root, "console-script")


def test_an_edit_counts_in_its_own_worktree_alone(checkouts: Checkouts, devpy: Devpy) -> None:
    module = checkouts.feature / "setuptools-flat" / "sample_setuptools_flat" / "added.py"
    module.touch()
    try:
        command = ["python", "-c", "import sample_setuptools_flat.added"]
        assert devpy(*command, cwd=checkouts.feature).code == 0
        assert "ModuleNotFoundError" in devpy(*command, cwd=checkouts.main).err
    finally:
        module.unlink()


def test_updating_again_does_nothing_and_says_so(checkouts: Checkouts, devpy: Devpy) -> None:
    assert devpy("update-editables", cwd=checkouts.main).code == 0  # whatever happened to the base before this test
    before = tree(checkouts.main / ".venv")
    result = devpy("update-editables", cwd=checkouts.main)
    assert result == Result(0, f"Nothing to do: {len(PROJECTS)} declared, all installed and up to date\n", "")
    assert tree(checkouts.main / ".venv") == before


def test_git_sees_nothing_but_devpy_toml(checkouts: Checkouts, devpy: Devpy, devpy_environ: Environ) -> None:
    for root in (checkouts.main, checkouts.feature):
        devpy("python", *print_origin("setuptools-flat"), cwd=root)
        status = run(["git", "status", "--porcelain", "--untracked-files=all"], cwd=root, environ=devpy_environ)
        assert status.out == "?? devpy.toml\n"


def test_base_is_not_written_to_and_overlay_is_tiny(
    tmp_path: Path,
    conda_env: CondaEnvironment,
    repository: MakeRepository,
    devpy: Devpy,
    devpy_environ: Environ,
    base_unchanged: Unchanged,
) -> None:
    root = repository(tmp_path / "main", root="flit")
    declare(root, conda_env, ".")
    with base_unchanged(conda_env.prefix):
        assert devpy("update-editables", cwd=root).code == 0
        assert_own_code(devpy("python", *print_origin("flit"), cwd=root), root, ".")
        assert devpy("pytest", "--version", cwd=root).code == 0
        assert disk_usage(root / ".venv") < 300_000
        pip = root / ".venv" / "bin" / "pip"
        assert run([pip, "install", "--quiet", "six"], cwd=root, environ=devpy_environ).code == 0
        assert run([pip, "uninstall", "--quiet", "--yes", "iniconfig"], cwd=root, environ=devpy_environ).code == 0
        assert devpy("clean", cwd=root).code == 0


@pytest.mark.parametrize("project", PROJECTS)
def test_devpy_python_prefers_the_worktree_to_a_copy_in_the_base(
    beside_copies: Checkouts, devpy: Devpy, project: str
) -> None:
    for root in (beside_copies.main, beside_copies.feature):
        assert_own_code(devpy("python", *print_origin(project), cwd=root), root, project)


@pytest.mark.parametrize("project", PROJECTS)
def test_the_overlays_python_prefers_the_worktree_to_a_copy_in_the_base(
    beside_copies: Checkouts, devpy_environ: Environ, tmp_path: Path, project: str
) -> None:
    for root in (beside_copies.main, beside_copies.feature):
        python = root / ".venv" / "bin" / "python"
        assert_own_code(run([python, *print_origin(project)], cwd=tmp_path, environ=devpy_environ), root, project)


@pytest.mark.parametrize("project", PROJECTS)
def test_the_bases_pytest_prefers_the_worktree_to_a_copy_in_the_base(
    beside_copies: Checkouts, devpy: Devpy, project: str
) -> None:
    for root in (beside_copies.main, beside_copies.feature):
        result = devpy("pytest", f"tests/test_{import_name(project)}.py", cwd=root)
        assert result.code == 0
        assert "1 passed" in result.out


def test_console_scripts_prefer_the_worktree_to_a_copy_in_the_base(
    beside_copies: Checkouts, devpy: Devpy, devpy_environ: Environ, tmp_path: Path
) -> None:
    assert (beside_copies.environment.prefix / "bin" / "sample-console-script").is_file()
    for root in (beside_copies.main, beside_copies.feature):
        assert_own_code(devpy("sample-console-script", cwd=root), root, "console-script")
        script = root / ".venv" / "bin" / "sample-console-script"
        assert_own_code(run([script], cwd=tmp_path, environ=devpy_environ), root, "console-script")


def test_fresh_worktree_prefers_itself_to_a_copy_in_the_base(
    beside_copies: Checkouts, devpy: Devpy, worktree: Callable[[Path, str], Path]
) -> None:
    root = worktree(beside_copies.main, "fresh")
    declare(root, beside_copies.environment, "console-script")
    assert_own_code(devpy("python", *print_origin("console-script"), cwd=root), root, "console-script")


@pytest.mark.slow
def test_moved_worktree_runs_its_own_code_without_complaint(
    tmp_path: Path, conda_env: CondaEnvironment, repository: MakeRepository, devpy: Devpy
) -> None:
    root = repository(tmp_path / "main", root="flit")
    declare(root, conda_env, ".")
    assert devpy("update-editables", cwd=root).code == 0
    moved = root.rename(tmp_path / "moved")
    result = devpy("python", *print_origin("flit"), cwd=moved)
    assert_own_code(result, moved, ".")
    assert "warning" not in result.err
    assert devpy("true", cwd=moved).err == ""


def test_two_checkouts_of_one_package_are_refused(
    tmp_path: Path, conda_env: CondaEnvironment, repository: MakeRepository, devpy: Devpy
) -> None:
    """Only one of them could be imported."""
    root = repository(tmp_path / "main", "flit")
    copy_package("flit", root / "other")
    declare(root, conda_env, "flit")
    assert devpy("update-editables", cwd=root).code == 0
    declare(root, conda_env, "flit", "other")
    result = devpy("python", *print_origin("flit"), cwd=root)
    assert (result.code, result.out) == (2, "")
    assert str(root / "flit") in result.err
    assert str(root / "other") in result.err


@pytest.mark.slow
def test_renamed_package_leaves_nothing_of_its_old_name(
    tmp_path: Path, conda_env: CondaEnvironment, repository: MakeRepository, devpy: Devpy
) -> None:
    root = repository(tmp_path / "main", root="flit")
    declare(root, conda_env, ".")
    assert devpy("update-editables", cwd=root).code == 0
    build_file = root / "pyproject.toml"
    text = build_file.read_text("utf-8").replace('name = "sample-flit"', 'name = "renamed"')
    build_file.write_text(text + '[tool.flit.module]\nname = "sample_flit"\n', encoding="utf-8")
    assert "installed renamed " in devpy("update-editables", cwd=root).err
    found = root.glob(".venv/lib/python3.*/site-packages/*.dist-info")
    assert [path.name for path in found] == ["renamed-1.0.dist-info"]


@pytest.mark.parametrize("variable", ["PIP_PREFIX", "PIP_TARGET", "PIP_USER"])
def test_users_settings_for_pip_do_not_divert_the_packages(
    tmp_path: Path,
    conda_env: CondaEnvironment,
    repository: MakeRepository,
    devpy: Devpy,
    devpy_environ: Environ,
    variable: str,
) -> None:
    root = repository(tmp_path / "main", root="flit")
    declare(root, conda_env, ".")
    value = "1" if variable == "PIP_USER" else str(tmp_path / "elsewhere")
    result = devpy("update-editables", cwd=root, environ={**devpy_environ, variable: value})
    assert "Traceback" not in result.err
    assert result.code == 0
    assert list(root.glob(".venv/lib/python3.*/site-packages/sample_flit-*"))
    assert not (tmp_path / "elsewhere").exists()


def test_pythonpath_of_another_worktree_does_not_pass_in_silence(
    checkouts: Checkouts, devpy: Devpy, devpy_environ: Environ
) -> None:
    """Either the worktree's own code is imported all the same, or devpy says that it is not."""
    environ = {**devpy_environ, "PYTHONPATH": str(checkouts.main / "console-script" / "src")}
    result = devpy("python", *print_origin("console-script"), cwd=checkouts.feature, environ=environ)
    is_own = Path(result.out.strip()).is_relative_to(checkouts.feature)
    assert is_own or "PYTHONPATH" in result.err


def tree(folder: Path) -> dict[Path, tuple[int, int]]:
    """Return size in bytes and modification time in nanoseconds of everything in a folder."""
    return {path: (path.lstat().st_size, path.lstat().st_mtime_ns) for path in folder.rglob("*")}


def disk_usage(folder: Path) -> int:
    """Return the bytes that a folder takes on disk, its own included."""
    return sum(os.lstat(path).st_blocks * 512 for path in (folder, *folder.rglob("*")))
