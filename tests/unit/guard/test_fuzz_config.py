"""Whatever devpy.toml holds, there is a Config that keeps its promises or a refusal that reads well."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from devpy_pip_guard.config import check_editables, load, load_repository

from ..fuzzing import contents, fuzzed, listing, only_refusals, texts

WHOLE = """\
[python]
base_conda_env = "shared"
venv = "build/overlay"
[editables]
packages = [".", "../sibling", '~/canonical', "/opt/absolute"]
install_deps = true
[env]
ISAACLAB_PATH = "{root}"
"""
STACK = '[devpy]\nkind = "stack"\n' + WHOLE
POINTER = '[devpy]\nextends = "../stack.toml"\n'

VALUES = (
    "1",
    "1.5",
    "nan",
    "-inf",
    "true",
    "2026-11-22",
    "07:32:00",
    "[]",
    "[[]]",
    "{}",
    "{a = {b = 1}}",
    '[".", 1]',
    "'''\n'''",
    "0x" + "f" * 5000,
    "9" * 5000,
    "[" * 400 + "]" * 400,
    '"\\u0000"',
)
KEYS = (
    "devpy",
    "devpy.extends",
    "devpy.kind",
    "python",
    "python.base_conda_env",
    "python.venv",
    "editables.packages",
    "editables.install_deps",
    "env",
    "env.A",
    "python.pythonn",
)

values = st.sampled_from(VALUES) | texts.map(json.dumps) | texts.map(lambda text: json.dumps([text, "."]))
keys = st.sampled_from(KEYS) | texts.map(json.dumps) | texts.map(lambda text: "env." + json.dumps(text))
assignments = st.dictionaries(keys, values, max_size=4).map(
    lambda lines: "".join(f"{key} = {value}\n" for key, value in lines.items()).encode("utf-8", "surrogatepass")
)
"""Dotted keys with values of any type; where none is assigned, a base is."""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("home", "sibling", "repo/pkg", "repo/.git"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "repo" / "out").symlink_to(tmp_path)
    (tmp_path / "repo" / "loop").symlink_to("loop")
    return tmp_path / "repo"


def assert_safe(repository: Path, name: str = "devpy.toml") -> None:
    file = repository / name
    listed = listing(repository.parent)
    with only_refusals():
        config = load_repository(str(file))
        root = os.path.realpath(config.root)
        for place in (config.venv, os.path.realpath(config.venv)):
            inside = os.path.relpath(place, root).split(os.sep)
            assert inside[0] not in (os.curdir, os.pardir)
            assert ".git" not in inside
        assert config.base
        assert all(os.path.isabs(path) for path in (*config.editables, *config.declared))
        assert len(set(config.editables)) == len(config.editables)
        assert all(name and "=" not in name and "\0" not in name + value for name, value in config.env.items())
        check_editables(config)
    assert listing(repository.parent) == listed


@fuzzed
@given(content=contents(WHOLE, STACK, POINTER))
@example(content=b"\xef\xbb\xbf" + WHOLE.encode())
@example(content=b"x = " + b"9" * 5000)
@example(content=b"python." + b"a." * 3000 + b"a = 1")
@example(content=b"python.venv." + b"a." * 3000 + b"a = 1")
@example(content=b'["a\\nb\\u001b[31m"]')
def test_any_devpy_toml(repository: Path, content: bytes) -> None:
    (repository / "devpy.toml").write_bytes(content)
    assert_safe(repository)


@fuzzed
@given(content=assignments)
@example(content=b"python.venv = 0x" + b"f" * 5000)
@example(content=b'env."a\\nb" = 1')
@example(content=b'python."a\\u009bb" = 1')
def test_any_value_for_any_key(repository: Path, content: bytes) -> None:
    base = b"" if b"base_conda_env" in content else b'python.base_conda_env = "shared"\n'
    (repository / "devpy.toml").write_bytes(content + base)
    assert_safe(repository)


@fuzzed
@given(content=contents(STACK, WHOLE, POINTER))
def test_any_stack_config(repository: Path, content: bytes) -> None:
    (repository / "devpy.toml").write_text(POINTER, encoding="utf-8")
    (repository.parent / "stack.toml").write_bytes(content)
    assert_safe(repository)
    with only_refusals():  # as the guard reads it
        load(str(repository.parent / "stack.toml"))


@fuzzed
@given(target=texts)
@example(target="../repo/loop")
@example(target="/dev/zero")
@example(target="../repo/./devpy.toml")
def test_any_place_to_extend(repository: Path, target: str) -> None:
    text = f"[devpy]\nextends = {json.dumps(target)}\n"
    (repository / "devpy.toml").write_text(text, encoding="utf-8", errors="replace")
    assert_safe(repository)


@pytest.mark.parametrize("target", ["/dev/zero", "/dev/null", "loop", "gone", ".", "fifo", "huge"])
def test_what_is_no_text_file(repository: Path, target: str) -> None:
    os.mkfifo(repository / "fifo")
    (repository / "huge").touch()
    os.truncate(repository / "huge", 1 << 40)  # takes no room, unless somebody reads it
    (repository / "devpy.toml").symlink_to(target)
    assert_safe(repository)
    with only_refusals():
        pytest.fail(f"read {load_repository(str(repository / 'devpy.toml'))}")
