"""The harness itself: what the other tests take for a conda environment is one."""

from __future__ import annotations

import json
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Callable

import pytest

from .channel import Channel
from .commands import clean_environ, run
from .environments import CondaEnvironment, MakeCondaEnv, create
from .projects import SAMPLES, MakeRepository, copy_package, import_name

Environ = dict[str, str]  # the variables of a process
Unchanged = Callable[[Path], "AbstractContextManager[None]"]


def python(environment: CondaEnvironment, code: str, environ: Environ) -> str:
    """Return what the environment's Python prints."""
    result = run([environment.python, "-c", code], cwd=environment.prefix, environ=environ)
    assert result.code == 0
    return result.out.strip()


def pip(environment: CondaEnvironment, environ: Environ, *args: str) -> None:
    command: list[str | Path] = [environment.prefix / "bin" / "pip", *args]
    assert run(command, cwd=environment.prefix, environ=environ).code == 0


def origin(environment: CondaEnvironment, project: str, environ: Environ) -> Path:
    module = import_name(project)
    return Path(python(environment, f"import {module}; print({module}.origin())", environ))


def test_python_is_the_environments_own(conda_env: CondaEnvironment, devpy_environ: Environ) -> None:
    code = "import json, os, sys, sysconfig; print(json.dumps([sys.prefix, sys.base_prefix, os.__file__]))"
    prefix, base_prefix, stdlib_module = json.loads(python(conda_env, code, devpy_environ))
    assert prefix == base_prefix == str(conda_env.prefix)
    assert Path(stdlib_module).is_relative_to(conda_env.prefix)


@pytest.mark.skipif(sys.platform != "linux", reason="only ELF programs are made to look beside themselves")
def test_python_loads_its_own_library(conda_env: CondaEnvironment, devpy_environ: Environ) -> None:
    if not list(conda_env.prefix.glob("lib/libpython3.*.so*")):
        pytest.skip("this Python has no shared library")
    maps = python(conda_env, "print(open('/proc/self/maps').read())", devpy_environ)
    libraries = {line.split()[-1] for line in maps.splitlines() if "libpython" in line}
    assert libraries
    assert all(Path(library).is_relative_to(conda_env.prefix) for library in libraries)


def test_build_configuration_names_the_prefix(conda_env: CondaEnvironment, devpy_environ: Environ) -> None:
    code = "import sysconfig; print(sysconfig.get_path('include'), sysconfig.get_config_var('LIBDIR'), sep='\\n')"
    include, library_folder = python(conda_env, code, devpy_environ).splitlines()
    assert Path(include, "Python.h").is_file()
    assert Path(include).is_relative_to(conda_env.prefix)
    assert library_folder == str(conda_env.prefix / "lib")


@pytest.mark.parametrize("script", ["pip", "pytest"])
def test_console_script_runs(conda_env: CondaEnvironment, devpy_environ: Environ, script: str) -> None:
    program = conda_env.prefix / "bin" / script
    assert program.read_text("utf-8").splitlines()[0].startswith(f"#!{conda_env.prefix}/bin/python3.")
    result = run([program, "--version"], cwd=conda_env.prefix, environ=devpy_environ)
    assert result.code == 0
    assert result.out.startswith(script)


def test_conda_knows_the_environment(conda_env: CondaEnvironment) -> None:
    conda_meta = conda_env.prefix / "conda-meta"
    assert "::python-3." in (conda_meta / "history").read_text("utf-8")
    record = json.loads(next(conda_meta.glob("python-3.*.json")).read_text("utf-8"))
    assert record["name"] == "python"
    assert "bin/python" in record["files"]


def test_activation_files_are_in_place(make_conda_env: MakeCondaEnv) -> None:
    environment = make_conda_env("activated", packages=["activation-scripts"])
    conda = environment.prefix / "etc" / "conda"
    assert "DEVPY_TEST_ACTIVATED" in (conda / "activate.d" / "activation-scripts.sh").read_text("utf-8")
    assert "DEVPY_TEST_ACTIVATED" in (conda / "deactivate.d" / "activation-scripts.sh").read_text("utf-8")
    variables = json.loads((conda / "env_vars.d" / "activation-scripts.json").read_text("utf-8"))
    assert variables == {"DEVPY_TEST_CONFIG": "from env_vars.d"}


def test_package_added_later_can_be_installed(tmp_path: Path, conda_channel: Channel) -> None:
    spec = conda_channel.add_package("late", "2.0", {"bin/late": "#!/bin/sh\necho late\n"})
    environment = create(tmp_path / "env", conda_channel, [spec])
    result = run([environment.prefix / "bin" / "late"], cwd=tmp_path, environ={})
    assert result.out == "late\n"


@pytest.mark.parametrize("minor", ["3.8", "3.13"])
def test_other_python_with_chosen_pip(
    tmp_path: Path, make_conda_env: MakeCondaEnv, devpy_environ: Environ, minor: str
) -> None:
    environment = make_conda_env(f"python-{minor}", python=minor, packages=["pip==24.3.1", "pytest"])
    assert python(environment, "import sys; print('%d.%d' % sys.version_info[:2])", devpy_environ) == minor
    assert python(environment, "import pip; print(pip.__version__)", devpy_environ) == "24.3.1"
    assert run([environment.prefix / "bin" / "pytest", "--version"], cwd=tmp_path, environ=devpy_environ).code == 0


@pytest.fixture(scope="module")
def private_env(make_conda_env: MakeCondaEnv, conda_env: CondaEnvironment) -> CondaEnvironment:
    """A clone that the tests of this module install into."""
    return make_conda_env.clone(conda_env, "private")


@pytest.mark.slow
@pytest.mark.parametrize("project", sorted(path.name for path in SAMPLES.iterdir()))
def test_sample_project_installs(
    tmp_path: Path, private_env: CondaEnvironment, devpy_environ: Environ, project: str
) -> None:
    checkout = copy_package(project, tmp_path / project)
    pip(private_env, devpy_environ, "install", "--quiet", str(checkout))
    assert origin(private_env, project, devpy_environ).is_relative_to(private_env.site_packages)
    pip(private_env, devpy_environ, "install", "--quiet", "--editable", str(checkout))
    assert origin(private_env, project, devpy_environ).is_relative_to(checkout)


def test_c_extension_is_compiled(tmp_path: Path, private_env: CondaEnvironment, devpy_environ: Environ) -> None:
    pip(private_env, devpy_environ, "install", "--quiet", str(copy_package("c-extension", tmp_path / "project")))
    code = "import sample_c_extension; print(sample_c_extension.answer())"
    assert python(private_env, code, devpy_environ) == "42"


def test_clone_is_independent(
    tmp_path: Path,
    make_conda_env: MakeCondaEnv,
    conda_env: CondaEnvironment,
    devpy_environ: Environ,
    base_unchanged: Unchanged,
) -> None:
    clone = make_conda_env.clone(conda_env, "independent")
    with base_unchanged(conda_env.prefix):
        pip(clone, devpy_environ, "install", "--quiet", str(copy_package("flit", tmp_path / "flit")))
        # In place, as a test might edit an activation script: the two must not be one file.
        (clone.site_packages / "README.txt").write_text("edited in place\n", encoding="utf-8")
    assert origin(clone, "flit", devpy_environ).is_relative_to(clone.prefix)


def test_environment_with_a_difficult_name(
    make_conda_env: MakeCondaEnv, conda_env: CondaEnvironment, devpy_environ: Environ
) -> None:
    clone = make_conda_env.clone(conda_env, "sp ace é")
    assert python(clone, "import sys; print(sys.prefix)", devpy_environ) == str(clone.prefix)
    pip(clone, devpy_environ, "--version")


@pytest.mark.parametrize("path", ["added.txt", "conda-meta/history"])
def test_changed_base_is_noticed(tmp_path: Path, base_unchanged: Unchanged, path: str) -> None:
    (tmp_path / "conda-meta").mkdir()
    (tmp_path / "conda-meta" / "history").touch()
    with pytest.raises(AssertionError, match=path), base_unchanged(tmp_path):
        (tmp_path / path).write_text("changed\n", encoding="utf-8")


def test_bytecode_is_no_change_of_the_base(tmp_path: Path, base_unchanged: Unchanged) -> None:
    with base_unchanged(tmp_path):
        (tmp_path / "__pycache__").mkdir()
        (tmp_path / "__pycache__" / "module.pyc").touch()


def test_worktree_holds_the_repositorys_files(
    tmp_path: Path, repository: MakeRepository, worktree: Callable[[Path, str], Path]
) -> None:
    main = repository(tmp_path / "main", "hatchling", root="flit", files={"devpy.toml": "[python]\n"})
    feature = worktree(main, "feature")
    for checkout in (main, feature):
        assert (checkout / "devpy.toml").read_text("utf-8") == "[python]\n"
        assert (checkout / "sample_flit" / "__init__.py").is_file()
        assert (checkout / "hatchling" / "pyproject.toml").is_file()
    assert (feature / ".git").is_file()


def test_clean_environment_hides_the_callers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("CONDA_PREFIX", "GIT_DIR", "PIP_REQUIRE_VIRTUALENV", "PYTHONPATH", "VIRTUAL_ENV"):
        monkeypatch.setenv(name, "/callers")
    monkeypatch.setenv("PIP_INDEX_URL", "file:///index")
    environ = clean_environ(tmp_path, tmp_path)
    assert "/callers" not in environ.values()
    assert environ["PIP_INDEX_URL"] == "file:///index"
