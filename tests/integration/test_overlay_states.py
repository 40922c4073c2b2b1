"""The states of an overlay, and that each leads back to one that works, whatever happened to it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest

from .channel import Channel
from .commands import Devpy, Result, run
from .environments import CondaEnvironment, MakeCondaEnv, create
from .projects import MakeRepository, copy_package
from .sample_worktree import own_module, state

Environ = dict[str, str]  # the variables of a process

TOML = '[python]\nbase_conda_env = "shared"\n[editables]\npackages = ["self-built"]\n'
WHERE = "import sample_self_built; print(sample_self_built.origin())"

# Kills itself ahead of the change to a file system that is `sys.argv[1]`-th of those made below `sys.argv[2]`.
KILLED = """
import os, signal, sys

left, venv = int(sys.argv[1]), sys.argv[2]

def watch(event, arguments):
    global left
    is_change = event in ("os.mkdir", "os.rename", "os.symlink", "os.remove", "os.rmdir")
    if event == "open":
        is_change = isinstance(arguments[2], int) and bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))
    if is_change and any(str(argument).startswith(venv) for argument in arguments):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(watch)
from devpy_runner.cli import main
sys.exit(main(["update-editables"]))
"""


@pytest.fixture
def make_root(repository: MakeRepository, conda_env: CondaEnvironment) -> Callable[[Path], Path]:
    assert conda_env.name == "shared"
    return lambda path: repository(path, "self-built", files={"devpy.toml": TOML})


@pytest.fixture
def root(tmp_path: Path, make_root: Callable[[Path], Path]) -> Path:
    """A worktree without an overlay."""
    return make_root(tmp_path / "repository")


@pytest.fixture
def ready(root: Path, devpy: Devpy) -> Path:
    """A worktree with a current overlay."""
    assert devpy("update-editables", cwd=root).code == 0
    return root


def assert_works(devpy: Devpy, root: Path) -> Result:
    """Check that a command repairs the overlay, so that it imports this worktree's code, and for good."""
    result = devpy("python", "-c", WHERE, cwd=root)
    assert result.code == 0
    assert result.out.strip() == own_module(root)
    assert state(devpy, root) == ("current", "")
    plain = run([root / ".venv" / "bin" / "python", "-c", WHERE], cwd=root.parent, environ={})
    assert plain.out.strip() == own_module(root)
    return result


def listing(folder: Path) -> list[tuple[str, int, int]]:
    entries = ((str(path), path.lstat()) for path in folder.rglob("*"))
    return sorted((path, status.st_size, status.st_mtime_ns) for path, status in entries)


# What `devpy info` calls them.


def test_absent(root: Path, devpy: Devpy) -> None:
    assert state(devpy, root) == ("absent", "")
    assert not (root / ".venv").exists()
    (root / ".venv").mkdir()
    assert state(devpy, root) == ("absent", "")
    assert "creating" in assert_works(devpy, root).err


def test_current(ready: Path, devpy: Devpy) -> None:
    before = listing(ready / ".venv")
    assert state(devpy, ready) == ("current", "")
    result = devpy("python", "-c", WHERE, cwd=ready)
    assert result.err == ""
    assert listing(ready / ".venv") == before


def make_foreign(kind: str, venv: Path) -> None:
    if kind == "file":
        venv.write_text("precious\n", encoding="utf-8")
    elif kind == "dangling symlink":
        venv.symlink_to("nowhere")
    elif kind == "another tool's":
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    else:
        venv.mkdir()
        (venv / ("devpy.json" if kind == "somebody's devpy.json" else "precious.txt")).write_text(
            "{}", encoding="utf-8"
        )


@pytest.mark.parametrize(
    "kind", ["file", "dangling symlink", "another tool's", "somebody's devpy.json", "folder with a file"]
)
def test_foreign_is_never_touched(root: Path, devpy: Devpy, kind: str) -> None:
    make_foreign(kind, root / ".venv")
    before = listing(root)
    assert state(devpy, root)[0] == "foreign"
    for command in (["true"], ["update-editables"], ["clean"], ["--no-sync", "true"]):
        result = devpy(*command, cwd=root)
        assert result.code == 2
        problem, mend = result.err.splitlines()
        assert problem.startswith("devpy: ")
        assert ".venv" in problem
        assert mend.startswith("  ")
    assert listing(root) == before


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"version": "0.2.0", "venv": "/x"}', b"\xff\x00"])
def test_broken_record_is_no_licence_and_no_dead_end(ready: Path, devpy: Devpy, content: bytes | None) -> None:
    record = ready / ".venv" / "devpy.json"
    if content is None:
        record.unlink()
    else:
        record.write_bytes(content)
    result = devpy("python", "-c", WHERE, cwd=ready)
    assert "Traceback" not in result.err
    if result.code == 0:
        assert_works(devpy, ready)
    else:  # it cannot be told from a folder of somebody else's
        assert result.code == 2
        assert state(devpy, ready)[0] == "foreign"


def test_incomplete_is_rebuilt(ready: Path, devpy: Devpy) -> None:
    record = ready / ".venv" / "devpy.json"
    record.write_text(json.dumps({**json.loads(record.read_text("utf-8")), "complete": False}), encoding="utf-8")
    assert state(devpy, ready)[0] == "incomplete"
    refused = devpy("--no-sync", "true", cwd=ready)
    assert refused.code == 2
    assert "incomplete" in refused.err
    assert_works(devpy, ready)


def test_a_repair_that_fails_keeps_what_the_user_has_installed(
    ready: Path, devpy: Devpy, devpy_environ: Environ
) -> None:
    package = copy_package("flit", ready.parent / "package")
    install = [str(ready / ".venv" / "bin" / "pip"), "install", "--no-deps", str(package)]
    assert run(install, cwd=ready, environ=devpy_environ).code == 0
    record = ready / ".venv" / "devpy.json"
    record.write_text(json.dumps({**json.loads(record.read_text("utf-8")), "complete": False}), encoding="utf-8")
    backend = ready / "self-built" / "backend.py"
    works = backend.read_text("utf-8")
    backend.write_text("raise RuntimeError('no network')\n", encoding="utf-8")
    assert "no network" in devpy("update-editables", "--reinstall", cwd=ready).err
    backend.write_text(works, encoding="utf-8")
    assert_works(devpy, ready)
    assert devpy("python", "-c", "import sample_flit", cwd=ready).code == 0


def test_other_version_of_devpy_made_it(ready: Path, devpy: Devpy) -> None:
    record = ready / ".venv" / "devpy.json"
    record.write_text(json.dumps({**json.loads(record.read_text("utf-8")), "version": "0.0.1"}), encoding="utf-8")
    (ready / ".venv" / "lib" / "devpy" / "base-script").unlink()
    assert state(devpy, ready) == ("stale", f"made by devpy 0.0.1, this is {version()}; a part of it is missing")
    assert "installed" not in assert_works(devpy, ready).err
    assert devpy("pip", "--version", cwd=ready).code == 0


def version() -> str:
    from devpy_runner import __version__

    return __version__


def test_no_sync_uses_a_stale_overlay_as_it_is(ready: Path, devpy: Devpy, devpy_environ: Environ) -> None:
    with (ready / "self-built" / "pyproject.toml").open("a") as stream:
        stream.write("# edited\n")
    before = listing(ready / ".venv")
    for result in (
        devpy("--no-sync", "python", "-c", WHERE, cwd=ready),
        devpy("python", "-c", WHERE, cwd=ready, environ={**devpy_environ, "DEVPY_NO_SYNC": "1"}),
    ):
        assert result.code == 0
        assert result.out.strip() == own_module(ready)
        assert "stale" in result.err
    assert listing(ready / ".venv") == before


def test_no_sync_without_an_overlay(root: Path, devpy: Devpy) -> None:
    result = devpy("--no-sync", "true", cwd=root)
    assert result.code == 2
    assert "absent" in result.err
    assert "update-editables" in result.err
    assert not (root / ".venv").exists()


@pytest.mark.parametrize("lost", ["bin/python", "pyvenv.cfg", "lib", "bin"])
def test_lost_file_of_the_overlay_comes_back(ready: Path, devpy: Devpy, lost: str) -> None:
    target = ready / ".venv" / lost
    if target.is_dir():
        shutil.rmtree(target)
    else:
        target.unlink()
    assert devpy("update-editables", cwd=ready).code == 0
    assert_works(devpy, ready)
    assert run([ready / ".venv" / "bin" / "pip", "--version"], cwd=ready, environ={}).code == 0


# The worktree moves.


def test_moved_worktree(root: Path, devpy: Devpy, worktree: Callable[[Path, str], Path]) -> None:
    linked = worktree(root, "linked")
    assert_works(devpy, linked)
    moved = root.parent / "moved"
    subprocess.run(["git", "worktree", "move", linked, moved], cwd=root, check=True, capture_output=True)  # noqa: S607
    told, reasons = state(devpy, moved)
    assert told == "stale"
    assert f"moved or copied from {linked / '.venv'}" in reasons
    assert_works(devpy, moved)
    script = run([moved / ".venv" / "bin" / "sample-self-built"], cwd=moved, environ={})
    assert script.out.strip() == own_module(moved)
    assert not linked.exists()


def test_copied_worktree_leaves_the_original_alone(ready: Path, devpy: Devpy) -> None:
    copy = ready.parent / "copy"
    subprocess.run(["cp", "-r", ready, copy], check=True)  # noqa: S607
    before = listing(ready)
    result = assert_works(devpy, copy)
    assert "moved or copied" in result.err
    assert devpy("update-editables", "--reinstall", cwd=copy).code == 0
    script = run([copy / ".venv" / "bin" / "sample-self-built"], cwd=copy, environ={})
    assert script.out.strip() == own_module(copy)
    assert listing(ready) == before
    assert str(ready) + "/" not in "".join(
        path.read_text("utf-8", errors="replace") for path in (copy / ".venv").rglob("*") if path.is_file()
    )


def test_worktree_reached_through_a_symlink(ready: Path, devpy: Devpy) -> None:
    link = ready.parent / "link"
    link.symlink_to(ready)
    assert state(devpy, link) == ("current", "")
    assert devpy("python", "-c", WHERE, cwd=link).out.strip() == own_module(ready)


# The base changes.


@pytest.fixture
def own_base(
    tmp_path: Path, ready: Path, make_conda_env: MakeCondaEnv, conda_env: CondaEnvironment, devpy: Devpy
) -> Iterator[CondaEnvironment]:
    """An environment for one test alone, on which the overlay of `ready` then stands."""
    base = make_conda_env.clone(conda_env, f"own-{tmp_path.name}")
    (ready / "devpy.toml").write_text(TOML.replace("shared", base.name), encoding="utf-8")
    assert state(devpy, ready)[0] == "stale"
    assert_works(devpy, ready)
    yield base
    shutil.rmtree(base.prefix, ignore_errors=True)


def test_base_gets_and_loses_a_console_script(ready: Path, devpy: Devpy, own_base: CondaEnvironment) -> None:
    script = own_base.prefix / "bin" / "new-tool"
    script.write_text(f"#!{own_base.python}\nimport sys\nprint(sys.prefix)\n", encoding="utf-8")
    script.chmod(0o755)
    told, reasons = state(devpy, ready)
    assert (told, reasons) == ("stale", f"{own_base.prefix} has changed")
    result = devpy("new-tool", cwd=ready)
    assert result.out.strip() == str(ready / ".venv")
    assert "installed" not in result.err
    script.unlink()
    assert devpy("new-tool", cwd=ready).code == 127
    assert not os.path.lexists(ready / ".venv" / "bin" / "new-tool")
    assert state(devpy, ready) == ("current", "")


def test_base_loses_its_python_then_itself(ready: Path, devpy: Devpy, own_base: CondaEnvironment) -> None:
    before = listing(ready / ".venv")
    for path in own_base.prefix.glob("bin/python*"):
        path.unlink()
    assert state(devpy, ready)[0] == "stale"
    without_python = devpy("true", cwd=ready)
    shutil.rmtree(own_base.prefix)
    told, reasons = state(devpy, ready)
    assert told == "stale"
    assert str(own_base.prefix) in reasons
    without_base = devpy("true", cwd=ready)
    for result in (without_python, without_base, devpy("update-editables", cwd=ready)):
        assert result.code == 2
        assert result.err.startswith("devpy: ")
        assert own_base.name in result.err
        assert "Traceback" not in result.err
    assert listing(ready / ".venv") == before


def test_base_gets_another_python(
    ready: Path, devpy: Devpy, own_base: CondaEnvironment, conda_channel: Channel
) -> None:
    other = "3.13"
    specs = [conda_channel.add_python(other), *conda_channel.add_distributions(other, ["pip==24.3.1", "pytest"])]
    shutil.rmtree(own_base.prefix)
    create(own_base.prefix, conda_channel, specs)
    assert state(devpy, ready)[0] == "stale"
    result = assert_works(devpy, ready)
    assert f"Python {other}" in result.err
    assert [path.name for path in (ready / ".venv" / "lib").glob("python*")] == [f"python{other}"]
    assert not list((ready / ".venv" / "bin").glob("python3.11"))
    assert devpy("pytest", "--version", cwd=ready).code == 0


# Killed; at random moments, see test_killed.py.


def total_changes(root: Path, environ: Environ) -> int:
    """Count the changes that making an overlay takes: the first number that is not reached."""
    counting = KILLED.replace("if left < 0:", "if False:").replace("sys.exit(", "main(['--version']); sys.exit(")
    counting = counting.replace('sys.exit(main(["update-editables"]))', 'main(["update-editables"]); print(-left)')
    result = run([sys.executable, "-c", counting, "0", str(root / ".venv")], cwd=root, environ=environ)
    return int(result.out.split()[-1])


@pytest.mark.slow
def test_killed_while_the_overlay_is_made(
    tmp_path: Path, make_root: Callable[[Path], Path], devpy_environ: Environ
) -> None:
    devpy = Devpy(devpy_environ)
    root = make_root(tmp_path / "repository")
    total = total_changes(root, devpy_environ)
    assert total > 20
    moments = sorted({*range(1, 8), *range(8, total, total // 5), total - 1})
    if os.environ.get("DEVPY_FULL_MATRIX") == "1":
        moments = list(range(total))
    stuck = []
    for moment in moments:
        shutil.rmtree(root / ".venv")
        command = [sys.executable, "-c", KILLED, str(moment), str(root / ".venv")]
        assert run(command, cwd=root, environ=devpy_environ).code == -signal.SIGKILL
        result = devpy("python", "-c", WHERE, cwd=root)
        if result.out.strip() != own_module(root):
            stuck.append((moment, sorted(os.listdir(root / ".venv")), result.err))
    assert stuck == []


@pytest.mark.parametrize("moment", [1, 3, 8])
def test_killed_while_the_overlay_is_repaired(ready: Path, devpy: Devpy, devpy_environ: Environ, moment: int) -> None:
    moved = ready.rename(ready.with_name("moved"))
    command = [sys.executable, "-c", KILLED, str(moment), str(moved / ".venv")]
    assert run(command, cwd=moved, environ=devpy_environ).code == -signal.SIGKILL
    assert_works(devpy, moved)


@pytest.mark.parametrize("seconds", [0.4, 0.9, 1.4])
def test_killed_with_everything_it_has_started(
    root: Path, devpy: Devpy, devpy_environ: Environ, seconds: float
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "devpy_runner", "update-editables"],
        cwd=root,
        env=devpy_environ,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert_works(devpy, root)
