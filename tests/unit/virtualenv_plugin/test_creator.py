from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from virtualenv import cli_run, session_via_cli

from devpy_pip_guard.errors import DevpyError
from devpy_virtualenv_plugin import record
from devpy_virtualenv_plugin.creator import DevpyCreator

pytestmark = pytest.mark.bounds

TOML = '[python]\nbase_conda_env = "any"\n'


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The variables of virtualenv: its caches are the test's own."""
    return {
        "VIRTUALENV_OVERRIDE_APP_DATA": str(tmp_path / "app-data"),
        "VIRTUALENV_CONFIG_FILE": "/dev/null",
        "PATH": "",
    }


def interpreter(implementation: str, version: tuple[int, int]) -> Any:
    return SimpleNamespace(implementation=implementation, version_info=(*version, 0))


@pytest.mark.parametrize("version", [(3, 8), (3, 11), (3, 14)])
def test_creates_for_cpython(version: tuple[int, int]) -> None:
    assert DevpyCreator.can_create(interpreter("CPython", version))


def test_says_itself_why_it_makes_nothing_for_pypy() -> None:
    assert DevpyCreator.can_create(interpreter("PyPy", (3, 11)))


@pytest.mark.parametrize(
    ("implementation", "version"), [("GraalVM", (3, 12)), ("CPython", (3, 7)), ("CPython", (2, 7))]
)
def test_does_not_create_for_others(implementation: str, version: tuple[int, int]) -> None:
    assert not DevpyCreator.can_create(interpreter(implementation, version))


def test_describes_nothing_for_other_creators() -> None:
    assert not DevpyCreator.can_describe(interpreter("CPython", (3, 11)))


def test_default_creator_is_virtualenvs_own(tmp_path: Path, environ: dict[str, str]) -> None:
    session = session_via_cli([str(tmp_path / "venv")], setup_logging=False, env=environ)
    assert not isinstance(session.creator, DevpyCreator)


def create(folder: Path, environ: dict[str, str], *options: str) -> None:
    cli_run(["--creator", "devpy", "--no-download", *options, str(folder)], setup_logging=False, env=environ)


def test_refuses_a_python_that_is_not_condas(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "devpy.toml").write_text(TOML, encoding="utf-8")
    with pytest.raises(DevpyError, match="is not a conda environment") as raised:
        create(tmp_path / ".venv", environ)
    assert "--discovery devpy" in raised.value.mend
    assert not (tmp_path / ".venv").exists()


@pytest.fixture(scope="module")
def conda_prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prefix laid out as conda does it, made from the running interpreter."""
    from devpy_runner.commands import demo_base

    prefix = tmp_path_factory.mktemp("conda") / "prefix"
    demo_base.make(str(prefix))
    return prefix


def test_overlay_is_complete_only_when_all_is_written(
    tmp_path: Path, conda_prefix: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "devpy.toml").write_text(TOML, encoding="utf-8")
    venv = tmp_path / ".venv"
    states: list[bool] = []
    write = record.write

    def watched(written: record.Record) -> None:
        states.append(written.complete)
        if written.complete:
            for name in ("pyvenv.cfg", "bin/python", "bin/pip", ".gitignore", "CACHEDIR.TAG"):
                assert (venv / name).exists(), name
        write(written)

    monkeypatch.setattr(record, "write", watched)
    create(venv, environ, "--python", str(conda_prefix / "bin" / "python"))
    assert states == [False, True]
    found = record.read(str(venv))
    assert found is not None
    assert (found.base, found.base_name, found.config) == (str(conda_prefix), "", str(tmp_path / "devpy.toml"))
    prefix = subprocess.run(
        [venv / "bin" / "python", "-c", "import sys; print(sys.prefix)"], check=True, capture_output=True, text=True
    )
    assert prefix.stdout.strip() == str(venv)


def test_pyvenv_cfg_is_the_same_whenever_it_is_filled_in(
    tmp_path: Path, conda_prefix: Path, environ: dict[str, str]
) -> None:
    (tmp_path / "devpy.toml").write_text(TOML, encoding="utf-8")
    options = ["--creator", "devpy", "--python", str(conda_prefix / "bin" / "python"), str(tmp_path / ".venv")]
    creator = session_via_cli(options, setup_logging=False, env=environ).creator
    for _ in range(2):
        creator.set_pyenv_cfg()
    assert not (tmp_path / ".venv").exists()
    creator.create()
    text = (tmp_path / ".venv" / "pyvenv.cfg").read_text(encoding="utf-8")
    creator.set_pyenv_cfg()
    creator.pyenv_cfg.write()
    assert (tmp_path / ".venv" / "pyvenv.cfg").read_text(encoding="utf-8") == text
    keys = dict(line.split(" = ") for line in text.splitlines())
    assert keys["include-system-site-packages"] == "false"
    assert keys["devpy-config"] == str(tmp_path / "devpy.toml")


def test_whole_without_what_virtualenv_adds(tmp_path: Path, conda_prefix: Path, environ: dict[str, str]) -> None:
    (tmp_path / "devpy.toml").write_text(TOML, encoding="utf-8")
    venv = tmp_path / ".venv"
    options = ["--creator", "devpy", "--python", str(conda_prefix / "bin" / "python"), str(venv)]
    session_via_cli(options, setup_logging=False, env=environ).creator.create()
    code = "import pip, sys; print(sys.prefix)"
    done = subprocess.run([venv / "bin" / "python", "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == str(venv)


def test_clear_empties_an_overlay_and_nothing_of_somebody_else(
    tmp_path: Path, conda_prefix: Path, environ: dict[str, str]
) -> None:
    (tmp_path / "devpy.toml").write_text(TOML, encoding="utf-8")
    python = str(conda_prefix / "bin" / "python")
    create(tmp_path / ".venv", environ, "--python", python)
    (tmp_path / ".venv" / "left-over").touch()
    create(tmp_path / ".venv", environ, "--python", python)
    assert (tmp_path / ".venv" / "left-over").exists()
    create(tmp_path / ".venv", environ, "--python", python, "--clear")
    assert not (tmp_path / ".venv" / "left-over").exists()
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    with pytest.raises(DevpyError, match="was not made by devpy"):
        create(tmp_path / "precious", environ, "--python", python, "--clear")
    assert (tmp_path / "precious" / "file").exists()


def test_no_seed_is_installed_and_no_vcs_ignore_is_kept(
    tmp_path: Path, conda_prefix: Path, environ: dict[str, str]
) -> None:
    (tmp_path / "devpy.toml").write_text(TOML, encoding="utf-8")
    create(tmp_path / ".venv", environ, "--python", str(conda_prefix / "bin" / "python"), "--no-vcs-ignore")
    assert not (tmp_path / ".venv" / ".gitignore").exists()
    assert not list(tmp_path.glob(".venv/lib/python3*/site-packages/pip*"))


@pytest.mark.parametrize("content", ["file", "venv"])
def test_refuses_a_folder_of_somebody_else(
    tmp_path: Path, conda_prefix: Path, environ: dict[str, str], content: str
) -> None:
    (tmp_path / "devpy.toml").write_text(TOML, encoding="utf-8")
    venv = tmp_path / ".venv"
    venv.mkdir()
    (venv / ("pyvenv.cfg" if content == "venv" else "file")).touch()
    with pytest.raises(DevpyError, match="was not made by devpy"):
        create(venv, environ, "--python", str(conda_prefix / "bin" / "python"))
    assert len(list(venv.iterdir())) == 1


def test_nearest_config_governs(tmp_path: Path, conda_prefix: Path, environ: dict[str, str]) -> None:
    for folder, name in ((tmp_path, "outer"), (tmp_path / "inner", "inner")):
        folder.mkdir(exist_ok=True)
        (folder / "devpy.toml").write_text(TOML.replace("any", name), encoding="utf-8")
    create(tmp_path / "inner" / "envs" / "venv", environ, "--python", str(conda_prefix / "bin" / "python"))
    found = record.read(str(tmp_path / "inner" / "envs" / "venv"))
    assert found is not None
    assert found.config == str(tmp_path / "inner" / "devpy.toml")


def test_option_is_added_once() -> None:
    from argparse import ArgumentParser

    from devpy_virtualenv_plugin.creator import add_config_option

    parser = ArgumentParser()
    add_config_option(parser)
    add_config_option(parser)
    assert parser.parse_args(["--devpy-config", "x"]).devpy_config == "x"


# Pythons of other kinds.


def session_on(prefix: Path, venv: Path, environ: dict[str, str]) -> Any:
    options = ["--creator", "devpy", "--python", str(prefix / "bin" / "python"), str(venv)]
    return session_via_cli(options, setup_logging=False, env=environ)


@pytest.fixture
def own_name(conda_prefix: Path) -> str:
    return next(path.name for path in (conda_prefix / "lib").glob("python3.*"))


@pytest.fixture
def free_threaded(
    tmp_path: Path, conda_prefix: Path, own_name: str, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Any:
    """A session on a prefix that is laid out as that of a free-threaded Python."""
    prefix, name = tmp_path / "free-threaded", f"{own_name}t"
    shutil.copytree(conda_prefix, prefix, symlinks=True)
    (prefix / "lib" / name / "site-packages").mkdir(parents=True)
    (prefix / "bin" / name).symlink_to(own_name)
    (tmp_path / "devpy.toml").write_text(TOML, encoding="utf-8")
    session = session_on(prefix, tmp_path / ".venv", environ)
    install_path = session.interpreter.install_path
    monkeypatch.setattr(session.interpreter, "install_path", lambda key: install_path(key).replace(own_name, name))
    return session


def test_overlay_on_a_free_threaded_python(tmp_path: Path, own_name: str, free_threaded: Any) -> None:
    name, venv, prefix = f"{own_name}t", tmp_path / ".venv", tmp_path / "free-threaded"
    free_threaded.creator.create()
    found = record.read(str(venv))
    assert found is not None
    assert found.python == name
    assert [path.name for path in (venv / "lib").glob("python*")] == [name]
    assert os.readlink(venv / "bin" / "python") == str(prefix / "bin" / name)
    assert {os.readlink(venv / "bin" / link) for link in (name, own_name, "python3")} == {"python"}
    assert list((venv / "lib" / name / "site-packages").glob("~devpy.*"))
    guard = (venv / "lib" / name / "site-packages" / "_devpy_guard" / "__init__.pyc").read_bytes()
    assert os.fsencode(f"{prefix}/lib/{name}/site-packages") in guard


def test_overlay_made_for_another_python_is_emptied(
    tmp_path: Path, own_name: str, conda_prefix: Path, environ: dict[str, str], free_threaded: Any
) -> None:
    venv = tmp_path / ".venv"
    create(venv, environ, "--python", str(conda_prefix / "bin" / "python"))
    for name in (own_name, "python3.1"):
        (venv / "lib" / name / "site-packages").mkdir(parents=True, exist_ok=True)
        (venv / "lib" / name / "site-packages" / "compiled.so").touch()
    create(venv, environ, "--python", str(conda_prefix / "bin" / "python"))
    assert len(list(venv.glob("lib/python*/site-packages/compiled.so"))) == 2
    free_threaded.creator.create()
    assert [path.name for path in (venv / "lib").glob("python*")] == [f"{own_name}t"]


@pytest.mark.parametrize("lost", ["its program", "CPython"])
@pytest.mark.parametrize("made", [False, True])
def test_unfit_python_is_refused_before_anything_changes(
    tmp_path: Path,
    own_name: str,
    environ: dict[str, str],
    free_threaded: Any,
    monkeypatch: pytest.MonkeyPatch,
    lost: str,
    made: bool,
) -> None:
    prefix, venv = tmp_path / "free-threaded", tmp_path / ".venv"
    if made:
        create(venv, environ, "--python", str(prefix / "bin" / "python"))
    before = {path: path.lstat().st_mtime_ns for path in venv.rglob("*")}
    if lost == "CPython":
        monkeypatch.setattr(free_threaded.interpreter, "implementation", "PyPy")
    else:
        (prefix / "bin" / f"{own_name}t").unlink()
    told = "its Python is PyPy" if lost == "CPython" else f"bin/{own_name}t: no such file"
    with pytest.raises(DevpyError, match=told):
        free_threaded.creator.create()
    assert {path: path.lstat().st_mtime_ns for path in venv.rglob("*")} == before
    assert venv.exists() == made
