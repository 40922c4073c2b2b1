"""Broken files as a user meets them: an error of two lines and exit code 2, or nothing at all, and no traceback."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from .commands import Devpy, Result, run
from .environments import CondaEnvironment, MakeCondaEnv
from .projects import MakeRepository

Environ = dict[str, str]  # the variables of a process

TOML = '[python]\nbase_conda_env = "{}"\n'

NASTY: dict[str, bytes] = {
    "nothing": b"",
    "bytes": b"\xff\xfe\x00\x01",
    "nul": b"\0" * 100,
    "escapes": b"\x1b[2J\x1b[31m\x07",
    "deep": b"[" * 100_000,
    "digits": b"x = " + b"9" * 5000,
    "long": b"x" * (2 << 20),
}
FILES = ("fifo", "folder", "dangling", "loop", "zero")


def put(place: Path, kind: str) -> None:
    """Put something at a place where a file belongs."""
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    elif os.path.lexists(place):
        place.unlink()
    place.parent.mkdir(parents=True, exist_ok=True)
    if kind in NASTY:
        place.write_bytes(NASTY[kind])
    elif kind == "fifo":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
    else:
        place.symlink_to({"dangling": "nowhere", "loop": place.name, "zero": "/dev/zero"}[kind])


def assert_told(result: Result, *words: str) -> None:
    """Check for a problem in one line, which names what is at fault, and a way to mend it."""
    assert result.code == 2
    problem, *mend = result.err.splitlines()
    assert problem.startswith("devpy: ")
    assert all(word in problem for word in words)
    assert mend
    assert all(line.startswith("  ") for line in mend)
    assert_readable(result)


def assert_readable(result: Result) -> None:
    assert "Traceback" not in result.out + result.err
    assert all(character.isprintable() or character == "\n" for character in result.err)


@pytest.fixture
def root(tmp_path: Path, repository: MakeRepository, conda_env: CondaEnvironment, devpy: Devpy) -> Path:
    """A worktree that declares no packages, with a current overlay."""
    path = repository(tmp_path / "repository", files={"devpy.toml": TOML.format(conda_env.name)})
    assert devpy("true", cwd=path).code == 0
    return path


@pytest.fixture(scope="module")
def prefix(make_conda_env: MakeCondaEnv) -> Iterator[Path]:
    """An environment that these tests may break."""
    base = make_conda_env.clone(make_conda_env("shared"), "broken").prefix
    yield base
    shutil.rmtree(base)


@pytest.mark.parametrize("kind", [*NASTY, *FILES])
def test_devpy_toml(root: Path, devpy: Devpy, kind: str) -> None:
    put(root / "devpy.toml", kind)
    for command in (["true"], ["info"], ["clean"], ["--no-sync", "true"]):
        assert_told(devpy(*command, cwd=root), str(root / "devpy.toml"))
    assert (root / ".venv" / "bin" / "python").exists()


@pytest.mark.parametrize(
    "line",
    [
        '"a\\nb\\u001b[2J" = 1',
        "python.venv." + "a." * 3000 + "a = 1",
        "python.venv = 0x" + "f" * 5000,
        'env."A=\\n" = "x"',
        'python.base_conda_env = "\\u001b[31mno\\nsuch"',
        'python.base_conda_env = "' + "x" * 5000 + '"',
        'editables.packages = ["\\u202e\\u009b"]',
    ],
)
def test_value_in_devpy_toml(root: Path, devpy: Devpy, line: str) -> None:
    base = "" if "base_conda_env" in line else 'python.base_conda_env = "shared"\n'
    (root / "devpy.toml").write_text(base + line + "\n", encoding="utf-8")
    assert_told(devpy("true", cwd=root))


@pytest.mark.parametrize("kind", [*NASTY, *FILES])
def test_stack_config(root: Path, devpy: Devpy, kind: str) -> None:
    (root / "devpy.toml").write_text('[devpy]\nextends = "../stack.toml"\n', encoding="utf-8")
    put(root.parent / "stack.toml", kind)
    assert_told(devpy("true", cwd=root), "stack.toml")


@pytest.mark.parametrize(
    "content",
    [
        b"envs_dirs: [",
        b"envs_dirs: " + b"[" * 5000,
        b"envs_dirs: &a [*a]",
        b"env_prompt: '{default_env.__class__.__mro__[x]}'",
        b"env_prompt: '{name:>99999999999}'",
        b"auto_stack: " + b"9" * 5000,
        b"envs_dirs: \xff",
        b"envs_dirs: []" + b" " * (2 << 20),
    ],
)
def test_condarc(root: Path, devpy: Devpy, devpy_environ: Environ, tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".condarc").write_bytes(content)
    assert_told(devpy("true", cwd=root, environ={**devpy_environ, "HOME": str(tmp_path)}))


@pytest.mark.parametrize("content", ["envs_dirs:\n\t- /x\n", "envs_dirs: [\x1b"])
def test_condarc_that_conda_ignores(
    root: Path, devpy: Devpy, devpy_environ: Environ, tmp_path: Path, content: str
) -> None:
    (tmp_path / ".condarc").write_text(content, encoding="utf-8")
    result = devpy("true", cwd=root, environ={**devpy_environ, "HOME": str(tmp_path)})
    assert result.code == 0
    assert f"devpy: warning: {tmp_path}/.condarc" in result.err
    doctor = devpy("doctor", cwd=root, environ={**devpy_environ, "HOME": str(tmp_path)})
    assert "conda ignores this file, too" in doctor.out


@pytest.mark.parametrize("kind", FILES)
def test_condarc_that_is_no_file(root: Path, devpy: Devpy, devpy_environ: Environ, tmp_path: Path, kind: str) -> None:
    put(tmp_path / ".condarc", kind)
    result = devpy("true", cwd=root, environ={**devpy_environ, "HOME": str(tmp_path)})
    assert (result.code, result.err) == (0, "")  # conda passes over it, too


@pytest.mark.parametrize("name", ["conda-meta/state", "etc/conda/env_vars.d/package.json"])
@pytest.mark.parametrize("kind", [*NASTY, "fifo", "folder", "zero"])
def test_variables_of_the_base(root: Path, devpy: Devpy, prefix: Path, name: str, kind: str) -> None:
    (root / "devpy.toml").write_text(TOML.format(prefix), encoding="utf-8")
    assert devpy("true", cwd=root).code == 0
    put(prefix / name, kind)
    try:
        assert_told(devpy("true", cwd=root), str(prefix / name))
    finally:
        shutil.rmtree(prefix / name) if kind == "folder" else (prefix / name).unlink()
    assert devpy("true", cwd=root).code == 0


@pytest.mark.parametrize("kind", FILES)
def test_script_of_the_base(root: Path, devpy: Devpy, prefix: Path, kind: str) -> None:
    (root / "devpy.toml").write_text(TOML.format(prefix), encoding="utf-8")
    assert devpy("true", cwd=root).code == 0
    script = prefix / "etc" / "conda" / "activate.d" / "a\x1b[31m.sh"
    put(script, kind)
    try:
        result = devpy("echo", "runs", cwd=root)
    finally:
        shutil.rmtree(script) if kind == "folder" else script.unlink()
    if kind in ("fifo", "zero"):
        assert_told(result, "activate.d/a\\x1b[31m.sh")
    else:
        assert (result.code, result.out) == (0, "runs\n")


@pytest.mark.parametrize("kind", [*NASTY, *FILES])
def test_environments_txt(root: Path, devpy: Devpy, devpy_environ: Environ, tmp_path: Path, kind: str) -> None:
    put(tmp_path / ".conda" / "environments.txt", kind)
    (root / "devpy.toml").write_text(TOML.format("no-such"), encoding="utf-8")
    result = devpy("true", cwd=root, environ={**devpy_environ, "HOME": str(tmp_path)})
    assert_told(result, "conda environment no-such")


@pytest.mark.parametrize("name", ["devpy.json", "devpy-start", "pyvenv.cfg"])
@pytest.mark.parametrize("kind", [*NASTY, *FILES])
def test_records_in_the_overlay(root: Path, devpy: Devpy, name: str, kind: str) -> None:
    put(root / ".venv" / name, kind)
    assert devpy("info", cwd=root).code == 0
    result = devpy("python", "-c", "import sys; print(sys.prefix)", cwd=root)
    assert_readable(result)
    assert (result.code, result.out) == (0, f"{root}/.venv\n")


@pytest.mark.parametrize("kind", [*NASTY, *FILES])
def test_variables_for_plain_python(root: Path, kind: str) -> None:
    put(root / ".venv" / "devpy-start", kind)
    plain = run([root / ".venv" / "bin" / "python", "-c", "print('runs')"], cwd=root, environ={})
    assert (plain.out, plain.err) == ("runs\n", "")


@pytest.mark.parametrize("kind", [*NASTY, *FILES])
def test_record_of_the_last_run(root: Path, devpy: Devpy, devpy_environ: Environ, kind: str) -> None:
    folder = Path(devpy_environ["HOME"], ".cache", "devpy", "runs", str(root).lstrip("/"))
    for slot in range(16):
        put(folder / f"run-record-{slot}", kind)
    result = devpy("echo", "runs", cwd=root)
    assert (result.code, result.out, result.err) == (0, "runs\n", "")
