from __future__ import annotations

import pytest

from devpy_pip_guard.errors import DevpyError
from devpy_runner.cli import main
from devpy_runner.messages import tell
from devpy_runner.overlay.pip import InstallError


def test_a_problem_is_one_line_and_commands_no_terminal() -> None:
    error = DevpyError("/a\nb\x1b[2J\x9b\u202e: ü \udcff", "mv '/a\x07' x\n  or not")
    assert str(error) == "/a\\nb\\x1b[2J\\x9b\\u202e: ü \\udcff\n  mv '/a\\x07' x\n  or not"


def test_a_long_problem_keeps_its_ends() -> None:
    error = DevpyError("/devpy.toml: " + "x" * 10**6 + " is unknown", "remove it")
    assert len(error.problem) < 3000
    assert error.problem.startswith("/devpy.toml: x")
    assert error.problem.endswith("x is unknown")


def test_what_pip_has_printed_keeps_its_lines() -> None:
    error = InstallError("installing a failed", "mend that", "one\ntwo\n")
    assert error.problem == "installing a failed"
    assert str(error) == "installing a failed:\n    one\n    two\n  mend that"
    assert str(InstallError("installing a failed", "mend that")) == "installing a failed\n  mend that"


def test_what_is_told_commands_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    tell("warning: /a\x1b[2J\n  remove\tit")
    assert capsys.readouterr().err == "devpy: warning: /a\\x1b[2J\n  remove\tit\n"


def test_an_error_of_the_system_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_arguments: list[str]) -> int:
        raise OSError(28, "No space left on device", "/a\nb\x1b")

    monkeypatch.setattr("devpy_runner.cli._dispatch", fail)
    monkeypatch.setattr("devpy_runner.cli._forget_output", lambda: None)
    assert main(["info"]) == 2
    problem, mend = capsys.readouterr().err.splitlines()
    assert problem == "devpy: /a\\nb\\x1b: No space left on device"
    assert mend.startswith("  ")
