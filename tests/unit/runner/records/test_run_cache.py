"""The run cache, and when it is valid; what goes into it, see `test_observations.py`."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from devpy_pip_guard.files import kind, link, permission, state
from devpy_runner.activate.activation import CondaSettings
from devpy_runner.records import run_cache
from devpy_runner.records.run_cache import Evidence, RunCache, format_gap


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
def cache(tmp_path: Path, evidence: Evidence) -> RunCache:
    return RunCache(
        root=str(tmp_path / "tree ü"),
        config="/c/devpy.toml",
        venv="/c/.venv",
        base="/envs/a",
        variables={"A": "1", "MULTI\udc80": "line\nline\udcff", "EMPTY": ""},
        settings=CondaSettings("/root", [], False, "<{name}>", 3, False),
        evidence=evidence,
    )


def as_dict(cache: RunCache) -> dict[str, object]:
    fields: dict[str, object] = {name: getattr(cache, name) for name in RunCache.__slots__}
    fields["settings"] = {name: getattr(cache.settings, name) for name in CondaSettings.__slots__}
    fields["evidence"] = {name: getattr(cache.evidence, name) for name in Evidence.__slots__}
    return fields


def test_what_is_written_is_read(cache: RunCache, environ: dict[str, str]) -> None:
    run_cache.write(cache, environ)
    again = run_cache.read(cache.root, environ)
    assert again is not None
    assert as_dict(again) == as_dict(cache)
    assert again.holds(environ)


def test_there_is_none_at_first(cache: RunCache, environ: dict[str, str]) -> None:
    assert run_cache.read(cache.root, environ) is None


def test_it_is_the_users_own(cache: RunCache, environ: dict[str, str]) -> None:
    run_cache.write(cache, environ)
    assert caches(environ)[0].parent.stat().st_mode & 0o077 == 0
    other = {**environ, "XDG_CACHE_HOME": str(Path(environ["HOME"]) / "other")}
    assert run_cache.read(cache.root, other) is None


def test_it_is_not_kept_if_something_has_changed_since(
    cache: RunCache, environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "absent").touch()
    run_cache.write(cache, environ)
    cache.evidence = None
    run_cache.write(cache, environ)
    assert run_cache.read(cache.root, environ) is None
    assert not Path(environ["HOME"]).exists()


def test_a_home_that_cannot_be_written_to(cache: RunCache, environ: dict[str, str], tmp_path: Path) -> None:
    environ = {**environ, "XDG_CACHE_HOME": str(tmp_path / "watched")}
    run_cache.write(cache, environ)
    assert run_cache.read(cache.root, environ) is None


def test_it_does_not_hold_for_other_variables(cache: RunCache, environ: dict[str, str]) -> None:
    assert cache.holds(environ)
    assert not cache.holds({**environ, "HOME": "/other"})
    assert not cache.holds({**environ, "PYTHONPATH": ""})
    assert cache.holds({**environ, "UNRELATED": "x"})


@pytest.mark.parametrize("change", ["content", "same size", "replaced", "removed", "touched", "mode"])
def test_it_does_not_hold_once_a_file_has_changed(
    cache: RunCache, environ: dict[str, str], tmp_path: Path, change: str
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
    assert not cache.holds(environ)


@pytest.mark.parametrize("name", ["absent", "folder/one", "folder/other"])
def test_it_does_not_hold_once_a_gap_is_filled(
    cache: RunCache, environ: dict[str, str], tmp_path: Path, name: str
) -> None:
    (tmp_path / name).symlink_to("nowhere")
    assert not cache.holds(environ)


def test_it_does_not_hold_once_a_link_leads_elsewhere(cache: RunCache, environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "pointer").unlink()
    (tmp_path / "pointer").symlink_to("other")
    assert not cache.holds(environ)


def test_it_does_not_hold_once_a_folder_has_become_a_link(
    cache: RunCache, environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "folder").rename(tmp_path / "moved")
    (tmp_path / "folder").symlink_to("moved")
    assert not cache.holds(environ)


def test_it_does_not_hold_once_a_folder_has_become_a_file(
    cache: RunCache, environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "folder").rmdir()
    (tmp_path / "folder").touch()
    assert not cache.holds(environ)


def test_it_holds_whatever_else_comes(cache: RunCache, environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "another").touch()
    (tmp_path / "folder" / "another").touch()
    assert cache.holds(environ)


# Whose cache it is.


def caches(environ: dict[str, str]) -> list[Path]:
    return [path for path in Path(environ["HOME"]).rglob("run-record*") if not path.name.endswith("variables")]


def has_valid_cache(cache: RunCache, environ: dict[str, str]) -> bool:
    """Tell whether the caller has a valid cache."""
    callers_cache = run_cache.read(cache.root, environ)
    return callers_cache is not None and callers_cache.holds(environ)


def keep(cache: RunCache, evidence: Evidence, environ: dict[str, str]) -> None:
    """Keep what a run of a caller has found out."""
    variables = {name: environ.get(name) for name in evidence.variables}
    cache.evidence = Evidence(variables, evidence.looks, evidence.gaps)
    run_cache.write(cache, environ)


@pytest.mark.parametrize("name", ["PYTHONPATH", "HOME"])
def test_callers_who_differ_in_what_matters_have_caches_of_their_own(
    cache: RunCache, evidence: Evidence, environ: dict[str, str], tmp_path: Path, name: str
) -> None:
    environ["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    environs = [environ, {**environ, name: "/a"}, {**environ, name: "/b"}, {**environ, name: "/ab"}]
    for environ_of_caller in environs:
        keep(cache, evidence, environ_of_caller)
    assert all(has_valid_cache(cache, environ_of_caller) for environ_of_caller in environs)
    assert not has_valid_cache(cache, {**environ, name: ""})


def test_callers_who_differ_in_nothing_that_matters_share_one(
    cache: RunCache, evidence: Evidence, environ: dict[str, str]
) -> None:
    keep(cache, evidence, environ)
    assert has_valid_cache(cache, {**environ, "PATH": "/other", "UNRELATED": "x"})


def test_a_variable_that_has_not_mattered_before(cache: RunCache, evidence: Evidence, environ: dict[str, str]) -> None:
    first, second = {**environ, "NEW": "1"}, {**environ, "NEW": "2"}
    keep(cache, evidence, first)
    evidence.variables["NEW"] = None
    keep(cache, evidence, second)
    keep(cache, evidence, first)
    assert has_valid_cache(cache, first)
    assert has_valid_cache(cache, second)


def test_caches_do_not_pile_up(cache: RunCache, evidence: Evidence, environ: dict[str, str]) -> None:
    environs = [{**environ, "PYTHONPATH": f"/{number}"} for number in range(40)]
    for environ_of_caller in environs:
        keep(cache, evidence, environ_of_caller)
        time.sleep(0.01)
    assert all(has_valid_cache(cache, environ_of_caller) for environ_of_caller in environs[-10:])
    assert len(caches(environ)) < 20


# What is broken.


@pytest.mark.parametrize("content", [b"", b"\0", b"0.2.0", b"\xff\xfe", b"0.2.0" + b"\0x" * 40 + b"\0end", b"\0" * 99])
@pytest.mark.parametrize("which", ["cache", "variables"])
def test_a_broken_one_is_none(
    cache: RunCache, evidence: Evidence, environ: dict[str, str], content: bytes, which: str
) -> None:
    run_cache.write(cache, environ)
    (file,) = caches(environ)
    (file if which == "cache" else file.with_name("run-record-variables")).write_bytes(content)
    assert run_cache.read(cache.root, environ) is None
    keep(cache, evidence, environ)
    assert has_valid_cache(cache, environ)


@pytest.mark.parametrize("length", range(0, 600, 7))
def test_a_torn_cache_is_none(cache: RunCache, environ: dict[str, str], length: int) -> None:
    run_cache.write(cache, environ)
    (path,) = caches(environ)
    assert len(path.read_bytes()) > 600
    path.write_bytes(path.read_bytes()[:length])
    assert run_cache.read(cache.root, environ) is None
