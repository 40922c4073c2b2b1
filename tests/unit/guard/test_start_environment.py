"""What the overlay's Python does with the record that devpy has left, when the base is not active."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import devpy_pip_guard
from devpy_pip_guard import CALLER_VALUE, START_VARIABLES

BASE = "/envs/base"
PATH = f"/venv/bin:{BASE}/bin:{CALLER_VALUE}:/last"
RULES = (
    "SET",
    "a\nb",
    "",
    "KEPT",
    "ours",
    CALLER_VALUE,
    "WRAPPED",
    "/ours",
    f"/ours:{CALLER_VALUE}",
    "PATH",
    "/x",
    PATH,
)


@pytest.fixture
def venv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An overlay, empty, whose Python is this one; and an environment without variables."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(os, "environ", {})
    return tmp_path


def leave(venv: Path, *rules: str, made_in: Path | None = None, base: str = BASE, own: int = 0) -> bytes:
    """Write the record; `own` says how many of the rules, the last ones, are devpy's own."""
    fields = [str(made_in or venv), base, "inputs", str(own), *rules, "end"]
    content = "\0".join([str(len(fields) + 1), *fields]).encode("utf-8", "surrogateescape")
    (venv / START_VARIABLES).write_bytes(content)
    return content


def supplied(**variables: str) -> dict[str, str]:
    os.environ.clear()
    os.environ.update(variables)
    devpy_pip_guard.supply(BASE)
    return dict(os.environ)


def test_to_a_caller_without_any(venv: Path) -> None:
    leave(venv, *RULES)
    assert supplied() == {"SET": "a\nb", "KEPT": "ours", "WRAPPED": "/ours", "PATH": "/x"}


def test_to_a_caller_with_values_of_his_own(venv: Path) -> None:
    leave(venv, *RULES)
    assert supplied(SET="1", KEPT="2", WRAPPED="3", PATH="4:5", OTHER="6") == {
        "SET": "a\nb",
        "KEPT": "2",
        "WRAPPED": "/ours:3",
        "PATH": f"/venv/bin:{BASE}/bin:4:5:/last",
        "OTHER": "6",
    }


def test_an_empty_value_counts_as_none(venv: Path) -> None:
    leave(venv, *RULES)
    assert supplied(KEPT="", WRAPPED="", PATH="") == supplied()


def test_every_place_in_a_template(venv: Path) -> None:
    leave(venv, "TWICE", "-", f"{CALLER_VALUE}:x:{CALLER_VALUE}")
    assert supplied(TWICE="y") == {"TWICE": "y:x:y"}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"/a:{BASE}/bin:/b:/venv/bin:/last", f"/venv/bin:{BASE}/bin:/a:/b:/last"),
        (f"{BASE}/bin/:/venv/bin2", f"/venv/bin:{BASE}/bin:{BASE}/bin/:/venv/bin2:/last"),
        (f"{BASE}/bin:/venv/bin", "/x"),  # never an empty entry, which would be the current folder
    ],
)
def test_path_holds_nothing_twice(venv: Path, path: str, expected: str) -> None:
    leave(venv, *RULES)
    assert supplied(PATH=path)["PATH"] == expected


def test_path_that_is_set(venv: Path) -> None:
    leave(venv, "PATH", "/only", "")
    assert supplied(PATH="/a:/b") == {"PATH": "/only"}


def test_bytes_that_are_no_text(venv: Path) -> None:
    leave(venv, "RAW", os.fsdecode(b"\xff\xfe"), "")
    assert os.fsencode(supplied()["RAW"]) == b"\xff\xfe"


def test_through_a_symlink(venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave(venv, *RULES)
    (venv / "link").symlink_to(venv)
    monkeypatch.setattr(sys, "prefix", str(venv / "link"))
    assert supplied()["SET"] == "a\nb"


@pytest.mark.parametrize("where", ["there", "not there"])
def test_nothing_in_a_copy(venv: Path, where: str) -> None:
    if where == "there":
        (venv / where).mkdir()
    leave(venv, *RULES, made_in=venv / where)
    assert supplied() == {}


def test_nothing_for_another_base(venv: Path) -> None:
    leave(venv, *RULES, base=BASE + "2")
    assert supplied() == {}


@pytest.mark.parametrize(
    ("callers", "path"),
    [
        (f"{BASE}/bin:/usr/bin", f"{{front}}:{BASE}/bin:/usr/bin"),
        (f"/mine:{BASE}/bin:{{venv}}/bin:/usr/bin", f"{{front}}:/mine:{BASE}/bin:/usr/bin"),
        ("", f"{{front}}:{os.defpath}"),
    ],
)
def test_where_the_base_is_active_only_devpys_own(venv: Path, callers: str, path: str) -> None:
    leave(venv, *RULES, "OWN", "ours", "", own=1)
    got = supplied(CONDA_PREFIX=BASE, PATH=callers.format(venv=venv), WRAPPED="/ours:3", KEPT="2")
    expected = {"CONDA_PREFIX": BASE, "WRAPPED": "/ours:3", "KEPT": "2"}
    front = f"{venv}/bin:{venv}/{devpy_pip_guard.BASE_SCRIPTS}"
    assert got == {**expected, "OWN": "ours", "PATH": path.format(front=front)}


def test_where_the_base_is_active_a_declared_path_counts(venv: Path) -> None:
    leave(venv, "SET", "1", "", "PATH", "/only", "", own=1)
    assert supplied(CONDA_PREFIX=BASE, PATH="/a:/b") == {"CONDA_PREFIX": BASE, "PATH": "/only"}


@pytest.mark.parametrize("own", ["", "x", "-1", "2", "99"])
def test_nothing_from_a_record_with_a_wrong_count_of_devpys_own(venv: Path, own: str) -> None:
    content = leave(venv, "SET", "1", "", own=0).replace(b"\x000\x00", f"\0{own}\0".encode())
    (venv / START_VARIABLES).write_bytes(content)
    assert supplied() == {}


class Worktrees:
    """Two overlays with a record, `own`, whose Python this is, and `active`; and a worktree `own/inner`."""

    def __init__(self, folder: Path) -> None:
        self.own, self.active, self.inner = folder / "own", folder / "active", folder / "own" / "inner"
        for root in (self.own, self.active, self.inner):
            overlay(root)
        leave(self.own / ".venv", *RULES, "OWN", "ours", "", own=1)


def overlay(root: Path) -> None:
    (root / ".venv").mkdir(parents=True)
    (root / "devpy.toml").touch()
    (root / ".venv" / "devpy.json").touch()
    (root / ".venv" / "pyvenv.cfg").write_text(f"devpy-config = {root}/devpy.toml\n", encoding="utf-8")


@pytest.fixture
def worktrees(venv: Path, monkeypatch: pytest.MonkeyPatch) -> Worktrees:
    made = Worktrees(venv / "both")
    monkeypatch.setattr(sys, "prefix", str(made.own / ".venv"))
    return made


@pytest.mark.parametrize("base", [BASE, "/envs/other"])
@pytest.mark.parametrize("folder", [".", "src"])
def test_the_environment_of_the_worktree_one_is_in_wins(
    worktrees: Worktrees, base: str, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (worktrees.active / folder).mkdir(exist_ok=True)
    monkeypatch.chdir(worktrees.active / folder)
    callers = {"CONDA_PREFIX": base, "VIRTUAL_ENV": f"{worktrees.active}/.venv", "PATH": "/as/it/is:/b"}
    assert supplied(**callers) == callers


def test_the_environment_of_another_worktree_does_not_win(
    worktrees: Worktrees, monkeypatch: pytest.MonkeyPatch
) -> None:
    callers = {"VIRTUAL_ENV": f"{worktrees.active}/.venv", "PATH": f"{worktrees.active}/.venv/bin:/b"}
    for folder in (worktrees.own, worktrees.own.parent, Path("/")):
        monkeypatch.chdir(folder)
        got = supplied(**callers)
        assert (got["OWN"], got["PATH"]) == ("ours", f"/venv/bin:{BASE}/bin:/b:/last")


def test_the_innermost_of_worktrees_inside_each_other_counts(
    worktrees: Worktrees, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(worktrees.inner)
    assert "OWN" not in supplied(VIRTUAL_ENV=f"{worktrees.inner}/.venv")
    monkeypatch.chdir(worktrees.own)
    assert "OWN" in supplied(VIRTUAL_ENV=f"{worktrees.inner}/.venv")
    leave(worktrees.inner / ".venv", "OWN", "inner", "")
    monkeypatch.setattr(sys, "prefix", str(worktrees.inner / ".venv"))
    assert "OWN" not in supplied(VIRTUAL_ENV=f"{worktrees.own}/.venv")
    monkeypatch.chdir(worktrees.inner)
    assert supplied(VIRTUAL_ENV=f"{worktrees.own}/.venv")["OWN"] == "inner"


@pytest.mark.parametrize("text", [None, b"", b"\xff", b"devpy-config = /gone/devpy.toml\n"])
def test_without_a_config_the_overlays_folder_tells_the_worktree(
    worktrees: Worktrees, text: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = worktrees.active / ".venv" / "pyvenv.cfg"
    file.unlink()
    if text is not None:
        file.write_bytes(text)
    monkeypatch.chdir(worktrees.active)
    assert "OWN" not in supplied(VIRTUAL_ENV=f"{worktrees.active}/.venv")


def test_an_environment_that_is_no_overlay_does_not_win(worktrees: Worktrees, monkeypatch: pytest.MonkeyPatch) -> None:
    (worktrees.active / ".venv" / "devpy.json").unlink()
    monkeypatch.chdir(worktrees.active)
    assert supplied(VIRTUAL_ENV=f"{worktrees.active}/.venv")["OWN"] == "ours"


def test_nothing_without_a_record(venv: Path) -> None:
    assert supplied() == {}
    (venv / START_VARIABLES).mkdir()
    assert supplied() == {}


def test_nothing_from_a_torn_record(venv: Path) -> None:
    content = leave(venv, *RULES, "LAST", "end", "")
    for length in range(len(content)):
        (venv / START_VARIABLES).write_bytes(content[:length])
        assert supplied() == {}, length


@pytest.mark.parametrize(
    "content", [b"", b"\0", b"2\0end", b"5\0a\0b\0c\0end", b"3\0a\0end", b"\xff" * 99, b"1", b"end"]
)
def test_nothing_from_a_broken_record(venv: Path, content: bytes) -> None:
    (venv / START_VARIABLES).write_bytes(content)
    assert supplied() == {}


@pytest.mark.parametrize(
    ("variables", "is_asked"),
    [({}, True), ({"CONDA_PREFIX": "x"}, True), ({"CONDA_PREFIX": BASE, "VIRTUAL_ENV": "{venv}"}, False)],
)
def test_only_where_the_base_is_not_active(
    venv: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], is_asked: bool
) -> None:
    leave(venv, "SET", "yes", "")
    monkeypatch.setattr(sys, "meta_path", [])
    monkeypatch.setattr(devpy_pip_guard, "finders_before_base", ["from the first of two calls"])
    os.environ.update({name: value.format(venv=venv) for name, value in variables.items()})
    folder = f"{BASE}/lib/python3.11/site-packages"
    monkeypatch.setattr(devpy_pip_guard, "BASE", os.fsencode(folder))
    devpy_pip_guard.start({folder})
    assert ("SET" in os.environ) == is_asked
