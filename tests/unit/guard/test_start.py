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


@pytest.fixture(autouse=True)
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A base, without anything, for an overlay that stands where it was made."""
    base = tmp_path / "base ä"
    base.mkdir()
    monkeypatch.setattr(devpy_pip_guard, "BASE", os.fsencode(base))
    monkeypatch.setattr(devpy_pip_guard, "MADE", os.fsencode(devpy_pip_guard.OVERLAY))
    return base


@pytest.mark.parametrize("known_paths", [set(), None], ids=["of a .pth", "of a .start"])
def test_base_comes_in_once_with_its_own_pth_files(
    base: Path, known_paths: set[str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (base / "more").mkdir()
    (base / "more.pth").write_text("more\n")
    monkeypatch.setattr(sys, "path", [])

    devpy_pip_guard.start(known_paths)
    devpy_pip_guard.start(known_paths)

    assert sys.path == [str(base), str(base / "more")]
    assert devpy_pip_guard in sys.meta_path


class Finder:
    """A finder as an editable puts it into `sys.meta_path`: told by the module that defines it."""

    def __init__(self, module: str, name: str = "Finder") -> None:
        self.__module__ = module
        self.__name__ = name

    def find_spec(self, *_: object) -> None: ...

    def __repr__(self) -> str:
        return self.__module__


PATH_FINDER = Finder("_frozen_importlib_external", "PathFinder")
BUILT_IN = Finder("_frozen_importlib", "BuiltinImporter")


def start_with(finders: list[object], monkeypatch: pytest.MonkeyPatch, base: Path, *pth_lines: str) -> list[object]:
    """Start with these finders, on a base with a `.pth` of these lines, and return the finders beside the guard."""
    (base / "of-the-base.pth").write_text("".join(f"{line}\n" for line in pth_lines))
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "meta_path", finders)
    devpy_pip_guard.start(set())
    assert sys.meta_path is finders
    return [finder for finder in finders if finder is not devpy_pip_guard]


@pytest.mark.parametrize("module", ["__editable___alpha_1_0_finder", "editables.redirector"])
def test_finder_of_an_editable_comes_before_the_path(module: str, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finder = Finder(module)
    finders = start_with([BUILT_IN, PATH_FINDER, finder], monkeypatch, base)
    assert finders == [BUILT_IN, finder, PATH_FINDER]


def test_finders_of_editables_keep_their_order_and_the_others_their_places(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Finder("__editable___alpha_1_0_finder"), Finder("__editable___beta_1_0_finder")
    ahead, behind = Finder("hook"), Finder("six")
    finders: list[object] = [ahead, BUILT_IN, PATH_FINDER, first, behind, second]
    finders = start_with(finders, monkeypatch, base)
    assert finders == [ahead, BUILT_IN, first, second, PATH_FINDER, behind]


def test_finders_that_are_no_editables_stay(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finders: list[object] = [BUILT_IN, PATH_FINDER, Finder("six"), Finder("my__editable___"), SimpleNamespace()]
    assert start_with([*finders], monkeypatch, base) == finders


def test_finder_of_the_base_stays_behind(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The base's own editable may be another worktree's code, or an older copy of what the overlay holds."""
    editable, base_finder = Finder("__editable___alpha_1_0_finder"), Finder("__editable___alpha_0_9_finder")
    monkeypatch.setattr(sys, "finder_of_the_base", base_finder, raising=False)
    line = "import sys; sys.meta_path.append(sys.finder_of_the_base)"
    finders = start_with([BUILT_IN, PATH_FINDER, editable], monkeypatch, base, line)
    assert finders == [BUILT_IN, editable, PATH_FINDER, base_finder]


def test_finder_of_the_base_stays_behind_the_second_time(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`site` may be asked again for a folder that it has added."""
    editable, base_finder = Finder("__editable___alpha_1_0_finder"), Finder("__editable___alpha_0_9_finder")
    finders: list[object] = [BUILT_IN, editable, PATH_FINDER, base_finder]
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "meta_path", finders)
    devpy_pip_guard.start({str(base)})
    assert finders == [devpy_pip_guard, BUILT_IN, editable, PATH_FINDER, base_finder]


def test_without_a_guard_no_base(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "meta_path", SimpleNamespace())

    with pytest.raises(TypeError):
        devpy_pip_guard.start(set())

    assert sys.path == []
