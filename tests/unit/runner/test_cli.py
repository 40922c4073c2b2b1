from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from devpy_pip_guard.errors import DevpyError
from devpy_runner import __version__, cli, run
from devpy_runner.cli import COMMANDS, main, parse


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("GIT_", "DEVPY_"))]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_names_every_command(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert out.startswith("usage: devpy")
    assert all(f"\n  {command} " in out for command in COMMANDS)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"devpy {__version__}\n"


@pytest.mark.parametrize(
    ("number", "mend"),
    [
        (errno.ENOENT, "see what is missing: devpy doctor"),
        (errno.ENOTDIR, "see what is missing: devpy doctor"),
        (errno.ENOSPC, "check free space and write permission for /w/.venv"),
        (errno.EROFS, "check free space and write permission for /w/.venv"),
    ],
)
def test_what_the_system_refuses(
    number: int, mend: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), "/w/.venv")

    monkeypatch.setattr(run, "run", fail)
    monkeypatch.setattr(cli, "_forget_output", lambda: None)  # of this process, it is pytest's
    assert main(["true"]) == 2
    assert capfd.readouterr().err == f"devpy: /w/.venv: {os.strerror(number)}\n  {mend}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_its_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert f"usage: devpy {command}" in capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_option_of_a_command_exits_with_2(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--nonsense"])
    assert caught.value.code == 2
    assert "--nonsense" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("pytest -x", (["pytest", "-x"], False, None, True)),
        ("info --json", (["info", "--json"], True, None, True)),
        ("-- info", (["info"], False, None, True)),
        ("-- -x", (["-x"], False, None, True)),
        ("--cwd sub pytest --cwd x", (["pytest", "--cwd", "x"], False, "sub", True)),
        ("--cwd=sub -- info", (["info"], False, "sub", True)),
        ("--no-sync pytest --", (["pytest", "--"], False, None, False)),
        ("--cwd . --no-sync make", (["make"], False, ".", False)),
    ],
)
def test_options_end_where_the_command_begins(line: str, expected: tuple[list[str], bool, str | None, bool]) -> None:
    invocation = parse(line.split())
    assert (invocation.command, invocation.is_subcommand, invocation.cwd, invocation.sync) == expected


@pytest.mark.parametrize(("value", "sync"), [("1", False), ("yes", False), ("0", True), ("", True)])
def test_the_variable_for_no_sync(monkeypatch: pytest.MonkeyPatch, value: str, sync: bool) -> None:
    monkeypatch.setenv("DEVPY_NO_SYNC", value)
    assert parse(["pytest"]).sync is sync


@pytest.mark.parametrize("line", ["--nonsense pytest", "-x", "--no-sync=1 pytest", "--cwd"])
def test_bad_options_are_refused(line: str) -> None:
    with pytest.raises(DevpyError):
        parse(line.split())


@pytest.mark.parametrize("line", ["--nonsense x", "--no-sync", "--", "--cwd sub info"])
def test_errors_go_to_stderr_and_exit_with_2(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("devpy: ")
    assert len(captured.err.splitlines()) == 2


@pytest.mark.parametrize("arguments", [["info"], ["clean"], ["update-editables"], ["doctor"], ["true"]])
def test_outside_a_worktree(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert "not inside a git worktree" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["info"], ["clean"], ["update-editables"], ["true"]])
def test_a_missing_devpy_toml_prints_a_template(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".git").write_text("gitdir: elsewhere")
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert f"missing {tmp_path}/devpy.toml" in err
    assert 'base_conda_env = "my-conda-env"' in err


def test_a_removed_current_folder(tmp_path: Path) -> None:
    code = "import os, sys; os.rmdir(os.getcwd()); from devpy_runner.cli import main; sys.exit(main(['true']))"
    folder = tmp_path / "gone"
    folder.mkdir()
    environ = {**os.environ, "PYTHONPATH": os.getcwd(), "PYTHONSAFEPATH": "1"}
    completed = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert completed.returncode == 2
    assert completed.stderr.startswith("devpy: the current folder no longer exists")


def test_an_exception_that_nobody_foresaw_keeps_its_traceback_and_says_where_to_report_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("of devpy's making")

    monkeypatch.setattr(run, "run", fail)
    assert main(["true"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("Traceback (most recent call last):\n")
    *_, last, versions, address = captured.err.splitlines()
    assert last == "ZeroDivisionError: of devpy's making"
    python = ".".join(map(str, sys.version_info[:3]))
    assert versions.startswith(f"devpy: this is a bug in devpy {__version__} (Python {python}, virtualenv ")
    assert ", pip " in versions
    assert address.startswith("  please report it, with all of the above: https://")
