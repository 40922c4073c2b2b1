"""What happens to worktrees, bases and branches in a project's life: the next command notices it and mends it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest

from .channel import Channel
from .commands import Devpy, Result, run
from .environments import CondaEnvironment, MakeCondaEnv, create
from .projects import MakeRepository, copy_package
from .sample_worktree import own_module, state

Environ = dict[str, str]  # the variables of a process

TOML = '[python]\nbase_conda_env = "{base}"\n[editables]\npackages = [{packages}]\n'
WHERE = "import sample_self_built; print(sample_self_built.origin())"
GIT_IDENTITY = ("-c", "user.name=Test", "-c", "user.email=test@example.invalid")


def config(*packages: str, base: str = "shared", more: str = "") -> str:
    return TOML.format(base=base, packages=", ".join(f'"{package}"' for package in packages)) + more


@pytest.fixture
def root(tmp_path: Path, repository: MakeRepository, conda_env: CondaEnvironment, devpy: Devpy) -> Path:
    """A worktree with a current overlay."""
    files = {"devpy.toml": config("self-built", base=conda_env.name), ".gitignore": "__pycache__\nbuilds.txt\n"}
    path = repository(tmp_path / "repository", "self-built", files=files)
    assert devpy("update-editables", cwd=path).code == 0
    return path


@pytest.fixture
def own_base(
    root: Path, tmp_path: Path, make_conda_env: MakeCondaEnv, conda_env: CondaEnvironment, devpy: Devpy
) -> Iterator[CondaEnvironment]:
    """An environment for one test alone, on which the overlay of `root` then stands."""
    base = make_conda_env.clone(conda_env, f"own-{tmp_path.name}")
    set_config(root, config("self-built", base=base.name))
    assert_works(devpy, root)
    yield base
    shutil.rmtree(base.prefix, ignore_errors=True)


def set_config(root: Path, text: str) -> None:
    (root / "devpy.toml").write_text(text, encoding="utf-8")


def git(root: Path, *arguments: str) -> str:
    command = ["git", *GIT_IDENTITY, *arguments]
    return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout


def commit(root: Path, message: str) -> None:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", f"--message={message}")


def assert_works(devpy: Devpy, root: Path) -> Result:
    """Check that a command imports this worktree's code, whichever way it starts, and that all is well then."""
    result = devpy("python", "-c", WHERE, cwd=root)
    assert result.code == 0
    assert result.out.strip() == own_module(root)
    assert state(devpy, root) == ("current", "")
    for program in (["python", "-c", WHERE], ["sample-self-built"]):
        plain = run([root / ".venv" / "bin" / program[0], *program[1:]], cwd=root.parent, environ={})
        assert (plain.out.strip(), plain.err) == (own_module(root), "")
    assert devpy("python", "-c", WHERE, cwd=root).err == ""
    return result


def assert_refused(result: Result, *words: str) -> None:
    """Check that a command has ended with a problem in one line, which says what is at fault, and how to mend it."""
    assert result.code == 2
    problem, *mend = result.err.splitlines()
    assert problem.startswith("devpy: ")
    assert all(word in problem for word in words)
    assert mend
    assert all(line.startswith("  ") for line in mend)


def listing(folder: Path) -> set[tuple[str, int, int]]:
    """Return path, size and modification time of all there is in a folder, bytecode caches apart."""
    entries = ((path, path.lstat()) for path in folder.rglob("*") if "__pycache__" not in path.parts)
    return {(str(path), status.st_size, status.st_mtime_ns) for path, status in entries if not path.is_dir()}


# The folder.


def test_repository_is_renamed(root: Path, devpy: Devpy) -> None:
    moved = root.rename(root.with_name("renamed"))
    assert "moved or copied" in assert_works(devpy, moved).err
    assert not root.exists()
    assert str(root) + "/" not in "".join(
        path.read_text("utf-8", errors="replace") for path in (moved / ".venv").rglob("*") if path.is_file()
    )


def test_folder_above_the_repository_is_renamed(
    tmp_path: Path, repository: MakeRepository, conda_env: CondaEnvironment, devpy: Devpy
) -> None:
    files = {"devpy.toml": config("self-built", base=conda_env.name)}
    path = repository(tmp_path / "above" / "repository", "self-built", files=files)
    assert_works(devpy, path)
    (tmp_path / "above").rename(tmp_path / "aside")
    assert_works(devpy, tmp_path / "aside" / "repository")


@pytest.fixture
def copy(root: Path) -> Path:
    """A copy of the worktree in which devpy has not run yet."""
    path = root.with_name("copy")
    subprocess.run(["cp", "-r", root, path], check=True)  # noqa: S607 - whichever is on PATH
    return path


def test_pip_of_a_copy_installs_into_the_copy(root: Path, copy: Path, devpy: Devpy, devpy_environ: Environ) -> None:
    package = copy_package("setuptools-src", root.parent / "package")
    before = listing(root)
    install = ["install", "--no-deps", "--no-build-isolation", str(package)]
    assert run([copy / ".venv" / "bin" / "pip", *install], cwd=copy, environ=devpy_environ).code == 0
    assert listing(root) == before
    assert list(copy.glob(".venv/lib/*/site-packages/sample_setuptools_src*"))
    uninstall = ["uninstall", "--yes", "sample-self-built"]
    assert run([copy / ".venv" / "bin" / "pip", *uninstall], cwd=copy, environ=devpy_environ).code == 0
    assert listing(root) == before
    assert_works(devpy, copy)
    assert listing(root) == before
    assert_works(devpy, root)


def test_python_of_a_copy_says_whose_code_it_would_import(root: Path, copy: Path, devpy: Devpy) -> None:
    before = listing(root)
    plain = run([copy / ".venv" / "bin" / "python", "-c", WHERE], cwd=copy, environ={})
    assert f"devpy: {copy}/.venv was made as {root}/.venv" in plain.err
    assert "devpy update-editables" in plain.err
    assert listing(root) == before
    assert_works(devpy, copy)
    assert listing(root) == before


def test_script_of_a_copy_says_whose_code_it_runs(root: Path, copy: Path, devpy: Devpy) -> None:
    before = listing(root)
    for script, cwd in ((f"{copy}/.venv/bin/sample-self-built", root), ("bin/sample-self-built", copy / ".venv")):
        told = run([script], cwd=cwd, environ={}).err
        assert told.startswith(f"devpy: {script} runs the code of {root}/.venv\n  {copy}/.venv is a copy of that")
    assert listing(root) == before
    assert_works(devpy, copy)
    result = run([copy / ".venv" / "bin" / "sample-self-built"], cwd=copy, environ={})
    assert (result.out.strip(), result.err) == (own_module(copy), "")


def test_activated_copy(root: Path, copy: Path, devpy_environ: Environ) -> None:
    before = listing(root)
    script = f'cd "{copy}" && . .venv/bin/activate && python -c "{WHERE}"; echo "$VIRTUAL_ENV"'
    result = run(["bash", "-c", script], cwd=copy, environ=devpy_environ)
    assert result.out.splitlines() == [own_module(copy), f"{copy}/.venv"]
    assert listing(root) == before


def test_overlay_alone_is_copied_into_another_worktree(
    root: Path, devpy: Devpy, worktree: Callable[[Path, str], Path]
) -> None:
    other = worktree(root, "other")
    subprocess.run(["cp", "-a", root / ".venv", other], check=True)  # noqa: S607 - whichever is on PATH
    before = listing(root)
    assert_works(devpy, other)
    assert listing(root) == before


def test_python_link_dangles(root: Path, devpy: Devpy) -> None:
    python = root / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/bin/python3.11")
    assert state(devpy, root)[0] == "stale"
    assert_works(devpy, root)


# The base.


def test_base_is_upgraded_within_its_minor_version(root: Path, devpy: Devpy, own_base: CondaEnvironment) -> None:
    (record,) = (own_base.prefix / "conda-meta").glob("python-3*.json")
    record.rename(record.with_name("python-3.11.99-h1_0.json"))
    (binary,) = {path.resolve() for path in own_base.prefix.glob("bin/python3.*[0-9]")}
    shutil.copy2(binary, f"{binary}.new")
    os.replace(f"{binary}.new", binary)
    with (own_base.prefix / "conda-meta" / "history").open("a", encoding="utf-8") as history:
        history.write("==> 2030-01-01 00:00:00 <==\n-x::python-3.11.7-h0_0\n+x::python-3.11.99-h1_0\n")
    assert state(devpy, root) == ("stale", f"{own_base.prefix} has changed")
    result = assert_works(devpy, root)
    assert "Python 3.11.99" in result.err
    assert "installed" not in result.err


def test_base_is_made_anew_in_the_same_place(
    root: Path, devpy: Devpy, own_base: CondaEnvironment, conda_channel: Channel
) -> None:
    shutil.rmtree(own_base.prefix)
    assert_refused(devpy("true", cwd=root), own_base.name)
    create(own_base.prefix, conda_channel, own_base.specs)
    assert state(devpy, root)[0] == "stale"
    assert_works(devpy, root)


def test_base_is_renamed_and_the_config_follows(root: Path, devpy: Devpy, own_base: CondaEnvironment) -> None:
    renamed = own_base.prefix.with_name(f"{own_base.name}-renamed")
    own_base.prefix.rename(renamed)
    try:
        before = listing(root)
        assert_refused(devpy("true", cwd=root), own_base.name)
        assert own_base.name in devpy("info", cwd=root).out
        assert listing(root) == before
        set_config(root, config("self-built", base=renamed.name))
        assert f"made for the conda environment {own_base.prefix}" in state(devpy, root)[1]
        assert_works(devpy, root)
    finally:
        renamed.rename(own_base.prefix)


def test_base_gets_another_pip(root: Path, devpy: Devpy, own_base: CondaEnvironment, devpy_environ: Environ) -> None:
    install = ["-m", "pip", "install", "--quiet", "pip==24.3.1"]
    assert run([own_base.python, *install], cwd=root, environ=devpy_environ).code == 0
    assert_works(devpy, root)
    assert devpy("pip", "--version", cwd=root).out.startswith("pip 24.3.1 ")
    plain = run([root / ".venv" / "bin" / "pip", "install", "-e", "."], cwd=root / "self-built", environ=devpy_environ)
    assert plain.code == 0  # it is declared
    refused = run([root / ".venv" / "bin" / "pip", "install", "-e", "."], cwd=root, environ=devpy_environ)
    assert "is not declared" in refused.err


# devpy itself.


@pytest.mark.parametrize(
    "changes",
    [
        {"version": "999.0", "schema": 9, "more": {"keys": [1, None]}},
        {"version": "999.0", "editables": ["self-built"]},
        {"version": "999.0", "base": None, "config": {"file": "x"}},
        {"version": "0.0.1"},
    ],
    ids=["newer", "another schema", "other types", "older"],
)
def test_record_of_another_devpy(root: Path, devpy: Devpy, changes: dict[str, object]) -> None:
    record = root / ".venv" / "devpy.json"
    record.write_text(json.dumps({**json.loads(record.read_text("utf-8")), **changes}), encoding="utf-8")
    assert state(devpy, root)[0] in ("stale", "incomplete")
    assert_works(devpy, root)


def test_record_with_fields_that_are_gone(root: Path, devpy: Devpy) -> None:
    record = root / ".venv" / "devpy.json"
    whole = json.loads(record.read_text("utf-8"))
    record.write_text(json.dumps({"version": "999.0", "venv": whole["venv"]}), encoding="utf-8")
    assert_works(devpy, root)


# devpy.toml.


def test_packages_are_reordered(root: Path, devpy: Devpy) -> None:
    copy_package("setuptools-src", root / "second")
    set_config(root, config("self-built", "second"))
    assert "installed sample-setuptools-src" in assert_works(devpy, root).err
    set_config(root, config("second", "self-built"))
    assert assert_works(devpy, root).err == ""


def test_variables_are_edited(root: Path, devpy: Devpy) -> None:
    show = ["python", "-c", "import os; print(os.environ.get('WHERE'))"]
    for more, expected in (('[env]\nWHERE = "{root}/x"\n', f"{root}/x"), ('[env]\nWHERE = "y"\n', "y"), ("", "None")):
        set_config(root, config("self-built", more=more))
        assert devpy(*show, cwd=root).out.strip() == expected
        plain = run([root / ".venv" / "bin" / "python", *show[1:]], cwd=root, environ={})
        assert plain.out.strip() == expected


def test_dependencies_are_wanted_and_no_longer(root: Path, devpy: Devpy) -> None:
    for more in ("install_deps = true\n", "install_deps = false\n", ""):
        set_config(root, config("self-built", more=more))
        assert_works(devpy, root)


def test_overlay_is_to_be_elsewhere(root: Path, devpy: Devpy) -> None:
    set_config(root, config("self-built").replace("[editables]", 'venv = "build/overlay"\n[editables]'))
    before = listing(root / ".venv")
    result = devpy("python", "-c", WHERE, cwd=root)
    assert result.out.strip() == own_module(root)
    assert listing(root / ".venv") == before
    assert devpy("clean", cwd=root).out == f"Removed {root / 'build' / 'overlay'}\n"
    set_config(root, config("self-built"))
    assert_works(devpy, root)


# Packages.


def test_package_folder_is_gone(root: Path, devpy: Devpy) -> None:
    (root / "self-built").rename(root / "away")
    before = listing(root / ".venv")
    for command in (["true"], ["update-editables"]):
        assert_refused(devpy(*command, cwd=root), "devpy.toml: editables.packages", str(root / "self-built"))
    assert listing(root / ".venv") == before
    (root / "away").rename(root / "self-built")
    assert_works(devpy, root)


def test_package_folder_loses_its_build_files(root: Path, devpy: Devpy) -> None:
    project = root / "self-built" / "pyproject.toml"
    text = project.read_text("utf-8")
    project.unlink()
    assert_refused(devpy("true", cwd=root), "neither pyproject.toml nor setup.py")
    project.write_text(text, encoding="utf-8")
    assert_works(devpy, root)


def test_package_folder_becomes_a_link_to_another_copy(root: Path, devpy: Devpy) -> None:
    other = copy_package("self-built", root.parent / "other")
    shutil.rmtree(root / "self-built")
    (root / "self-built").symlink_to(other)
    result = devpy("python", "-c", WHERE, cwd=root)
    assert result.out.strip() == own_module(root.parent).replace("self-built", "other")
    assert state(devpy, root) == ("current", "")
    (root / "self-built").unlink()
    copy_package("self-built", root / "self-built")
    assert_works(devpy, root)


def test_package_folder_is_renamed_and_the_config_follows(root: Path, devpy: Devpy) -> None:
    (root / "self-built").rename(root / "renamed")
    set_config(root, config("renamed"))
    result = devpy("python", "-c", WHERE, cwd=root)
    assert result.out.strip() == own_module(root).replace("self-built", "renamed")
    assert state(devpy, root) == ("current", "")
    script = run([root / ".venv" / "bin" / "sample-self-built"], cwd=root, environ={})
    assert script.out == result.out


# git.


@pytest.mark.slow
def test_switched_branches(root: Path, devpy: Devpy) -> None:
    """A branch with other packages, in other places, with other build files, and one without a devpy.toml."""
    git(root, "switch", "--quiet", "--create", "other")
    git(root, "mv", "self-built", "moved")
    project = root / "moved" / "pyproject.toml"
    project.write_text(project.read_text("utf-8").replace('version = "1.0"', 'version = "2.0"'), encoding="utf-8")
    copy_package("setuptools-src", root / "second")
    set_config(root, config("moved", "second", more='[env]\nBRANCH = "other"\n'))
    commit(root, "other")
    git(root, "switch", "--quiet", "--create", "without")
    git(root, "rm", "--quiet", "devpy.toml")
    commit(root, "without")
    version = "from importlib.metadata import version; import os; print(version('sample-self-built'), "
    both = f"{WHERE}; {version}os.environ.get('BRANCH'))"
    second = "import sample_setuptools_src; print(sample_setuptools_src.origin())"
    for _ in range(2):
        git(root, "switch", "--quiet", "main")
        assert_works(devpy, root)
        assert devpy("python", "-c", both, cwd=root).out.splitlines() == [own_module(root), "1.0 None"]
        assert devpy("python", "-c", second, cwd=root).code == 1
        git(root, "switch", "--quiet", "other")
        result = devpy("python", "-c", both, cwd=root)
        assert result.out.splitlines() == [own_module(root).replace("self-built", "moved"), "2.0 other"]
        assert devpy("python", "-c", second, cwd=root).out.startswith(str(root / "second"))
        git(root, "switch", "--quiet", "without")
        assert devpy("true", cwd=root).err.startswith(f"devpy: missing {root / 'devpy.toml'}\n")


def test_git_clean(root: Path, devpy: Devpy) -> None:
    git(root, "clean", "-dfq")
    assert assert_works(devpy, root).err == ""
    git(root, "clean", "-xdfq")
    assert not (root / ".venv").exists()
    assert_works(devpy, root)


@pytest.mark.parametrize("kept", ["devpy.json", "python", "site-packages", "bin", "*.pth", "pyvenv.cfg"])
def test_git_clean_that_leaves_a_part(root: Path, devpy: Devpy, kept: str) -> None:
    git(root, "clean", "-xdfq", f"--exclude={kept}")
    assert (root / ".venv").exists()
    result = devpy("python", "-c", WHERE, cwd=root)
    if result.code == 2:  # with its mark it has lost what tells it from somebody else's
        assert_refused(result, "was not made by devpy")
        shutil.rmtree(root / ".venv")
    assert_works(devpy, root)


def test_stash(root: Path, devpy: Devpy) -> None:
    with (root / "self-built" / "pyproject.toml").open("a", encoding="utf-8") as stream:
        stream.write("# edited\n")
    assert "installed" in assert_works(devpy, root).err
    git(root, "stash", "--quiet", "--include-untracked")
    assert "installed" in assert_works(devpy, root).err
    git(root, "stash", "pop", "--quiet")
    assert_works(devpy, root)


def test_stash_that_takes_the_overlay_along(root: Path, devpy: Devpy) -> None:
    git(root, "stash", "--quiet", "--all")
    assert not (root / ".venv").exists()
    git(root, "stash", "pop", "--quiet")
    assert_works(devpy, root)


def test_branch_that_lacks_declared_packages(
    tmp_path: Path, conda_env: CondaEnvironment, repository: MakeRepository, devpy: Devpy
) -> None:
    """They can be left out until the branch with them comes back."""
    names = ("self-built", "flit", "hatchling")
    files = {"devpy.toml": config(*names, base=conda_env.name), ".gitignore": "__pycache__\nbuilds.txt\n"}
    files["tests/test_it.py"] = "def test_it():\n    import sample_self_built\n"
    root = repository(tmp_path / "root", *names, files=files)
    assert devpy("update-editables", cwd=root).code == 0
    git(root, "checkout", "-q", "-b", "less")
    git(root, "rm", "-rq", "flit", "hatchling")
    (root / "hatchling").mkdir(exist_ok=True)
    (root / "hatchling" / "left.log").write_text("", encoding="utf-8")
    git(root, "commit", "-qm", "less")
    for arguments in (["true"], ["update-editables"], ["doctor"]):
        refused = devpy(*arguments, cwd=root)
        assert refused.code == (1 if arguments == ["doctor"] else 2)
        told = refused.out if arguments == ["doctor"] else refused.err
        assert f'"{root}/flit" is not a directory; "{root}/hatchling" has neither' in told
    went_on = devpy("update-editables", "--missing=warn", cwd=root)
    assert went_on.code == 0
    assert f"warning: {root}/flit is declared, but is not a directory: it is left out" in went_on.err
    assert f"uninstalled sample-flit ({root}/flit)" in went_on.err
    for arguments in ([], ["--missing=error"]):
        assert devpy("update-editables", *arguments, cwd=root).code == 2
    again = devpy("update-editables", "--missing=warn", cwd=root)
    assert again.out == "Nothing to do: 3 declared, 2 left out, all others installed and up to date\n"
    result = devpy("python", "-c", WHERE, cwd=root)
    assert result.out == f"{own_module(root)}\n"
    assert f"warning: {root}/hatchling is declared, but has neither" in result.err
    assert state(devpy, root)[0] == "current"
    tested = devpy("pytest", cwd=root)
    assert "1 passed" in tested.out
    assert "  flit: LEFT OUT, it is not a directory\n" in tested.out
    doctor = devpy("doctor", cwd=root)
    assert doctor.code == 0
    assert f"warning  config          {root}/flit is declared, but is not a directory" in doctor.out
    (root / "hatchling" / "left.log").unlink()
    git(root, "checkout", "-q", "main")
    back = devpy("python", "-c", "import sample_flit, sample_hatchling", cwd=root)
    assert back.code == 0
    assert "warning" not in back.err
