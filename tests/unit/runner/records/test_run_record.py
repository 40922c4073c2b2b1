from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from devpy_runner.activate.activation import CondaSettings
from devpy_runner.records import run_record
from devpy_runner.records.run_record import RunRecord, identity, state


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin"}


@pytest.fixture
def found(tmp_path: Path) -> RunRecord:
    watched = tmp_path / "watched"
    watched.write_text("before")
    return RunRecord(
        root=str(tmp_path / "tree ü"),
        config="/c/devpy.toml",
        venv="/c/.venv",
        base="/envs/a",
        variables={"A": "1", "MULTI\udc80": "line\nline\udcff", "EMPTY": ""},
        settings=CondaSettings("/root", [], False, "<{name}>", 3, False),
        callers={"HOME": environ_home(tmp_path), "PYTHONPATH": None},
        unchanged={str(watched): state(str(watched)), str(tmp_path / "absent"): state(str(tmp_path / "absent"))},
        same={str(tmp_path): identity(str(tmp_path))},
    )


def environ_home(tmp_path: Path) -> str:
    return str(tmp_path / "home")


def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let some time pass, so that the files are no longer young."""
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 10)


def as_dict(record: RunRecord) -> dict[str, object]:
    fields: dict[str, object] = {name: getattr(record, name) for name in RunRecord.__slots__}
    fields["settings"] = {name: getattr(record.settings, name) for name in CondaSettings.__slots__}
    return fields


def test_what_is_written_is_read(found: RunRecord, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    later(monkeypatch)
    run_record.write(found, environ)
    again = run_record.read(found.root, environ)
    assert again is not None
    assert as_dict(again) == as_dict(found)
    assert again.holds(environ)


def test_there_is_none_at_first(found: RunRecord, environ: dict[str, str]) -> None:
    assert run_record.read(found.root, environ) is None


def test_it_is_the_users_own(found: RunRecord, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    later(monkeypatch)
    run_record.write(found, environ)
    (file,) = (path for path in Path(environ["HOME"]).rglob("run-record*"))
    assert file.parent.stat().st_mode & 0o077 == 0
    other = {**environ, "XDG_CACHE_HOME": str(Path(environ["HOME"]) / "other")}
    assert run_record.read(found.root, other) is None


def test_a_file_that_has_just_changed_is_not_trusted(found: RunRecord, environ: dict[str, str]) -> None:
    run_record.write(found, environ)
    assert run_record.read(found.root, environ) is None


def test_a_home_that_cannot_be_written_to(found: RunRecord, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    later(monkeypatch)
    (tmp_path / "file").touch()
    run_record.write(found, {"HOME": str(tmp_path / "file")})
    assert run_record.read(found.root, {"HOME": str(tmp_path / "file")}) is None


def test_it_does_not_hold_for_other_variables(found: RunRecord, environ: dict[str, str]) -> None:
    assert found.holds(environ)
    assert not found.holds({**environ, "HOME": "/other"})
    assert not found.holds({**environ, "PYTHONPATH": ""})
    assert found.holds({**environ, "UNRELATED": "x"})


@pytest.mark.parametrize("change", ["content", "same size", "replaced", "removed", "created", "touched"])
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
    elif change == "created":
        (tmp_path / "absent").touch()
    else:
        watched.touch()
    assert not found.holds(environ)


def test_a_folder_that_must_be_the_same_may_change(found: RunRecord, environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "another file").touch()
    assert found.holds(environ)
    found.same[str(tmp_path)] = identity(str(tmp_path.parent))
    assert not found.holds(environ)


@pytest.mark.parametrize("content", [b"", b"\0", b"0.2.0", b"\xff\xfe", b"0.2.0" + b"\0x" * 40 + b"\0end", b"\0" * 99])
def test_a_broken_record_is_none(found: RunRecord, environ: dict[str, str], content: bytes) -> None:
    path = Path(run_record._path(found.root, environ))
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert run_record.read(found.root, environ) is None


@pytest.mark.parametrize("length", range(0, 400, 7))
def test_a_torn_record_is_none(
    found: RunRecord, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    later(monkeypatch)
    run_record.write(found, environ)
    path = Path(run_record._path(found.root, environ))
    path.write_bytes(path.read_bytes()[:length])
    assert run_record.read(found.root, environ) is None
