"""Whatever the files hold that devpy itself has written, they are read as they were written or count as broken."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import devpy_pip_guard
from devpy_pip_guard import CALLERS, START_VARIABLES
from devpy_pip_guard.config import Config, load
from devpy_pip_guard.pyvenv_cfg import config_file
from devpy_runner.activate.activation import CondaSettings
from devpy_runner.overlay import state as overlay
from devpy_runner.records import run_cache, start_variables
from devpy_runner.records.run_cache import Evidence, RunCache
from devpy_virtualenv_plugin import __version__, record
from devpy_virtualenv_plugin.layout import site_packages
from devpy_virtualenv_plugin.record import BuildFile, Record

from ...fuzzing import contents, fuzzed, json_values, listing, mutations, only_refusals, texts

STATES = (overlay.ABSENT, overlay.FOREIGN, overlay.INCOMPLETE, overlay.STALE, overlay.CURRENT)
NO_FILES = ("/dev/zero", "/dev/null", "loop", "gone", ".", "fifo", "huge")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A worktree whose overlay is an empty folder."""
    (tmp_path / ".venv" / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    (tmp_path / ".venv" / "bin").mkdir()
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "setup.py").touch()
    (tmp_path / "devpy.toml").write_text(
        '[python]\nbase_conda_env = "shared"\n[editables]\npackages = ["package"]\n', encoding="utf-8"
    )
    return load(str(tmp_path / "devpy.toml"))


def complete(config: Config) -> str:
    complete_record = Record(
        version=__version__,
        complete=True,
        built=True,
        venv=config.venv,
        config=config.file,
        base_name="shared",
        base="/envs/shared",
        base_stamp="- -",
        python="python3.11",
        editables={config.editables[0]: {"setup.py": BuildFile(1, 0, "e3b0")}},
        has_deps=False,
        site_stamp=record.site_stamp(site_packages(config.venv, "python3.11")),
    )
    record.write(complete_record)
    return Path(config.venv, record.FILE_NAME).read_text("utf-8")


def put_no_file(place: Path, target: str) -> None:
    os.mkfifo(place.parent / "fifo")
    (place.parent / "loop").symlink_to("loop")
    (place.parent / "huge").touch()
    os.truncate(place.parent / "huge", 1 << 40)  # takes no room, unless somebody reads it
    place.unlink(missing_ok=True)
    place.symlink_to(target)


# devpy.json, devpy's mark and record in an overlay.


def assert_examined(config: Config) -> None:
    tree = listing(Path(config.root))
    with only_refusals():
        examined = overlay.examine(config)
        assert examined.state in STATES
        assert (examined.state == overlay.FOREIGN) == (not record.is_marked(config.venv))
        assert all(isinstance(reason, str) for reason in examined.reasons)
        base = examined.record.base if examined.record else "/"
        assert start_variables.examine(config, base, {})[0] in ("none", "out of date")
    assert listing(Path(config.root)) == tree


@fuzzed
@given(data=st.data())
def test_any_record_of_an_overlay(config: Config, data: st.DataObject) -> None:
    file = Path(config.venv, record.FILE_NAME)
    file.write_bytes(data.draw(contents(complete(config))))
    assert_examined(config)


@fuzzed
@given(fields=st.dictionaries(st.sampled_from(Record._fields) | texts, json_values, min_size=1, max_size=3))
@example(fields={"base": "/a\0b"})
@example(fields={"base": "\ud800"})
@example(fields={"venv": "\0"})
@example(fields={"base": ""})
@example(fields={"editables": {"/p": {"setup.py": {"mtime_ns": float("inf"), "size": 0, "sha256": ""}}}})
@example(fields={"editables": {"/p": {"setup.py": {"mtime_ns": 1, "size": float("nan"), "sha256": ""}}}})
@example(fields={"editables": {"/p": []}})
def test_any_value_in_the_record_of_an_overlay(config: Config, fields: dict[str, object]) -> None:
    file = Path(config.venv, record.FILE_NAME)
    whole = json.loads(complete(config))
    if "editables" in fields and isinstance(fields["editables"], dict):
        fields = {**fields, "editables": {config.editables[0]: next(iter(fields["editables"].values()), {})}}
    file.write_text(json.dumps({**whole, **fields}), encoding="utf-8")
    assert_examined(config)


def test_an_unknown_key_in_the_record_of_an_overlay(config: Config) -> None:
    whole = json.loads(complete(config))
    text = json.dumps({**whole, "version": "999.0", "schema": 7, "new": {"key": []}})
    Path(config.venv, record.FILE_NAME).write_text(text, encoding="utf-8")
    examined = overlay.examine(config)
    assert examined.state == overlay.STALE
    assert f"made by devpy 999.0, this is {__version__}" in examined.reasons


@pytest.mark.parametrize("target", NO_FILES)
@pytest.mark.parametrize("name", [record.FILE_NAME, "pyvenv.cfg", START_VARIABLES])
def test_what_is_no_file_in_an_overlay(config: Config, name: str, target: str) -> None:
    put_no_file(Path(config.venv, name), target)
    assert_examined(config)
    with only_refusals():
        config_file(os.path.join(config.venv, "pyvenv.cfg"))
        pytest.fail("found a config")


# pyvenv.cfg, in which the guard finds the devpy.toml that governs the overlay.


@fuzzed
@given(content=contents("home = /envs/shared/bin\ndevpy = 1.0\ndevpy-config = /repo/devpy.toml\n"))
@example(content=b"devpy-config = a\0b\n")
@example(content=b"devpy-config = \x1b[31m\xff\n")
@example(content=b"devpy-config = \n")
def test_any_pyvenv_cfg(config: Config, content: bytes) -> None:
    Path(config.venv, "pyvenv.cfg").write_bytes(content)
    with only_refusals():
        load(config_file(os.path.join(config.venv, "pyvenv.cfg")))
    assert_examined(config)


# The record of the last run.


def a_run(root: str) -> RunCache:
    settings = CondaSettings("/root", [], False, "<{name}>", 3, False)
    looks = {"state": {"/c/devpy.toml": "1 2 3 4 5"}, "kind": {"/c": "folder"}, "link": {}, "permission": {"/c": ""}}
    evidence = Evidence({"HOME": "/home", "PYTHONPATH": None}, looks, {"/c": "1 2 3 4 5//.venv"})
    return RunCache(root, "/c/devpy.toml", "/c/.venv", "/envs/a", {"A": "1"}, settings, evidence)


def as_text(cache: RunCache) -> str:
    assert cache.evidence is not None
    return run_cache._format(cache, cache.evidence)


def place(root: str, environ: dict[str, str]) -> Path:
    """Return where the run cache of a caller is if no variable matters."""
    folder = run_cache._folder(root, environ)
    os.makedirs(folder, exist_ok=True)
    return Path(run_cache._path(folder, [], environ))


def lengths(cache: RunCache) -> list[int]:
    assert cache.evidence is not None
    return [len(cache.evidence.variables), len(cache.evidence.gaps), *map(len, cache.evidence.looks.values())]


@fuzzed
@given(data=st.data())
def test_any_run_cache(tmp_path: Path, data: st.DataObject) -> None:
    root, environ = str(tmp_path), {"HOME": str(tmp_path / "home"), "PATH": ""}
    place(root, environ).write_bytes(data.draw(mutations([as_text(a_run(root)).encode()])))
    with only_refusals():
        cache = run_cache.read(root, environ)
        if cache is not None:
            assert cache.root == root
            assert cache.holds(environ) in (True, False)


@pytest.mark.parametrize("field", range(10, 33))
@pytest.mark.parametrize("value", ["0", "1", "2", "3", "-1", "99", "", "x"])
def test_a_run_cache_with_another_count(tmp_path: Path, field: int, value: str) -> None:
    """A section that is cut short would leave out files that must not have changed."""
    root, environ = str(tmp_path), {"HOME": str(tmp_path / "home"), "PATH": ""}
    fields = as_text(a_run(root)).split("\0")
    fields[field] = value
    place(root, environ).write_text("\0".join(fields), encoding="utf-8")
    cache = run_cache.read(root, environ)
    if cache is not None:
        assert lengths(cache) == lengths(a_run(root))


def test_a_run_cache_of_another_worktree(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path / "home"), "PATH": ""}
    place("/this", environ).write_text(as_text(a_run("/other")), encoding="utf-8")
    assert run_cache.read("/this", environ) is None


@pytest.mark.parametrize("target", NO_FILES)
def test_a_run_cache_that_is_no_file(tmp_path: Path, target: str) -> None:
    environ = {"HOME": str(tmp_path / "home"), "PATH": ""}
    put_no_file(place("/root", environ), target)
    with only_refusals():
        assert run_cache.read("/root", environ) is None


# What Python takes its variables from as it starts.

START = "\0".join(["11", "{venv}", "/envs/a", "inputs", "A", "1", "", "P", "/p", f"/p:{CALLERS}", "end"])


@fuzzed
@given(data=st.data())
def test_any_start_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: st.DataObject) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    whole = START.format(venv=tmp_path).encode()
    (tmp_path / START_VARIABLES).write_bytes(data.draw(mutations([whole])))
    environ = dict(os.environ)
    with only_refusals():
        devpy_pip_guard.supply("/envs/a")
    changed = {name for name, _ in os.environ.items() ^ environ.items()}
    os.environ.clear()
    os.environ.update(environ)
    assert "HOME" not in changed


@fuzzed
@given(rule=st.tuples(texts, texts, texts))
@example(rule=("A=B", "1", ""))
@example(rule=("", "1", ""))
def test_any_rule_of_the_start_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: tuple[str, str, str]
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    fields = [str(tmp_path), "/envs/a", "inputs", *rule, "end"]
    content = "\0".join([str(len(fields) + 1), *fields]).encode("utf-8", "surrogatepass")
    (tmp_path / START_VARIABLES).write_bytes(content)
    environ = dict(os.environ)
    try:
        with only_refusals():
            devpy_pip_guard.supply("/envs/a")
    finally:
        os.environ.clear()
        os.environ.update(environ)


@pytest.mark.parametrize("target", NO_FILES)
def test_start_variables_that_are_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    put_no_file(tmp_path / START_VARIABLES, target)
    environ = dict(os.environ)
    with only_refusals():
        devpy_pip_guard.supply("/envs/a")
    assert dict(os.environ) == environ
