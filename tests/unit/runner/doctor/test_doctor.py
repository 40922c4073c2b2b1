"""What `devpy doctor` prints, where no conda environment is needed to see it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from devpy_runner.cli import main
from devpy_runner.doctor import checkup, module_origin
from devpy_runner.doctor.module_origin import Copy, Origin
from devpy_runner.plugin import FAILED, OK, SKIPPED, WARNING, Verdict


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith(("GIT_", "DEVPY_"))]:
        monkeypatch.delenv(name)
    (tmp_path / ".git").write_text("gitdir: elsewhere")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def say(monkeypatch: pytest.MonkeyPatch, *verdicts: Verdict) -> None:
    monkeypatch.setattr(checkup, "examine", lambda *_: iter(verdicts))


def test_a_line_for_each_verdict_and_the_mend_below(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    say(
        monkeypatch,
        Verdict("config", OK, "/w/devpy.toml"),
        Verdict("overlay", WARNING, "stale:\n  the base has changed", "devpy update-editables"),
        Verdict("data", FAILED, "/w/data is missing", "mkdir data\n\ndvc pull"),
        Verdict("more", FAILED, "one is missing", "install both"),
        Verdict("more", FAILED, "two is missing", "install both"),
        Verdict("a long name", SKIPPED, "no overlay"),
    )
    assert main(["doctor"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "ok       config       /w/devpy.toml",
        "warning  overlay      stale: the base has changed",
        "                        devpy update-editables",
        "failed   data         /w/data is missing",
        "                        mkdir data",
        "",
        "                        dvc pull",
        "failed   more         one is missing",
        "failed   more         two is missing",
        "                        install both",
        "skipped  a long name  no overlay",
        "",
        "1 ok, 1 warning, 3 failed, 1 skipped",
    ]


@pytest.mark.parametrize(("state", "code"), [(OK, 0), (WARNING, 0), (SKIPPED, 0), (FAILED, 1)])
def test_only_a_failed_verdict_makes_it_fail(monkeypatch: pytest.MonkeyPatch, state: str, code: int) -> None:
    say(monkeypatch, Verdict("data", state, "text"))
    assert main(["doctor"]) == code
    assert main(["doctor", "--json"]) == code


def test_json(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    say(monkeypatch, Verdict("data", FAILED, "missing", "dvc pull"))
    main(["doctor", "--json"])
    assert json.loads(capsys.readouterr().out) == {
        "worktree": str(root),
        "verdicts": [{"check": "data", "state": "failed", "text": "missing", "mend": "dvc pull"}],
        "counts": {"ok": 0, "warning": 0, "failed": 1, "skipped": 0},
    }


def test_a_broken_devpy_toml_is_a_verdict(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "devpy.toml").write_text("[python\n")
    assert main(["doctor"]) == 1
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.startswith(f"failed   config          {root}/devpy.toml: ")
    assert "correct the TOML syntax there" in captured.out.splitlines()[1]


OWN = Copy(["/w/src/mine.py"], "/w/src on sys.path, from /v/mine.pth", "declared: mine (/w)")
ORIGIN = Origin("mine", [OWN, Copy(["/b/mine"], "it", "")], [Copy(["/b/other"], "that", "in the base")], "")


def test_where_modules_come_from(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "devpy.toml").write_text('[python]\nbase_conda_env = "shared"\n')
    monkeypatch.setattr(module_origin, "find", lambda *_: [ORIGIN, Origin("yours", [], [], "not found")])
    assert main(["doctor", "mine", "yours"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "mine",
        "  from     /w/src/mine.py",
        "             by /w/src on sys.path, from /v/mine.pth",
        "             declared: mine (/w)",
        "  shadows  /b/mine",
        "             by it",
        "  left out /b/other",
        "             by that",
        "             in the base",
        "",
        "yours: not found",
    ]
    assert main(["doctor", "--json", "mine"]) == 1
    mine, yours = json.loads(capsys.readouterr().out)["modules"]
    assert mine["from"] == {
        "files": ["/w/src/mine.py"],
        "reason": ORIGIN.copies[0].reason,
        "owner": "declared: mine (/w)",
    }
    assert [copy["files"] for copy in mine["shadows"]] == [["/b/mine"]]
    assert [copy["files"] for copy in mine["left_out"]] == [["/b/other"]]
    assert (yours["from"], yours["shadows"], yours["problem"]) == (None, [], "not found")


@pytest.mark.parametrize("name", ["a-b", "a/b.py", ".a", "a..b", "3", ""])
def test_what_is_no_name_of_a_module(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert main(["doctor", name]) == 2
    assert f"{name}: not the name of a module" in capsys.readouterr().err


def test_modules_without_an_overlay(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "devpy.toml").write_text('[python]\nbase_conda_env = "/nowhere"\n')
    assert main(["doctor", "mine"]) == 2
    assert capsys.readouterr().err == f"devpy: {root}/.venv: no overlay\n  devpy update-editables\n"


def test_modules_where_somebody_else_has_made_the_overlay(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "devpy.toml").write_text('[python]\nbase_conda_env = "/nowhere"\n')
    (root / ".venv").mkdir()
    (root / ".venv" / "pyvenv.cfg").write_text("home = /usr/bin\n")
    assert main(["doctor", "mine"]) == 2
    problem, mend = capsys.readouterr().err.splitlines()
    assert problem == f"devpy: {root}/.venv was not made by devpy"
    assert mend.startswith("  rename or remove it, or set python.venv in ")
