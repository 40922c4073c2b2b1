"""Bases on other Pythons than most: free-threaded and debug builds, and those on which devpy makes no overlay."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from . import given_pythons, interpreters, sample_worktree
from .commands import Devpy, Result, run
from .environments import CondaEnvironment, MakeCondaEnv
from .projects import MakeRepository
from .sample_worktree import TOML, own_module, state

Environ = dict[str, str]

WHERE = "import sample_self_built, sys; print(sample_self_built.origin(), sys.prefix, sys.abiflags)"
PACKAGES = ("pip", "setuptools", "pytest")
MEND_BASE_FIRST = "mend the base first, then: devpy update-editables"
COMMANDS = (["true"], ["update-editables"], ["python", "-c", "import pytest"], ["pytest", "--version"], ["info"])


@pytest.fixture
def root(tmp_path: Path, repository: MakeRepository, conda_env: CondaEnvironment) -> Path:
    """A worktree without an overlay."""
    return sample_worktree.make(tmp_path / "repository", repository, conda_env)


def listing(folder: Path) -> list[tuple[str, int]]:
    return sorted((str(path.relative_to(folder)), path.lstat().st_mtime_ns) for path in folder.rglob("*"))


def lib_folders(root: Path) -> set[str]:
    return {path.name for path in (root / ".venv" / "lib").glob("python*")}


def name_base(root: Path, base: str | Path) -> None:
    (root / "devpy.toml").write_text(TOML.format(base=base), encoding="utf-8")


def assert_refused(result: Result, *words: str) -> None:
    """Check for one line about what is wrong, and one about how to mend it."""
    told = result.err.splitlines()
    assert result.code == 2
    assert len(told) == 2, "progress, or a traceback"
    assert told[0].startswith("devpy: ")
    assert all(word in result.err for word in words)


# Folders of other Pythons in the overlay's `lib`.


def other_minor(root: Path) -> str:
    """Return a minor version of Python that is not the overlay's."""
    (own,) = lib_folders(root)
    return next(minor for minor in ("3.12", "3.10") if f"python{minor}" != own)


@pytest.mark.parametrize("made_by", ["mkdir", "mkdir for free-threaded", "pip", "copy"])
def test_what_another_python_has_in_lib_does_not_count(
    root: Path, devpy: Devpy, devpy_environ: Environ, made_by: str
) -> None:
    assert devpy("update-editables", cwd=root).code == 0
    (own,) = lib_folders(root)
    venv, minor = root / ".venv", other_minor(root)
    if made_by == "pip":
        program = interpreters.find(minor).program
        options: list[str | Path] = ["--no-deps", "--prefix", venv, "./self-built"]
        assert run([program, "-I", "-m", "pip", "install", *options], cwd=root, environ=devpy_environ).code == 0
    elif made_by == "copy":
        shutil.copytree(venv / "lib" / own, venv / "lib" / f"python{minor}", symlinks=True)
    else:
        name = f"{own}t" if made_by == "mkdir for free-threaded" else f"python{minor}"
        (venv / "lib" / name / "site-packages").mkdir(parents=True)
    (other,) = lib_folders(root) - {own}
    before = listing(venv / "lib" / other)
    for command in COMMANDS:
        result = devpy(*command, cwd=root)
        assert (result.code, result.err) == (0, ""), command
    assert state(devpy, root) == ("current", "")
    doctor = devpy("doctor", cwd=root)
    assert (doctor.code, doctor.out.splitlines()[-1]) == (0, "12 ok")
    assert devpy("update-editables", "--reinstall", cwd=root).code == 0
    os.utime(root / ".venv" / "lib" / own / "site-packages", (1, 1))
    assert devpy("true", cwd=root).code == 0
    assert listing(venv / "lib" / other) == before
    assert devpy("python", "-c", WHERE, cwd=root).out.split()[0] == own_module(root)
    assert devpy("clean", cwd=root).code == 0
    assert not venv.exists()


def test_rebuild_leaves_what_another_python_has(root: Path, devpy: Devpy) -> None:
    assert devpy("update-editables", cwd=root).code == 0
    other = root / ".venv" / "lib" / f"python{other_minor(root)}" / "site-packages"
    other.mkdir(parents=True)
    (other / "theirs.py").touch()
    (root / ".venv" / "pyvenv.cfg").write_text("home = /usr/bin\ndevpy-config = x\n", encoding="utf-8")
    (root / ".venv" / "bin" / "activate").unlink()
    (next((root / ".venv").glob("lib/python*/site-packages/~devpy.pth"))).unlink()
    assert "a part of it is missing" in devpy("true", cwd=root).err
    assert state(devpy, root) == ("current", "")
    assert (other / "theirs.py").exists()


# The overlay's own folder in `lib`.


@pytest.mark.parametrize("lost", ["lib", "lib/{own}", "lib/{own}/site-packages"])
@pytest.mark.parametrize("stranger", [False, True])
def test_lost_folders_come_back(root: Path, devpy: Devpy, lost: str, stranger: bool) -> None:
    assert devpy("update-editables", cwd=root).code == 0
    (own,) = lib_folders(root)
    if stranger:
        (root / ".venv" / "lib" / f"python{other_minor(root)}" / "site-packages").mkdir(parents=True)
    shutil.rmtree(root / ".venv" / lost.format(own=own))
    assert state(devpy, root)[0] == "stale"
    assert devpy("doctor", cwd=root).code in (0, 1)
    result = devpy("python", "-c", WHERE, cwd=root)
    assert (result.code, result.out.split()[0]) == (0, own_module(root))
    assert state(devpy, root) == ("current", "")


def test_lib_that_is_a_link_and_lib64(tmp_path: Path, root: Path, devpy: Devpy) -> None:
    assert devpy("update-editables", cwd=root).code == 0
    (root / ".venv" / "lib").rename(tmp_path / "moved")
    (root / ".venv" / "lib").symlink_to(tmp_path / "moved")
    (root / ".venv" / "lib64").symlink_to("lib")
    assert devpy("python", "-c", WHERE, cwd=root).out.split()[0] == own_module(root)
    assert state(devpy, root) == ("current", "")
    assert devpy("update-editables", "--reinstall", cwd=root).code == 0
    assert devpy("clean", cwd=root).code == 0
    assert list((tmp_path / "moved").iterdir()), "what lies outside of the overlay stays"


# Free-threaded and debug builds.


@pytest.fixture(scope="module")
def free_threaded(tmp_path_factory: pytest.TempPathFactory, devpy_environ: Environ) -> CondaEnvironment:
    prefix = tmp_path_factory.mktemp("free-threaded") / "base"
    return given_pythons.make_base(prefix, given_pythons.find("python3.*t"), PACKAGES, devpy_environ)


def test_free_threaded_base(
    root: Path, devpy: Devpy, devpy_environ: Environ, free_threaded: CondaEnvironment, tmp_path: Path
) -> None:
    name_base(root, free_threaded.prefix)
    assert devpy("update-editables", cwd=root).code == 0
    own = free_threaded.site_packages.parent.name
    assert own.endswith("t")
    assert lib_folders(root) == {own}
    for program in (own, own.rstrip("t"), "python3", "python"):
        plain = run([root / ".venv" / "bin" / program, "-c", WHERE], cwd=tmp_path, environ={})
        assert plain.out.split() == [own_module(root), str(root / ".venv"), "t"]
    for command in COMMANDS:
        assert devpy(*command, cwd=root).code == 0
    doctor = devpy("doctor", cwd=root)
    assert (doctor.code, doctor.out.splitlines()[-1]) == (0, "12 ok")
    undeclared = shutil.copytree(root / "self-built", tmp_path / "undeclared")
    install: list[str | Path] = [root / ".venv" / "bin" / "pip", "install", "--no-deps", "-e", undeclared]
    assert "is not declared" in run(install, cwd=root, environ=devpy_environ).err


@pytest.mark.parametrize("in_place", [True, False])
def test_base_changes_between_free_threaded_and_not(
    tmp_path: Path,
    root: Path,
    devpy: Devpy,
    free_threaded: CondaEnvironment,
    make_conda_env: MakeCondaEnv,
    in_place: bool,
) -> None:
    own = free_threaded.site_packages.parent.name
    minor = own[len("python") : -1]
    ordinary = make_conda_env(f"python-{minor}", python=minor, packages=["pip==24.3.1", "pytest"])
    base = tmp_path / "base"
    name_base(root, base)
    for current in (ordinary, free_threaded, ordinary):
        if in_place:
            shutil.rmtree(base, ignore_errors=True)
            shutil.copytree(current.prefix, base, symlinks=True)
        else:
            name_base(root, current.prefix)
        result = devpy("python", "-c", WHERE, cwd=root)
        flags = ["t"] if current is free_threaded else []
        assert (result.code, result.out.split()) == (0, [own_module(root), str(root / ".venv"), *flags])
        assert lib_folders(root) == {current.site_packages.parent.name}
        assert state(devpy, root) == ("current", "")


def test_debug_build(tmp_path: Path, root: Path, devpy: Devpy, devpy_environ: Environ) -> None:
    base = given_pythons.make_base(tmp_path / "base", given_pythons.find("python3.*d"), PACKAGES, devpy_environ)
    name_base(root, base.prefix)
    assert devpy("update-editables", cwd=root).code == 0
    own = base.site_packages.parent.name
    assert lib_folders(root) == {own}
    for program in (own, f"{own}d", "python3", "python"):
        plain = run([root / ".venv" / "bin" / program, "-c", WHERE], cwd=tmp_path, environ={})
        assert plain.out.split() == [own_module(root), str(root / ".venv"), "d"]


# Bases on which devpy makes no overlay.


def virtualenv(root: Path, environ: Environ, *options: str | Path) -> Result:
    command = [sys.executable, "-m", "virtualenv", "--creator", "devpy", *options, ".venv"]
    return run(command, cwd=root, environ=environ)


def test_pypy(tmp_path: Path, root: Path, devpy: Devpy, devpy_environ: Environ) -> None:
    base = given_pythons.make_base(tmp_path / "base", given_pythons.find("pypy3*"), (), devpy_environ)
    name_base(root, base.prefix)
    problem = f"{base.prefix}: its Python is PyPy"
    for command in (["update-editables"], ["true"]):
        assert_refused(devpy(*command, cwd=root), problem, "conda create")
    doctor = json.loads(devpy("doctor", "--json", cwd=root).out)
    verdicts = {verdict["check"]: verdict for verdict in doctor["verdicts"]}
    assert verdicts["base"]["state"] == "failed"
    assert verdicts["base"]["text"].startswith(problem)
    assert verdicts["overlay"]["mend"] == MEND_BASE_FIRST
    for options in (["--discovery", "devpy"], ["--python", base.python]):
        result = virtualenv(root, devpy_environ, *options)
        assert result.code not in (0, 2)
        assert problem in result.err + result.out
        assert "Traceback" not in result.err
    assert not (root / ".venv").exists()


def test_overlay_stays_when_its_base_becomes_pypy(
    tmp_path: Path, root: Path, devpy: Devpy, devpy_environ: Environ
) -> None:
    base = given_pythons.make_base(tmp_path / "base", given_pythons.find("pypy3*"), (), devpy_environ)
    assert devpy("update-editables", cwd=root).code == 0
    before = listing(root / ".venv")
    name_base(root, base.prefix)
    assert_refused(devpy("true", cwd=root), "PyPy")
    assert listing(root / ".venv") == before


def test_base_without_pip_leaves_nothing_half_made(root: Path, devpy: Devpy, make_conda_env: MakeCondaEnv) -> None:
    base = make_conda_env("without-pip", packages=[])
    name_base(root, base.name)
    for command in (["update-editables"], ["true"]):
        result = devpy(*command, cwd=root)
        assert_refused(result, f"{base.prefix} has no pip", f"conda install -p {base.prefix} pip")
        assert not (root / ".venv").exists()


def test_doctor_sends_to_the_base_first(root: Path, devpy: Devpy, make_conda_env: MakeCondaEnv) -> None:
    name_base(root, make_conda_env("without-pip", packages=[]).name)
    doctor = json.loads(devpy("doctor", "--json", cwd=root).out)
    assert [verdict["mend"] for verdict in doctor["verdicts"] if verdict["check"] == "overlay"] == [MEND_BASE_FIRST]
    (root / "devpy.toml").write_text('[python]\nbase_conda_env = "without-pip"\n', encoding="utf-8")
    doctor = json.loads(devpy("doctor", "--json", cwd=root).out)
    (mend,) = [verdict["mend"] for verdict in doctor["verdicts"] if verdict["check"] == "overlay"]
    assert mend == "devpy update-editables", "which needs no pip"


def test_overlay_stays_as_it_is_when_its_base_loses_its_pip(
    root: Path, devpy: Devpy, make_conda_env: MakeCondaEnv, conda_env: CondaEnvironment
) -> None:
    base = make_conda_env.clone(conda_env, "loses-pip")
    name_base(root, base.name)
    assert devpy("update-editables", cwd=root).code == 0
    before = listing(root / ".venv")
    shutil.rmtree(base.site_packages / "pip")
    os.utime(base.prefix / "conda-meta" / "history")
    assert_refused(devpy("true", cwd=root), f"{base.prefix} has no pip")
    assert listing(root / ".venv") == before
    assert devpy("--no-sync", "python", "-c", WHERE, cwd=root).out.split()[0] == own_module(root)


# As a devpy would do that was tested with no Python as new as this one.
OLDER = """
import sys
import devpy_virtualenv_plugin
devpy_virtualenv_plugin.NEWEST_PYTHON = (3, 7)
"""
OLDER_DEVPY = OLDER + "from devpy_runner.cli import main; sys.exit(main())"
OLDER_VIRTUALENV = OLDER + "from virtualenv.__main__ import run_with_catch; run_with_catch(sys.argv[1:])"


def test_base_that_is_newer_than_what_devpy_was_tested_with(
    root: Path, devpy: Devpy, devpy_environ: Environ, conda_env: CondaEnvironment
) -> None:
    def older(program: str, *arguments: str) -> Result:
        return run([sys.executable, "-c", program, *arguments], cwd=root, environ=devpy_environ)

    made = older(OLDER_DEVPY, "update-editables")
    assert made.code == 0
    warning = f"devpy: warning: {conda_env.prefix}: Python 3."
    assert made.err.count(warning) == 1
    assert "newer than what this devpy was tested with, up to 3.7\n" in made.err
    assert "-m pip install --upgrade devpy-runner" in made.err
    again = older(OLDER_DEVPY, "python", "-c", WHERE)
    assert (again.code, again.err, again.out.split()[0]) == (0, "", own_module(root))
    doctor = older(OLDER_DEVPY, "doctor")
    assert doctor.code == 0
    assert f"warning  base            {conda_env.prefix}: Python 3." in doctor.out
    assert devpy("clean", cwd=root).code == 0
    by_virtualenv = older(OLDER_VIRTUALENV, "--creator", "devpy", "--discovery", "devpy", ".venv")
    assert by_virtualenv.code == 0
    assert by_virtualenv.err.count(warning) == 1
    assert "warning" not in devpy("update-editables", cwd=root).err
