from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
import virtualenv

from devpy_pip_guard.config import Config, load
from devpy_pip_guard.errors import DevpyError
from devpy_runner import bug_report
from devpy_runner.base.lookup import Base
from devpy_runner.commands import demo_base
from devpy_runner.overlay import creation
from devpy_runner.overlay.creation import build
from devpy_runner.overlay.state import examine
from devpy_virtualenv_plugin.lock import locked

pytestmark = pytest.mark.bounds

REINSTALL = f"{sys.executable} -m pip install virtualenv=={creation.WORKING_VIRTUALENV}"


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A prefix laid out as conda does it, made from the running interpreter."""
    prefix = tmp_path_factory.mktemp("conda") / "prefix"
    demo_base.make(str(prefix))
    return str(prefix)


@pytest.fixture
def config(tmp_path: Path, prefix: str) -> Config:
    (tmp_path / "devpy.toml").write_text(f'[python]\nbase_conda_env = "{prefix}"\n', encoding="utf-8")
    return load(str(tmp_path / "devpy.toml"))


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path / "home"), "PATH": ""}


def make(config: Config, environ: dict[str, str]) -> None:
    with locked(config.venv):
        build(config, Base(config.base, config.base), examine(config, config.base), environ)


def failing(error: BaseException) -> Callable[..., NoReturn]:
    def cli_run(*_args: object, **_kwargs: object) -> NoReturn:
        print("usage: virtualenv\n\nvirtualenv: error: invalid choice", file=sys.stderr)
        raise error

    return cli_run


def test_overlay_is_current_once_it_is_made(config: Config, environ: dict[str, str]) -> None:
    make(config, environ)
    overlay = examine(config, config.base)
    assert (overlay.state, overlay.reasons) == ("current", [])
    assert "Made by devpy" in Path(config.venv, "bin", "activate").read_text(encoding="utf-8")


def test_scripts_that_virtualenv_alone_has_written_are_seen(config: Config, environ: dict[str, str]) -> None:
    options = ["--creator", "devpy", "--python", f"{config.base}/bin/python", config.venv]
    virtualenv.cli_run(options, setup_logging=False, env={**environ, "VIRTUALENV_CONFIG_FILE": "/dev/null"})
    overlay = examine(config, config.base)
    assert (overlay.state, overlay.rebuild) == ("stale", True)
    assert f"{config.venv}/bin/activate does not activate the base" in overlay.reasons
    make(config, environ)
    assert examine(config, config.base).state == "current"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (AttributeError("'DevpyCreator' object has no attribute 'x'"), "has raised AttributeError: 'DevpyCreator'"),
        (TypeError("unexpected keyword"), "has raised TypeError: unexpected keyword"),
        (SystemExit(2), "has ended with 2: virtualenv: error: invalid choice"),
    ],
)
def test_virtualenv_that_does_what_nobody_foresaw(
    config: Config,
    environ: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    told: str,
) -> None:
    monkeypatch.setattr(virtualenv, "cli_run", failing(error))
    with pytest.raises(DevpyError) as raised:
        make(config, environ)
    assert raised.value.problem.startswith(f"virtualenv {bug_report.installed_version('virtualenv')} {told}")
    assert raised.value.mend == REINSTALL
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("lacking", ["pyvenv.cfg", "devpy.json"])
def test_virtualenv_that_leaves_half_an_overlay(
    config: Config, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    whole = virtualenv.cli_run

    def cli_run(options: list[str], **kwargs: Any) -> None:
        if lacking == "pyvenv.cfg":  # else it makes nothing at all
            whole(options, **kwargs)
            Path(config.venv, "pyvenv.cfg").write_text("home = /usr/bin\n", encoding="utf-8")

    monkeypatch.setattr(virtualenv, "cli_run", cli_run)
    with pytest.raises(DevpyError, match=f"has left {config.venv} without {lacking}") as raised:
        make(config, environ)
    assert raised.value.mend == REINSTALL


def test_virtualenv_that_is_not_there(config: Config, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "virtualenv", None)
    with pytest.raises(DevpyError, match="has raised ModuleNotFoundError") as raised:
        make(config, environ)
    assert raised.value.mend == REINSTALL


def test_what_virtualenv_says_of_the_interpreter_is_passed_on(
    config: Config, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(virtualenv, "cli_run", failing(RuntimeError("failed to query it")))
    with pytest.raises(DevpyError, match="failed to query it") as raised:
        make(config, environ)
    assert raised.value.mend == f"try it by hand: {config.base}/bin/python --version"
