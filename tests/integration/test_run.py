"""`devpy COMMAND …`: as if typed in a shell in which the environment and the overlay are active."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from .commands import Devpy, run
from .environments import CondaEnvironment, MakeCondaEnv
from .projects import MakeRepository

Environ = dict[str, str]  # the variables of a process

CONFIG = """\
[python]
base_conda_env = "{base}"

[editables]
packages = ["."]

[env]
SAMPLE_ROOT = "{{root}}/data"
SAMPLE_VENV = "{{venv}}"
SAMPLE_BASE = "{{base}}"
SAMPLE_ALL = "{{root}}:{{base}}:{{other}}:$HOME"
DEVPY_TEST_ACTIVATED = "from devpy.toml"
"""
DEVPY = [sys.executable, "-m", "devpy_runner"]


@pytest.fixture(scope="module")
def environment(make_conda_env: MakeCondaEnv) -> CondaEnvironment:
    """One with activation scripts and variables."""
    return make_conda_env("run", packages=["pip", "activation-scripts"])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, environment: CondaEnvironment, devpy_environ: Environ) -> Path:
    """A worktree whose overlay is current; tests leave it as it is."""
    path = tmp_path_factory.mktemp("run") / "main"
    repository = MakeRepository(devpy_environ)
    repository(path, root="console-script", files={"devpy.toml": CONFIG.format(base=environment.name), "deep/er/a": ""})
    repository.worktree(path, "feature")
    assert Devpy(devpy_environ)("update-editables", cwd=path).code == 0
    return path


@pytest.fixture
def empty(tmp_path: Path, repository: MakeRepository, environment: CondaEnvironment) -> Path:
    """A worktree that declares no packages, so that its overlay, which it has not yet, is made quickly."""
    return repository(tmp_path / "main", files={"devpy.toml": minimal(environment.name)})


def minimal(base: str) -> str:
    return f'[python]\nbase_conda_env = "{base}"\n'


def variables(devpy: Devpy, root: Path, environ: Environ | None = None) -> Environ:
    """Return what a command gets."""
    result = devpy("env", "-0", cwd=root, environ=environ)
    assert (result.code, result.err) == (0, "")
    return dict(entry.partition("=")[::2] for entry in result.out.split("\0") if entry)


# Where


def test_runs_at_the_root_from_a_subfolder(root: Path, devpy: Devpy) -> None:
    assert devpy("pwd", "-P", cwd=root / "deep" / "er").out == f"{root}\n"
    assert devpy("sh", "-c", 'echo "$PWD"', cwd=root / "deep" / "er").out == f"{root}\n"


def test_cwd_option(root: Path, tmp_path: Path, devpy: Devpy) -> None:
    deep = root / "deep"
    assert devpy("--cwd", "er", "pwd", cwd=deep).out == f"{deep / 'er'}\n"  # from where it was typed
    assert devpy("--cwd=.", "pwd", cwd=deep).out == f"{deep}\n"
    assert devpy("--cwd", str(tmp_path), "pwd", cwd=root).out == f"{tmp_path}\n"
    assert devpy("--cwd", "er", "printenv", "SAMPLE_ROOT", cwd=deep).out == f"{root}/data\n"


@pytest.mark.parametrize("folder", ["nowhere", "pyproject.toml"])
def test_cwd_that_is_no_folder(root: Path, devpy: Devpy, folder: str) -> None:
    result = devpy("--cwd", folder, "pwd", cwd=root)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("devpy: --cwd")


def test_cwd_in_another_worktree_is_refused(root: Path, devpy: Devpy) -> None:
    result = devpy("--cwd", "../feature/deep", "pwd", cwd=root)
    assert (result.code, result.out) == (2, "")
    assert f"in another worktree, {root.parent / 'feature'}" in result.err


def test_outside_of_a_worktree(tmp_path: Path, devpy: Devpy) -> None:
    result = devpy("pwd", cwd=tmp_path)
    assert (result.code, result.out) == (2, "")
    assert f"not inside a git worktree: {tmp_path}" in result.err


@pytest.mark.slow
def test_linked_worktree_is_one_of_its_own(root: Path, devpy: Devpy) -> None:
    feature = root.parent / "feature"
    result = devpy("sample-console-script", cwd=feature / "deep")
    assert Path(result.out.strip()).is_relative_to(feature)


# What


def test_program_called_like_a_command_of_devpy(root: Path, devpy: Devpy, devpy_environ: Environ) -> None:
    programs = root.parent / "programs"
    programs.mkdir()
    (programs / "info").write_text('#!/bin/sh\necho "mine: $*"\n', encoding="utf-8")
    (programs / "info").chmod(0o755)
    environ = {**devpy_environ, "PATH": f"{programs}:{devpy_environ['PATH']}"}
    assert devpy("--", "info", "--json", cwd=root, environ=environ).out == "mine: --json\n"
    assert devpy("--", "env", "info", cwd=root, environ=environ).out == "mine: \n"


def test_arguments_arrive_as_they_are(root: Path, devpy: Devpy) -> None:
    arguments = ["--no-sync", "--", "-h", "--help", "", " a  b ", "*", "$HOME", "a\nb", "é", "\\", '"', "'", "--cwd=x"]
    code = "import sys; print(repr(sys.argv[1:]))"
    assert devpy("python", "-c", code, *arguments, cwd=root).out == f"{arguments!r}\n"


@pytest.mark.parametrize("code", [0, 1, 2, 77, 255])
def test_exit_code(root: Path, devpy: Devpy, code: int) -> None:
    assert devpy("sh", "-c", f"exit {code}", cwd=root).code == code


def test_death_by_signal(root: Path, devpy: Devpy) -> None:
    assert devpy("sh", "-c", "kill -TERM $$", cwd=root).code == -signal.SIGTERM


def test_devpy_becomes_the_command(root: Path, devpy_environ: Environ) -> None:
    """So that whoever signals devpy signals the command."""
    script = 'echo $$; exec "$@"'
    result = run(["sh", "-c", script, "-", *DEVPY, "sh", "-c", "echo $$"], cwd=root, environ=devpy_environ)
    before, after = result.out.splitlines()
    assert before == after


def test_standard_input(root: Path, devpy: Devpy) -> None:
    assert devpy("cat", cwd=root, stdin="a\nb").out == "a\nb"
    assert devpy("python", "-", cwd=root, stdin="print('from stdin')").out == "from stdin\n"


def test_output_is_the_commands_alone(root: Path, devpy: Devpy) -> None:
    result = devpy("sh", "-c", "echo out; echo err >&2", cwd=root)
    assert (result.out, result.err) == ("out\n", "err\n")


@pytest.mark.parametrize("command", ["no-such-program", "./no-such-program", "/no/such/program"])
def test_command_not_found(root: Path, devpy: Devpy, command: str) -> None:
    result = devpy(command, cwd=root)
    assert (result.code, result.out) == (127, "")
    assert result.err == f"devpy: command not found: {command}\n"


@pytest.mark.parametrize("command", ["./pyproject.toml", "./deep"])
def test_command_not_executable(root: Path, devpy: Devpy, command: str) -> None:
    result = devpy(command, cwd=root)
    assert (result.code, result.out) == (126, "")
    assert result.err.startswith(f"devpy: {command}: ")


@pytest.mark.parametrize("arguments", [["--no-such-option", "true"], ["--cwd"], ["--no-sync"], ["--"], ["-x"]])
def test_wrong_usage(root: Path, devpy: Devpy, arguments: list[str]) -> None:
    result = devpy(*arguments, cwd=root)
    assert (result.code, result.out) == (2, "")
    assert "devpy" in result.err


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help(tmp_path: Path, devpy: Devpy, arguments: list[str]) -> None:
    result = devpy(*arguments, cwd=tmp_path)
    assert (result.code, result.err) == (0, "")
    for command in ("info", "update-editables", "clean", "demo"):
        assert f"\n  {command} " in result.out
        assert devpy(command, "--help", cwd=tmp_path).out.startswith(f"usage: devpy {command} ")


def test_version(tmp_path: Path, devpy: Devpy) -> None:
    name, version = devpy("--version", cwd=tmp_path).out.split()
    assert name == "devpy"
    assert version[0].isdigit()


# In which environment


def test_variables(root: Path, environment: CondaEnvironment, devpy: Devpy) -> None:
    got = variables(devpy, root)
    assert got["VIRTUAL_ENV"] == f"{root}/.venv"
    assert got["PYTHONNOUSERSITE"] == "1"
    assert got["PIP_REQUIRE_VIRTUALENV"] == "1"
    assert got["CONDA_PREFIX"] == str(environment.prefix)
    assert got["CONDA_DEFAULT_ENV"] == environment.name
    assert got["CONDA_SHLVL"] == "1"
    front = [f"{root}/.venv/bin", f"{root}/.venv/lib/devpy/bin", f"{environment.prefix}/bin"]
    assert got["PATH"].split(":")[:3] == front
    assert "PYTHONPATH" not in got


def test_activation_scripts_and_variables_apply(root: Path, environment: CondaEnvironment, devpy: Devpy) -> None:
    got = variables(devpy, root)
    assert got["LD_LIBRARY_PATH"] == f"{environment.prefix}/lib"
    assert got["DEVPY_TEST_CONFIG"] == "from env_vars.d"


def test_declared_variables_come_last(root: Path, environment: CondaEnvironment, devpy: Devpy) -> None:
    got = variables(devpy, root)
    assert got["SAMPLE_ROOT"] == f"{root}/data"
    assert got["SAMPLE_VENV"] == f"{root}/.venv"
    assert got["SAMPLE_BASE"] == str(environment.prefix)
    assert got["SAMPLE_ALL"] == f"{root}:{environment.prefix}:{{other}}:$HOME"
    assert got["DEVPY_TEST_ACTIVATED"] == "from devpy.toml"  # which the activation script has set


def test_callers_variables_arrive(root: Path, devpy: Devpy, devpy_environ: Environ) -> None:
    callers = {"MULTI": "a\nb", "EMPTY": "", "SPACE": " a  b ", "QUOTE": "'\"\\$x`", "NON_ASCII": "é"}
    got = variables(devpy, root, {**devpy_environ, **callers})
    assert {name: got[name] for name in callers} == callers


def test_overlay_is_once_on_path_even_inside_itself(root: Path, devpy: Devpy) -> None:
    inner = " ".join(f"'{word}'" for word in DEVPY) + " printenv PATH CONDA_SHLVL"
    path, level = devpy("bash", "-c", inner, cwd=root).out.splitlines()
    assert path.split(":")[0] == f"{root}/.venv/bin"
    assert path.split(":").count(f"{root}/.venv/bin") == 1
    assert level == "1"


INNER = " ".join(f"'{word}'" for word in [*DEVPY, "env", "-0"])


@pytest.mark.parametrize(
    "outer",
    [
        [*DEVPY, "bash", "-c", INNER],
        [*DEVPY, "bash", "-c", f"PATH=/mine:$PATH {INNER}"],
        ["bash", "-c", f". .venv/bin/activate && {INNER}"],
        [".venv/bin/python", "-c", f"import subprocess; subprocess.run({[*DEVPY, 'env', '-0']!r}, check=True)"],
    ],
    ids=["devpy", "own folder on PATH", "activate", "plain python"],
)
def test_nothing_is_activated_twice(
    root: Path, environment: CondaEnvironment, devpy: Devpy, devpy_environ: Environ, outer: list[str]
) -> None:
    """The activation script adds to a value each time that it runs."""
    once = variables(devpy, root)
    twice = dict(entry.partition("=")[::2] for entry in run(outer, cwd=root, environ=devpy_environ).out.split("\0"))
    assert twice["LD_LIBRARY_PATH"] == once["LD_LIBRARY_PATH"] == f"{environment.prefix}/lib"
    assert twice["PATH"].split(":")[:2] == once["PATH"].split(":")[:2]
    assert twice["CONDA_SHLVL"] == once["CONDA_SHLVL"]


def test_python_script_that_neither_overlay_nor_base_has(
    root: Path, tmp_path: Path, devpy: Devpy, devpy_environ: Environ
) -> None:
    """Such as a pytest for all of a user's projects: it would import what its own Python has."""
    tool = tmp_path / "bin" / "some-linter"
    tool.parent.mkdir()
    tool.write_text(f"#!{sys.executable}\nprint('linted')\n", encoding="utf-8")
    tool.chmod(0o755)
    environ = {**devpy_environ, "PATH": f"{devpy_environ['PATH']}:{tool.parent}"}
    result = devpy("some-linter", cwd=root, environ=environ)
    assert (result.code, result.out) == (0, "linted\n")
    assert f"some-linter: neither the overlay nor the base has it, so this runs {tool}" in result.err
    assert devpy("pip", "--version", cwd=root, environ=environ).err == ""


def test_inside_another_worktrees_environment(root: Path, devpy: Devpy) -> None:
    """The other worktree's programs must not be found: they would run its code."""
    feature = root.parent / "feature"
    inner = f"cd {feature} && " + " ".join(f"'{word}'" for word in DEVPY) + " printenv PATH VIRTUAL_ENV"
    result = devpy("bash", "-c", inner, cwd=root)
    path, venv = result.out.splitlines()
    assert venv == f"{feature}/.venv"
    assert path.split(":")[0] == f"{feature}/.venv/bin"
    assert f"{root}/.venv/bin" not in path.split(":")


def test_after_another_worktrees_activate_script(root: Path, devpy: Devpy, devpy_environ: Environ) -> None:
    feature = root.parent / "feature"
    words = " ".join(f"'{word}'" for word in DEVPY)
    script = f". {root}/.venv/bin/activate && cd {feature} && {words} printenv PATH"
    result = run(["bash", "-c", script], cwd=root, environ=devpy_environ)
    assert f"{root}/.venv/bin" not in result.out.strip().split(":")
    assert devpy("true", cwd=feature).code == 0


def test_users_own_site_packages_are_not_seen(root: Path, devpy: Devpy, devpy_environ: Environ) -> None:
    version = next(root.glob(".venv/lib/python3.*")).name
    user_site = Path(devpy_environ["HOME"]) / ".local" / "lib" / version / "site-packages"
    user_site.mkdir(parents=True)
    (user_site / "of_the_user.py").touch()
    command = ["-c", "import of_the_user"]
    assert "ModuleNotFoundError" in devpy("python", *command, cwd=root).err
    python = root / ".venv" / "bin" / "python"
    assert "ModuleNotFoundError" in run([python, *command], cwd=root, environ=devpy_environ).err


def test_pythonhome_of_the_caller_does_no_harm(root: Path, devpy: Devpy, devpy_environ: Environ) -> None:
    environ = {**devpy_environ, "PYTHONHOME": sys.base_prefix}
    result = devpy("python", "-c", "import os, sys; print(sys.prefix)", cwd=root, environ=environ)
    assert result.out == f"{root}/.venv\n"


# Before it runs


def test_absent_overlay_is_made_first(empty: Path, devpy: Devpy) -> None:
    result = devpy("python", "-c", "import sys; print(sys.prefix)", cwd=empty)
    assert (result.code, result.out) == (0, f"{empty}/.venv\n")
    assert result.err.startswith(f"devpy: creating {empty}/.venv on ")
    assert len(result.err.splitlines()) == 1
    assert devpy("true", cwd=empty).err == ""


@pytest.mark.parametrize("how", ["option", "variable"])
def test_absent_overlay_is_not_made_unasked(empty: Path, devpy: Devpy, devpy_environ: Environ, how: str) -> None:
    if how == "option":
        result = devpy("--no-sync", "true", cwd=empty)
    else:
        result = devpy("true", cwd=empty, environ={**devpy_environ, "DEVPY_NO_SYNC": "1"})
    assert result.code == 2
    assert f"{empty}/.venv: absent" in result.err
    assert "devpy update-editables" in result.err
    assert not (empty / ".venv").exists()


def test_stale_overlay_is_used_as_it_is_on_demand(empty: Path, devpy: Devpy, environment: CondaEnvironment) -> None:
    assert devpy("true", cwd=empty).code == 0
    (empty / "added").mkdir()
    (empty / "added" / "pyproject.toml").write_text("not even TOML", encoding="utf-8")
    config = minimal(environment.name) + '[editables]\npackages = ["added"]\n'
    (empty / "devpy.toml").write_text(config, encoding="utf-8")
    result = devpy("--no-sync", "echo", "ran", cwd=empty)
    assert (result.code, result.out) == (0, "ran\n")
    assert f"{empty}/.venv is stale: not installed: {empty}/added" in result.err


def test_broken_package_stops_the_command(empty: Path, devpy: Devpy, environment: CondaEnvironment) -> None:
    (empty / "added").mkdir()
    (empty / "added" / "pyproject.toml").write_text("not even TOML", encoding="utf-8")
    config = minimal(environment.name) + '[editables]\npackages = ["added"]\n'
    (empty / "devpy.toml").write_text(config, encoding="utf-8")
    result = devpy("echo", "ran", cwd=empty)
    assert (result.code, result.out) == (2, "")
    assert f"devpy: creating {empty}/.venv" in result.err
    assert "\ndevpy: installing added failed:\n" in result.err
    assert result.err.endswith("\n  mend that, then: devpy update-editables\n")


# On which base


def test_base_by_path(empty: Path, devpy: Devpy, devpy_environ: Environ, environment: CondaEnvironment) -> None:
    (empty / "devpy.toml").write_text(minimal(str(environment.prefix)), encoding="utf-8")
    environ = {name: value for name, value in devpy_environ.items() if name != "CONDA_ENVS_DIRS"}
    assert devpy("printenv", "CONDA_PREFIX", cwd=empty, environ=environ).out == f"{environment.prefix}\n"


def test_base_by_path_in_the_home(
    empty: Path, devpy: Devpy, devpy_environ: Environ, environment: CondaEnvironment
) -> None:
    (Path(devpy_environ["HOME"]) / "linked").symlink_to(environment.prefix)
    (empty / "devpy.toml").write_text(minimal("~/linked"), encoding="utf-8")
    result = devpy("python", "-c", "import sys; print(sys.base_prefix)", cwd=empty)
    assert result.code == 0
    assert Path(result.out.strip()).resolve() == environment.prefix


def test_base_called_base(empty: Path, devpy: Devpy, devpy_environ: Environ, environment: CondaEnvironment) -> None:
    (empty / "devpy.toml").write_text(minimal("base"), encoding="utf-8")
    environ = {**devpy_environ, "MAMBA_ROOT_PREFIX": str(environment.prefix)}
    result = devpy("sh", "-c", 'echo "$CONDA_DEFAULT_ENV $CONDA_PREFIX"', cwd=empty, environ=environ)
    assert result.out == f"base {environment.prefix}\n"


def test_base_not_found(empty: Path, devpy: Devpy, environment: CondaEnvironment) -> None:
    (empty / "devpy.toml").write_text(minimal("rnu"), encoding="utf-8")
    result = devpy("true", cwd=empty)
    assert result.code == 2
    assert f"conda environment rnu: not found in {environment.prefix.parent}" in result.err
    assert f"did you mean run ({environment.prefix})?" in result.err
    assert "conda env list" in result.err
    assert not (empty / ".venv").exists()


def test_base_without_python(empty: Path, devpy: Devpy, conda_root: Path) -> None:
    (empty / "devpy.toml").write_text(minimal(str(conda_root)), encoding="utf-8")
    result = devpy("true", cwd=empty)
    assert result.code == 2
    assert f"{conda_root}: the conda environment has no bin/python" in result.err


# Editables behind devpy.toml's back


@pytest.mark.parametrize(
    "command",
    [
        "pip install -e .",
        "pip install -e.",
        "pip install --editable .",
        "pip install --editable=.",
        "pip install --edit .",
        "pip install -Ue .",
        "pip install six -e .",
        "pip3 install -e .",
        "pip3.11 install -e .",
        "pip -q install -e .",
        "pip --proxy x install -e .",
        ".venv/bin/pip install -e .",
        "python -m pip install -e .",
        "python -mpip install -e .",
        "python -I -m pip -q install --editable=.",
        "python3 -m pip install -e .",
        "uv pip install -e .",
        "uv -q pip install -e .",
    ],
)
def test_editable_install_is_refused(root: Path, devpy: Devpy, command: str) -> None:
    result = devpy(*command.split(), cwd=root)
    assert (result.code, result.out) == (2, "")
    assert f"{root}/devpy.toml" in result.err
    assert f"{root} is declared in {root}/devpy.toml" in result.err
    assert "\n  devpy update-editables" in result.err


def test_install_of_an_undeclared_editable_is_refused(root: Path, devpy: Devpy) -> None:
    result = devpy("pip", "install", "-e", "../elsewhere", cwd=root)
    assert result.code == 2
    assert 'add "../elsewhere" to packages under [editables]' in result.err


@pytest.mark.parametrize("command", ["pip list -e", "pip list --editable", "pip freeze", "pip --help", "echo pip -e"])
def test_other_uses_of_pip_are_not_refused(root: Path, devpy: Devpy, command: str) -> None:
    assert devpy(*command.split(), cwd=root).code == 0


@pytest.mark.parametrize("pip", [["pip"], ["python", "-m", "pip"]])
def test_overlays_pip_refuses_what_is_not_declared(
    root: Path, tmp_path: Path, devpy_environ: Environ, repository: MakeRepository, pip: list[str]
) -> None:
    other = repository(tmp_path / "other", root="flit")
    program, *arguments = pip
    command: list[str | Path] = [root / ".venv" / "bin" / program, *arguments, "install", "--no-deps", "-e", other]
    result = run(command, cwd=root, environ=devpy_environ)
    assert result.code == 1
    assert f"{other} is not declared in {root}/devpy.toml" in result.err
    assert not list(root.glob(".venv/lib/*/site-packages/sample_flit*"))


@pytest.mark.parametrize("pip", ['"$CONDA_PREFIX/bin/python" -m pip', '"$CONDA_PREFIX/bin/pip"'])
def test_bases_own_pip_does_not_install(root: Path, environment: CondaEnvironment, devpy: Devpy, pip: str) -> None:
    result = devpy("sh", "-c", f"{pip} install six", cwd=root)
    assert result.code != 0
    assert "virtualenv" in result.err
    assert not (environment.site_packages / "six.py").exists()


def test_package_of_the_base_is_not_uninstalled(root: Path, environment: CondaEnvironment, devpy: Devpy) -> None:
    devpy("pip", "uninstall", "--yes", "pip", cwd=root)
    assert (environment.site_packages / "pip" / "__init__.py").is_file()


@pytest.mark.parametrize("command", [["pip", "install", "six"], ["python", "-m", "pip", "install", "six"]])
def test_regular_package_goes_into_the_overlay(
    empty: Path, environment: CondaEnvironment, devpy: Devpy, command: list[str]
) -> None:
    assert devpy(*command, cwd=empty).code == 0
    result = devpy("python", "-c", "import six; print(six.__file__)", cwd=empty)
    assert Path(result.out.strip()).is_relative_to(empty / ".venv")
    assert result.err == ""
    assert not (environment.site_packages / "six.py").exists()


def test_declared_package_may_be_asked_for_in_the_overlay(root: Path, devpy_environ: Environ) -> None:
    command: list[str | Path] = [root / ".venv" / "bin" / "pip", "install", "--quiet", "--no-deps", "--editable", "."]
    assert run(command, cwd=root, environ=devpy_environ).code == 0
