"""devpy ended from outside at any moment: the next command repairs what is left, and imports the right code."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from . import sample_worktree
from .commands import DEVPY, Devpy
from .environments import CondaEnvironment, MakeCondaEnv
from .projects import MakeRepository
from .sample_worktree import ORIGIN, full, own_module, start, wrong

pytestmark = pytest.mark.slow

Environ = dict[str, str]  # the variables of a process

# At the end of the build backend: a build that takes as long as there is a file called `wait`.
SLOW_BUILD = """
import time

def log(text):
    with open("log", "a", encoding="utf-8") as stream:
        stream.write(text + "\\n")

def build_editable(*arguments, build=build_editable):
    log("begin")
    while os.path.exists("wait"):
        time.sleep(0.01)
    log("end")
    return build(*arguments)
"""

# Kills pip, and all that belongs to it, ahead of the change to the overlay that has this number, and counts them.
KILLED_PIP = """
import os, signal, sys

done, last, venv = 0, int(os.environ.get("KILLED_AT", "-1")), os.environ.get("KILLED_IN", "")

def watch(event, arguments):
    global done
    is_change = event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir")
    if event == "open":
        is_change = isinstance(arguments[2], int) and bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))
    if is_change and any(str(argument).startswith(venv) for argument in arguments):
        if done == last:
            os.killpg(0, signal.SIGKILL)
        done += 1

if "pip" in sys.orig_argv and venv:
    sys.addaudithook(watch)
"""


@pytest.fixture
def root(tmp_path: Path, repository: MakeRepository, conda_env: CondaEnvironment) -> Path:
    """A worktree without an overlay."""
    return sample_worktree.make(tmp_path / "repository", repository, conda_env)


def fresh(root: Path, devpy: Devpy) -> list[str]:
    assert devpy("clean", cwd=root).code == 0
    return ["update-editables"]


def ready(root: Path, devpy: Devpy) -> list[str]:
    assert wrong(devpy, root) == ""
    return ["update-editables", "--reinstall"]


def stale(root: Path, devpy: Devpy) -> list[str]:
    """Let both the overlay's own files and its package be in need of work."""
    assert wrong(devpy, root) == ""
    (root / ".venv" / "lib" / "devpy" / "base-script").unlink()
    with (root / "self-built" / "pyproject.toml").open("a", encoding="utf-8") as stream:
        stream.write("# edited\n")
    return ["update-editables"]


def to_be_removed(root: Path, devpy: Devpy) -> list[str]:
    assert wrong(devpy, root) == ""
    return ["clean"]


Start = Callable[[Path, Devpy], list[str]]


def duration(start_from: Start, root: Path, devpy: Devpy) -> float:
    """Return how long the command takes, in seconds."""
    command = start_from(root, devpy)
    before = time.monotonic()
    assert devpy(*command, cwd=root).code == 0
    return time.monotonic() - before


@pytest.mark.parametrize("starts", [[fresh, ready, stale], [to_be_removed]], ids=["update-editables", "clean"])
def test_killed_at_any_moment(starts: list[Start], root: Path, devpy: Devpy, devpy_environ: Environ) -> None:
    """Either devpy alone, so that its pip goes on, or devpy and all that it has started."""
    takes = {each: duration(each, root, devpy) for each in starts}
    stuck = []
    for moment in range(200 if full() else 6):
        draw = random.Random(moment)  # noqa: S311 - the same moments every time
        start_from = starts[moment % len(starts)]
        command = start_from(root, devpy)
        seconds, kill = draw.uniform(0, takes[start_from]), draw.choice([os.kill, os.killpg])
        with start(*command, root=root, environ=devpy_environ) as process:
            time.sleep(seconds)
            kill(process.pid, signal.SIGKILL)
        told = wrong(devpy, root)
        if told:
            stuck.append(f"{start_from.__name__}, {kill.__name__} after {seconds:.3f} s (moment {moment}): {told}")
            shutil.rmtree(root / ".venv")
    assert not stuck, "\n".join(stuck)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_pip_that_has_been_left_alone_is_waited_for(
    root: Path, devpy: Devpy, devpy_environ: Environ, number: signal.Signals
) -> None:
    package = root / "self-built"
    with (package / "backend.py").open("a", encoding="utf-8") as stream:
        stream.write(SLOW_BUILD)
    (package / "wait").touch()
    with start("update-editables", root=root, environ=devpy_environ) as first:
        wait_for(lambda: (package / "log").exists())
        first.send_signal(number)
    with start("python", "-c", ORIGIN, root=root, environ=devpy_environ) as second:
        assert second.stderr is not None
        told = second.stderr.readline()
        (package / "wait").unlink()
        out, err = second.communicate()
    assert told == f"devpy: waiting for another devpy that is changing {root / '.venv'}\n"
    assert (second.returncode, out) == (0, f"{own_module(root)}\n"), err
    assert (package / "log").read_text("utf-8").split() == ["begin", "end"] * 2
    assert wrong(devpy, root) == ""


def test_interrupt_leaves_the_packages_as_they_were(root: Path, devpy: Devpy, devpy_environ: Environ) -> None:
    package = root / "self-built"
    assert wrong(devpy, root) == ""
    with (package / "backend.py").open("a", encoding="utf-8") as stream:
        stream.write(SLOW_BUILD)
    (package / "wait").touch()
    with start("update-editables", "--reinstall", root=root, environ=devpy_environ) as process:
        wait_for(lambda: (package / "log").exists())
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, err = process.communicate()
    assert (process.returncode, err) == (-signal.SIGINT, "")
    (package / "wait").unlink()
    assert devpy("--no-sync", "sample-self-built", cwd=root).out == f"{own_module(root)}\n"
    assert wrong(devpy, root) == ""


def test_killed_at_any_change_to_the_overlay(root: Path, devpy: Devpy, devpy_environ: Environ) -> None:
    """While devpy itself installs the package: its files are replaced one by one."""
    program = KILLED_PIP.replace('"pip" in sys.orig_argv and venv', "True").replace(
        "os.killpg(0", "os.kill(os.getpid()"
    )
    command = [sys.executable, "-c", f"{program}\nfrom devpy_runner.cli import main\nsys.exit(main())"]
    assert_repaired_wherever_killed(command, root, devpy, devpy_environ, step=1 if full() else 3)


def assert_repaired_wherever_killed(command: list[str], root: Path, devpy: Devpy, environ: Environ, step: int) -> None:
    """Update with `KILLED_PIP` at work, killed ahead of every so many changes to the overlay until none is left."""
    killed, stuck = 0, []
    while True:
        assert wrong(devpy, root) == ""
        told_when = {**environ, "KILLED_IN": str(root / ".venv"), "KILLED_AT": str(killed)}
        ended = subprocess.run(
            [*command, "update-editables", "--reinstall"],
            cwd=root, env=told_when, stdin=subprocess.DEVNULL, capture_output=True, start_new_session=True, check=False,
        )  # fmt: skip
        told = wrong(devpy, root)
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL
        if told:
            stuck.append(f"ahead of change {killed}: {told}")
            shutil.rmtree(root / ".venv")
        killed += step
    assert killed > 10
    assert not stuck, "\n".join(stuck)


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError


def test_pip_killed_at_any_change(
    tmp_path: Path, conda_env: CondaEnvironment, make_conda_env: MakeCondaEnv, repository: MakeRepository, devpy: Devpy,
    devpy_environ: Environ,
) -> None:  # fmt: skip
    base = make_conda_env.clone(conda_env, "whose-pip-is-killed")
    (base.site_packages / "sitecustomize.py").write_text(KILLED_PIP, encoding="utf-8")
    root = sample_worktree.make(tmp_path / "repository", repository, base)
    with (root / "devpy.toml").open("a", encoding="utf-8") as stream:
        stream.write('installer = "pip"\n')
    assert_repaired_wherever_killed(DEVPY, root, devpy, devpy_environ, step=1 if full() else 7)
