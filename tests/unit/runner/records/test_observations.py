"""What was looked at is noted, as it was then; and after any change that the look would show, the evidence fails."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Callable

import pytest

from devpy_pip_guard import files
from devpy_runner.records import observations
from devpy_runner.records.observations import Observations, observed
from devpy_runner.records.run_cache import Evidence

Look = Callable[[str], object]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one of each, all of which were there long ago."""
    (tmp_path / "file").write_text("text\n", encoding="utf-8")
    (tmp_path / "filled").mkdir()
    (tmp_path / "filled" / "one").touch()
    (tmp_path / "to-file").symlink_to("file")
    (tmp_path / "to-filled").symlink_to("to-to-filled")
    (tmp_path / "to-to-filled").symlink_to(tmp_path / "filled")
    (tmp_path / "to-nothing").symlink_to("nothing/at all")
    return tmp_path


@pytest.fixture(autouse=True)
def nothing_is_young(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observations, "_YOUNG_SECONDS", -1.0)


def evidence_of(*looks: tuple[Look, Path | str]) -> Evidence:
    with observed({}) as observations_so_far:
        for look, path in looks:
            look(str(path))
    evidence = observations_so_far.evidence()
    assert evidence is not None
    assert evidence.holds({})
    return evidence


def edit(path: Path) -> None:
    path.write_text("longer text\n", encoding="utf-8")


def move_and_link(path: Path) -> None:
    path.rename(f"{path}-moved")
    path.symlink_to(f"{path}-moved")


def retarget(path: Path) -> None:
    path.unlink()
    path.symlink_to("file")


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def make_folders(path: Path) -> None:
    path.mkdir(parents=True)


CHANGES: list[tuple[Look, str, Callable[[Path], object], str]] = [
    (files.exists, "file", Path.unlink, "file"),
    (files.exists, "absent", Path.touch, "absent"),
    (files.exists, "absent", lambda path: path.symlink_to("file"), "absent"),
    (files.exists, "filled/two/three/four", make_folders, "filled/two/three/four"),
    (files.exists, "to-nothing", make_folders, "nothing/at all"),
    (files.is_file, "to-nothing", edit, "nothing"),
    (files.exists, "to-filled/two", Path.touch, "filled/two"),
    (files.is_file, "file", replace_by_folder, "file"),
    (files.is_dir, "filled", lambda path: path.rename(f"{path}-moved"), "filled"),
    (files.link_target, "to-file", Path.unlink, "to-file"),
    (files.link_target, "to-filled", retarget, "to-filled"),
    (files.link_target, "file", move_and_link, "file"),
    (files.real_path, "to-filled/one", retarget, "to-filled"),
    (files.real_path, "to-filled/one", retarget, "to-to-filled"),
    (files.real_path, "to-filled/one", move_and_link, "filled"),
    (files.real_path, "to-filled/one", move_and_link, "filled/one"),
    (files.real_path, "filled/one", move_and_link, "filled"),
    (files.read_bytes, "file", edit, "file"),
    (files.read_bytes, "to-file", edit, "file"),
    (files.beginning, "file", edit, "file"),
    (files.beginning, "absent", edit, "absent"),
    (files.note_read, "file", lambda path: path.chmod(0), "file"),
    (files.status, "file", edit, "file"),
    (files.names_in, "filled", Path.touch, "filled/two"),
    (files.names_in, "absent", Path.mkdir, "absent"),
    (files.scan, "filled", Path.unlink, "filled/one"),
    (files.may_execute, "file", lambda path: path.chmod(0o700), "file"),
]


@pytest.mark.parametrize(("look", "path", "change", "changed"), CHANGES)
def test_a_change_that_the_look_would_show(
    folder: Path, look: Look, path: str, change: Callable[[Path], object], changed: str
) -> None:
    evidence = evidence_of((look, folder / path))
    if changed.startswith("nothing"):
        (folder / "nothing").mkdir()
    if changed == "nothing":
        (folder / "nothing" / "at all").touch()
    else:
        change(folder / changed)
    assert not evidence.holds({})


@pytest.mark.parametrize(
    "look", [files.exists, files.is_file, files.link_target, files.real_path, files.read_bytes, files.names_in]
)
def test_what_else_happens_beside_it(folder: Path, look: Look) -> None:
    looks = [(look, folder / name) for name in ("file", "absent", "to-nothing", "filled")]
    looks = [pair for pair in looks if look is not files.read_bytes or pair[1].name == "file"]
    evidence = evidence_of(*looks)
    (folder / "other").touch()
    (folder / "to-file").unlink()
    assert evidence.holds({})


def test_of_what_is_missing_only_the_folder_is_asked_for(folder: Path) -> None:
    missing = [folder / "filled" / name for name in ("a", "b", "c/d", "c/e")]
    evidence = evidence_of(*((files.exists, path) for path in missing))
    assert not any(evidence.looks.values())
    ((watched, text),) = evidence.gaps.items()
    assert watched == str(folder / "filled")
    assert text.endswith("//a//b//c")
    assert not evidence_of((files.names_in, folder / "filled"), *((files.exists, path) for path in missing)).gaps


@pytest.mark.parametrize("name", ["../file", "to-filled/../to-file", "loop", "loop/x", "to-nothing", "to-filled/one"])
def test_real_path(folder: Path, name: str) -> None:
    (folder / "loop").symlink_to("loop")
    path = str(folder / "filled" / name if name.startswith("..") else folder / name)
    with observed({}):
        assert files.real_path(path) == os.path.realpath(path)


# What counts is how it was at the first look.


def test_a_file_that_changes_while_answers_are_worked_out(folder: Path) -> None:
    with observed({}) as observations_so_far:
        files.read_bytes(str(folder / "file"))
        edit(folder / "file")
        files.read_bytes(str(folder / "file"))
    evidence = observations_so_far.evidence()
    assert evidence is not None
    assert not evidence.holds({})


def test_a_file_that_comes_while_answers_are_worked_out(folder: Path) -> None:
    with observed({}) as observations_so_far:
        assert not files.exists(str(folder / "absent"))
        edit(folder / "absent")
    evidence = observations_so_far.evidence()
    assert evidence is not None
    assert not evidence.holds({})


def test_a_file_that_goes_and_comes_again(folder: Path) -> None:
    with observed({}) as observations_so_far:
        assert not files.exists(str(folder / "absent"))
        edit(folder / "absent")
        files.names_in(str(folder))
        (folder / "absent").unlink()
    evidence = observations_so_far.evidence()
    assert evidence is not None
    edit(folder / "absent")
    assert not evidence.holds({})


def test_a_file_that_has_just_changed_may_change_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observations, "_YOUNG_SECONDS", 2.0)
    with observed({}) as observations_so_far:
        files.read_bytes(str(folder / "file"))
    assert observations_so_far.evidence() is None


def test_a_gap_in_a_folder_that_has_just_changed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observations, "_YOUNG_SECONDS", 2.0)
    evidence = evidence_of((files.exists, folder / "absent"))
    status = folder.stat()
    (folder / "absent").touch()
    os.utime(folder, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert not evidence.holds({})


@pytest.mark.parametrize("look", [files.exists, files.link_target, files.names_in])
def test_a_relative_path_may_lead_elsewhere_the_next_time(look: Look) -> None:
    with observed({}) as observations_so_far:
        look("relative/path")
    assert observations_so_far.evidence() is None


def test_nothing_is_ever_at_an_empty_path() -> None:
    assert not evidence_of((files.exists, "")).gaps


# Variables.


def test_variables_that_are_looked_up() -> None:
    environ = {"A": "1", "B": "", "C": "3"}
    with observed(environ) as observations_so_far:
        handed_on = observations_so_far.environ
        assert handed_on["A"] == "1"
        assert handed_on.get("B") == ""
        assert "D" not in handed_on
        assert handed_on.get("E", "5") == "5"
        with pytest.raises(KeyError):
            handed_on["F"]
    evidence = observations_so_far.evidence()
    assert evidence is not None
    assert evidence.variables == {"A": "1", "B": "", "D": None, "E": None, "F": None}
    assert evidence.holds({**environ, "C": "4"})
    assert not evidence.holds({**environ, "D": ""})


def test_what_depends_on_all_variables_is_not_kept() -> None:
    observations_so_far = Observations({"A": "1"})
    assert observations_so_far.evidence() is not None
    assert dict(observations_so_far.environ) == {"A": "1"}
    assert observations_so_far.evidence() is None


def test_the_callers_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with observed({}) as observations_so_far:
        assert files.expand_user("~/x") == f"{tmp_path}/x"
        assert files.expand_user("x~") == "x~"
    evidence = observations_so_far.evidence()
    assert evidence is not None
    assert evidence.variables == {"HOME": str(tmp_path)}


def test_nobody_listens_afterwards() -> None:
    with pytest.raises(ZeroDivisionError), observed({}):
        _ = 1 / 0
    assert files.observers == []
