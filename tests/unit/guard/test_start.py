from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import devpy_pip_guard
from devpy_pip_guard import hook

PIP_INSTALL = "pip._internal.commands.install"


@pytest.fixture(autouse=True)
def meta_path(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    finders: list[object] = [*sys.meta_path]
    monkeypatch.setattr(sys, "meta_path", finders)
    return finders


def test_import_alone_arms_nothing(meta_path: list[object]) -> None:
    assert devpy_pip_guard not in meta_path


def test_armed_once_and_first(meta_path: list[object]) -> None:
    devpy_pip_guard.arm()
    devpy_pip_guard.arm()
    assert [meta_path.index(finder) for finder in meta_path if finder is devpy_pip_guard] == [0]


def test_finds_nothing_and_stays_for_other_modules(meta_path: list[object]) -> None:
    devpy_pip_guard.arm()
    for name in ("json", "pip", "pip._internal.commands.wheel"):
        assert devpy_pip_guard.find_spec(name, None, None) is None  # type: ignore[func-returns-value]
    assert devpy_pip_guard in meta_path


def test_leaves_when_it_is_in_pip(meta_path: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    installed = []
    monkeypatch.setattr(hook, "install", lambda: installed.append(True))
    devpy_pip_guard.arm()

    assert devpy_pip_guard.find_spec(PIP_INSTALL) is None  # type: ignore[func-returns-value]

    assert installed == [True]
    assert devpy_pip_guard not in meta_path


def test_stays_when_it_could_not_get_into_pip(meta_path: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hook, "install", lambda: 1 / 0)
    devpy_pip_guard.arm()

    with pytest.raises(ImportError, match=r"devpy: the guard in .* failed .*`devpy update-editables`"):
        devpy_pip_guard.find_spec(PIP_INSTALL)

    assert devpy_pip_guard in meta_path


def test_base_comes_in_once_with_its_own_pth_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = tmp_path / "base ä"
    (base / "more").mkdir(parents=True)
    (base / "more.pth").write_text("more\n")
    monkeypatch.setattr(sys, "path", [])
    known_paths: set[str] = set()

    devpy_pip_guard.start(os.fsencode(base), known_paths)
    devpy_pip_guard.start(os.fsencode(base), known_paths)

    assert sys.path == [str(base), str(base / "more")]
    assert devpy_pip_guard in sys.meta_path


def test_without_a_guard_no_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "meta_path", SimpleNamespace())

    with pytest.raises(TypeError):
        devpy_pip_guard.start(os.fsencode(tmp_path), set())

    assert sys.path == []
