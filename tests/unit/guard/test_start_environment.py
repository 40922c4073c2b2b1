"""What the overlay's Python does with the record that devpy has left, when the base is not active."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import devpy_pip_guard
from devpy_pip_guard import CALLERS, START_VARIABLES

BASE = "/envs/base"
PATH = f"/venv/bin:{BASE}/bin:{CALLERS}:/last"
RULES = ("SET", "a\nb", "", "KEPT", "ours", CALLERS, "WRAPPED", "/ours", f"/ours:{CALLERS}", "PATH", "/x", PATH)


@pytest.fixture
def venv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An overlay, empty, whose Python is this one; and an environment without variables."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(os, "environ", {})
    return tmp_path


def leave(venv: Path, *rules: str, made_in: Path | None = None, base: str = BASE) -> bytes:
    fields = [str(made_in or venv), base, "inputs", *rules, "end"]
    content = "\0".join([str(len(fields) + 1), *fields]).encode("utf-8", "surrogateescape")
    (venv / START_VARIABLES).write_bytes(content)
    return content


def supplied(**callers: str) -> dict[str, str]:
    os.environ.clear()
    os.environ.update(callers)
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
    leave(venv, "TWICE", "-", f"{CALLERS}:x:{CALLERS}")
    assert supplied(TWICE="y") == {"TWICE": "y:x:y"}


@pytest.mark.parametrize(
    ("callers", "expected"),
    [
        (f"/a:{BASE}/bin:/b:/venv/bin:/last", f"/venv/bin:{BASE}/bin:/a:/b:/last"),
        (f"{BASE}/bin/:/venv/bin2", f"/venv/bin:{BASE}/bin:{BASE}/bin/:/venv/bin2:/last"),
        (f"{BASE}/bin:/venv/bin", "/x"),  # never an empty entry, which would be the current folder
    ],
)
def test_path_holds_nothing_twice(venv: Path, callers: str, expected: str) -> None:
    leave(venv, *RULES)
    assert supplied(PATH=callers)["PATH"] == expected


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
    ("callers", "is_asked"), [({}, True), ({"CONDA_PREFIX": "x"}, True), ({"CONDA_PREFIX": BASE}, False)]
)
def test_only_where_the_base_is_not_active(
    venv: Path, monkeypatch: pytest.MonkeyPatch, callers: dict[str, str], is_asked: bool
) -> None:
    leave(venv, "SET", "yes", "")
    monkeypatch.setattr(sys, "meta_path", [])
    monkeypatch.setattr(devpy_pip_guard, "own_finders", ["from the first of two calls"])
    os.environ.update(callers)
    folder = f"{BASE}/lib/python3.11/site-packages"
    monkeypatch.setattr(devpy_pip_guard, "BASE", os.fsencode(folder))
    devpy_pip_guard.start({folder})
    assert ("SET" in os.environ) == is_asked
