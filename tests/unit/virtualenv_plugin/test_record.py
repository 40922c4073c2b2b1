from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devpy_virtualenv_plugin import record
from devpy_virtualenv_plugin.record import BuildFile, Record


def make_record(venv: Path, **changes: Any) -> Record:
    made = Record(
        version="1.0",
        complete=True,
        built=True,
        venv=str(venv),
        config="/repo/devpy.toml",
        base_name="shared",
        base="/conda/envs/shared",
        base_stamp="1:2 3:4",
        python="python3.11",
        editables={"/repo/ä b": {"pyproject.toml": BuildFile(12, 34, "56")}, "/repo/c": {}},
        has_deps=False,
        site_stamp="5:6",
    )
    return made._replace(**changes)


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("has_deps", [True, False])
def test_what_is_written_is_read(tmp_path: Path, complete: bool, has_deps: bool) -> None:
    written = make_record(tmp_path, complete=complete, has_deps=has_deps)
    record.write(written)
    assert record.read(str(tmp_path)) == written
    assert os.listdir(tmp_path) == [record.FILE_NAME]


def test_paths_that_are_not_utf_8_survive(tmp_path: Path) -> None:
    path = os.fsdecode(b"/repo/\xff")
    written = make_record(tmp_path, editables={path: {}}, config=path)
    record.write(written)
    assert record.read(str(tmp_path)) == written


def test_nothing_to_read(tmp_path: Path) -> None:
    assert record.read(str(tmp_path)) is None
    assert record.read(str(tmp_path / "absent")) is None
    (tmp_path / record.FILE_NAME).mkdir()
    assert record.read(str(tmp_path)) is None


@given(content=st.binary(max_size=200))
def test_garbage_is_no_record(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    venv = tmp_path_factory.mktemp("venv")
    (venv / record.FILE_NAME).write_bytes(content)
    assert record.read(str(venv)) is None
    assert not record.is_marked(str(venv))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(field=st.sampled_from(Record._fields), value=json_values)
def test_any_value_in_any_field_is_read_or_not_but_never_an_error(
    tmp_path_factory: pytest.TempPathFactory, field: str, value: object
) -> None:
    venv = tmp_path_factory.mktemp("venv")
    record.write(make_record(venv))
    file = venv / record.FILE_NAME
    file.write_text(json.dumps({**json.loads(file.read_text("utf-8")), field: value}), encoding="utf-8")
    result = record.read(str(venv))
    if result is not None:
        assert isinstance(result.complete, bool)
        assert isinstance(result.has_deps, bool)
        assert isinstance(result.base, str)


@pytest.mark.parametrize("python", ["", "..", "/lib/python3.11", "python3.11/../../elsewhere", "lib"])
def test_record_of_what_cannot_be_a_folder_of_python_is_none(tmp_path: Path, python: str) -> None:
    record.write(make_record(tmp_path, python=python))
    assert record.read(str(tmp_path)) is None


@pytest.mark.parametrize("size", [0, 1, 100, -1])
def test_truncated_record_is_none(tmp_path: Path, size: int) -> None:
    record.write(make_record(tmp_path))
    file = tmp_path / record.FILE_NAME
    file.write_bytes(file.read_bytes()[:size])
    assert record.read(str(tmp_path)) is None


@pytest.mark.parametrize("missing", [name for name in Record._fields if name not in Record._field_defaults])
def test_record_with_a_missing_field_is_none(tmp_path: Path, missing: str) -> None:
    record.write(make_record(tmp_path))
    file = tmp_path / record.FILE_NAME
    fields = json.loads(file.read_text("utf-8"))
    del fields[missing]
    file.write_text(json.dumps(fields), encoding="utf-8")
    assert record.read(str(tmp_path)) is None


def test_failed_write_leaves_the_old_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record.write(make_record(tmp_path))

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        record.write(make_record(tmp_path, complete=False))
    assert record.read(str(tmp_path)) == make_record(tmp_path)
    assert os.listdir(tmp_path) == [record.FILE_NAME]


# The mark.


def test_only_a_record_is_a_mark(tmp_path: Path) -> None:
    venv = str(tmp_path)
    assert not record.is_marked(venv)
    for text in ("{}", "[]", "null", '{"version": 1, "venv": "/x"}', '{"version": "1"}', "[" * 100_000):
        (tmp_path / record.FILE_NAME).write_text(text, encoding="utf-8")
        assert not record.is_marked(venv)
    record.write(make_record(tmp_path, complete=False))
    assert record.is_marked(venv)


def test_vacant(tmp_path: Path) -> None:
    assert record.is_vacant(str(tmp_path / "absent"))
    assert record.is_vacant(str(tmp_path))
    (tmp_path / record.LOCK_NAME).touch()
    assert record.is_vacant(str(tmp_path))


def test_vacant_after_a_kill_ahead_of_the_first_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def kill(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(os, "replace", kill)
    monkeypatch.setattr(os, "unlink", kill)  # a process that is killed does not tidy up
    (tmp_path / record.LOCK_NAME).touch()
    with pytest.raises(Killed):
        record.write(make_record(tmp_path))
    assert record.is_vacant(str(tmp_path)) or record.is_marked(str(tmp_path))


def test_not_vacant(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").touch()
    for name in ("file", "dangling", "folder"):
        assert not record.is_vacant(str(tmp_path / name))


# Stamps.


def test_site_stamp_changes_with_its_packages(tmp_path: Path) -> None:
    site_packages = tmp_path / "[abc] ä*"
    absent = record.site_stamp(str(site_packages))
    site_packages.mkdir(parents=True)
    os.utime(site_packages, (1, 1))
    stamp = record.site_stamp(str(site_packages))
    assert record.site_stamp(str(site_packages)) == stamp != absent
    (site_packages / "added.pth").touch()
    assert record.site_stamp(str(site_packages)) != stamp


@pytest.mark.parametrize("changed", ["conda-meta/history", "bin"])
def test_base_stamp_changes_with_its_packages_and_programs(tmp_path: Path, changed: str) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "conda-meta").mkdir()
    (tmp_path / "conda-meta" / "history").touch()
    stamp = record.base_stamp(str(tmp_path))
    os.utime(tmp_path / changed, (1, 1))
    assert record.base_stamp(str(tmp_path)) != stamp


def test_base_stamp_tells_another_environment_at_the_same_place(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name / "conda-meta").mkdir(parents=True)
        (tmp_path / name / "bin").mkdir()
        (tmp_path / name / "conda-meta" / "history").touch()
        os.utime(tmp_path / name / "conda-meta" / "history", (1, 1))
        os.utime(tmp_path / name / "bin", (1, 1))
    stamp = record.base_stamp(str(tmp_path / "old"))
    (tmp_path / "old").rename(tmp_path / "away")
    assert record.base_stamp(str(tmp_path / "old")) != stamp
    (tmp_path / "new").rename(tmp_path / "old")
    assert record.base_stamp(str(tmp_path / "old")) != stamp
