"""The record of a run, and when it holds; what goes into it, see `test_observations.py`."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from devpy_pip_guard.files import kind, link, permission, state
from devpy_runner.activate.activation import CondaSettings
from devpy_runner.records import run_record
from devpy_runner.records.run_record import Evidence, RunRecord, format_gap


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin"}


@pytest.fixture
def evidence(tmp_path: Path, environ: dict[str, str]) -> Evidence:
    watched, folder, pointer = tmp_path / "watched", tmp_path / "folder", tmp_path / "pointer"
    watched.write_text("before")
    folder.mkdir()
    pointer.symlink_to("folder")
    return Evidence(
        variables={"HOME": environ["HOME"], "PYTHONPATH": None},
        looks={
            "state": {str(watched): state(str(watched))},
            "kind": {str(watched): kind(str(watched)), str(folder): kind(str(folder))},
            "link": {str(pointer): link(str(pointer)), str(folder): link(str(folder))},
            "permission": {str(watched): permission(str(watched))},
        },
        gaps={str(folder): format_gap(state(str(folder)), ["one", "other"]), str(tmp_path): format_gap("", ["absent"])},
    )


@pytest.fixture
def found(tmp_path: Path, evidence: Evidence) -> RunRecord:
    return RunRecord(
        root=str(tmp_path / "tree ü"),
        config="/c/devpy.toml",
        venv="/c/.venv",
        base="/envs/a",
        variables={"A": "1", "MULTI\udc80": "line\nline\udcff", "EMPTY": ""},
        settings=CondaSettings("/root", [], False, "<{name}>", 3, False),
        evidence=evidence,
    )


def as_dict(record: RunRecord) -> dict[str, object]:
    fields: dict[str, object] = {name: getattr(record, name) for name in RunRecord.__slots__}
    fields["settings"] = {name: getattr(record.settings, name) for name in CondaSettings.__slots__}
    fields["evidence"] = {name: getattr(record.evidence, name) for name in Evidence.__slots__}
    return fields


def test_what_is_written_is_read(found: RunRecord, environ: dict[str, str]) -> None:
    run_record.write(found, environ)
    again = run_record.read(found.root, environ)
    assert again is not None
    assert as_dict(again) == as_dict(found)
    assert again.holds(environ)


def test_there_is_none_at_first(found: RunRecord, environ: dict[str, str]) -> None:
    assert run_record.read(found.root, environ) is None


def test_it_is_the_users_own(found: RunRecord, environ: dict[str, str]) -> None:
    run_record.write(found, environ)
    assert records(environ)[0].parent.stat().st_mode & 0o077 == 0
    other = {**environ, "XDG_CACHE_HOME": str(Path(environ["HOME"]) / "other")}
    assert run_record.read(found.root, other) is None


def test_it_is_not_kept_if_something_has_changed_since(
    found: RunRecord, environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "absent").touch()
    run_record.write(found, environ)
    found.evidence = None
    run_record.write(found, environ)
    assert run_record.read(found.root, environ) is None
    assert not Path(environ["HOME"]).exists()


def test_a_home_that_cannot_be_written_to(found: RunRecord, environ: dict[str, str], tmp_path: Path) -> None:
    environ = {**environ, "XDG_CACHE_HOME": str(tmp_path / "watched")}
    run_record.write(found, environ)
    assert run_record.read(found.root, environ) is None


def test_it_does_not_hold_for_other_variables(found: RunRecord, environ: dict[str, str]) -> None:
    assert found.holds(environ)
    assert not found.holds({**environ, "HOME": "/other"})
    assert not found.holds({**environ, "PYTHONPATH": ""})
    assert found.holds({**environ, "UNRELATED": "x"})


@pytest.mark.parametrize("change", ["content", "same size", "replaced", "removed", "touched", "mode"])
def test_it_does_not_hold_once_a_file_has_changed(
    found: RunRecord, environ: dict[str, str], tmp_path: Path, change: str
) -> None:
    watched = tmp_path / "watched"
    time.sleep(0.02)  # longer than the clock of any file system ticks
    if change == "content":
        watched.write_text("afterwards")
    elif change == "same size":
        watched.write_text("change")
        os.utime(watched, ns=(0, watched.stat().st_mtime_ns))
    elif change == "replaced":
        (tmp_path / "new").write_text("before")
        (tmp_path / "new").replace(watched)
    elif change == "removed":
        watched.unlink()
    elif change == "mode":
        watched.chmod(0o400)
    else:
        watched.touch()
    assert not found.holds(environ)


@pytest.mark.parametrize("name", ["absent", "folder/one", "folder/other"])
def test_it_does_not_hold_once_a_gap_is_filled(
    found: RunRecord, environ: dict[str, str], tmp_path: Path, name: str
) -> None:
    (tmp_path / name).symlink_to("nowhere")
    assert not found.holds(environ)


def test_it_does_not_hold_once_a_link_leads_elsewhere(
    found: RunRecord, environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "pointer").unlink()
    (tmp_path / "pointer").symlink_to("other")
    assert not found.holds(environ)


def test_it_does_not_hold_once_a_folder_has_become_a_link(
    found: RunRecord, environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "folder").rename(tmp_path / "moved")
    (tmp_path / "folder").symlink_to("moved")
    assert not found.holds(environ)


def test_it_does_not_hold_once_a_folder_has_become_a_file(
    found: RunRecord, environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "folder").rmdir()
    (tmp_path / "folder").touch()
    assert not found.holds(environ)


def test_it_holds_whatever_else_comes(found: RunRecord, environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "another").touch()
    (tmp_path / "folder" / "another").touch()
    assert found.holds(environ)


# Whose record it is.


def records(environ: dict[str, str]) -> list[Path]:
    return [path for path in Path(environ["HOME"]).rglob("run-record*") if not path.name.endswith("variables")]


def has_record(found: RunRecord, environ: dict[str, str]) -> bool:
    """Tell whether the caller has a record that holds."""
    own = run_record.read(found.root, environ)
    return own is not None and own.holds(environ)


def keep(found: RunRecord, evidence: Evidence, environ: dict[str, str]) -> None:
    """Keep what a run of a caller has found out."""
    variables = {name: environ.get(name) for name in evidence.variables}
    found.evidence = Evidence(variables, evidence.looks, evidence.gaps)
    run_record.write(found, environ)


@pytest.mark.parametrize("name", ["PYTHONPATH", "HOME"])
def test_callers_who_differ_in_what_matters_have_records_of_their_own(
    found: RunRecord, evidence: Evidence, environ: dict[str, str], tmp_path: Path, name: str
) -> None:
    environ["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    callers = [environ, {**environ, name: "/a"}, {**environ, name: "/b"}, {**environ, name: "/ab"}]
    for caller in callers:
        keep(found, evidence, caller)
    assert all(has_record(found, caller) for caller in callers)
    assert not has_record(found, {**environ, name: ""})


def test_callers_who_differ_in_nothing_that_matters_share_one(
    found: RunRecord, evidence: Evidence, environ: dict[str, str]
) -> None:
    keep(found, evidence, environ)
    assert has_record(found, {**environ, "PATH": "/other", "UNRELATED": "x"})


def test_a_variable_that_has_not_mattered_before(found: RunRecord, evidence: Evidence, environ: dict[str, str]) -> None:
    one, other = {**environ, "NEW": "1"}, {**environ, "NEW": "2"}
    keep(found, evidence, one)
    evidence.variables["NEW"] = None
    keep(found, evidence, other)
    keep(found, evidence, one)
    assert has_record(found, one)
    assert has_record(found, other)


def test_records_do_not_pile_up(found: RunRecord, evidence: Evidence, environ: dict[str, str]) -> None:
    callers = [{**environ, "PYTHONPATH": f"/{number}"} for number in range(40)]
    for caller in callers:
        keep(found, evidence, caller)
        time.sleep(0.01)
    assert all(has_record(found, caller) for caller in callers[-10:])
    assert len(records(environ)) < 20


# What is broken.


@pytest.mark.parametrize("content", [b"", b"\0", b"0.2.0", b"\xff\xfe", b"0.2.0" + b"\0x" * 40 + b"\0end", b"\0" * 99])
@pytest.mark.parametrize("which", ["record", "variables"])
def test_a_broken_one_is_none(
    found: RunRecord, evidence: Evidence, environ: dict[str, str], content: bytes, which: str
) -> None:
    run_record.write(found, environ)
    (record,) = records(environ)
    (record if which == "record" else record.with_name("run-record-variables")).write_bytes(content)
    assert run_record.read(found.root, environ) is None
    keep(found, evidence, environ)
    assert has_record(found, environ)


@pytest.mark.parametrize("length", range(0, 600, 7))
def test_a_torn_record_is_none(found: RunRecord, environ: dict[str, str], length: int) -> None:
    run_record.write(found, environ)
    (path,) = records(environ)
    assert len(path.read_bytes()) > 600
    path.write_bytes(path.read_bytes()[:length])
    assert run_record.read(found.root, environ) is None
