"""Builds editable wheels (PEP 660): run by its path in an overlay's Python, it is no part of devpy.

Standard library of Python 3.8 only.

    builder.py FOLDER < tasks

The tasks are a JSON list; each has the folder of a package, `path`, its `backend` and `backend_path` as its
pyproject.toml has them (PEP 517), and a `name` for the files in FOLDER: `NAME.out` for what the backend prints, and a
folder NAME for its wheel. An answer is JSON, in one line on stdout, and comes as soon as it is known: the `name`, and
the `wheel`, or what is `missing`, or how the build has `failed`.

A backend is imported once, and each package is built in a fork of this process.
"""

from __future__ import annotations

import os
import sys

if sys.path and sys.path[0] == os.path.dirname(os.path.abspath(__file__)):
    del sys.path[0]  # the folder of this file, which belongs to devpy

import json
import re
import traceback
from contextlib import suppress
from errno import EDQUOT, ENOSPC
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    Task = dict[str, Any]

_MISSING, _FAILED, _FULL = 3, 4, 5
"""What a fork ends with if something that it needs is missing, if the backend has failed, and if the disk is full."""


def main(folder: str, tasks: list[Task]) -> None:
    """Build the packages, as many at once as there are processors."""
    for backend in {task["backend"] for task in tasks if not task["backend_path"]}:
        _import_early(backend.partition(":")[0])
    running: dict[int, Task] = {}
    waiting = list(tasks)
    most = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    while waiting or running:
        while waiting and len(running) < most:
            task = waiting.pop(0)
            running[_start(folder, task)] = task
        pid, status = os.wait()
        if pid in running:  # else something that a backend has left behind
            _answer(folder, running.pop(pid), status)


def _import_early(module: str) -> None:
    with suppress(Exception):  # the build of the package tells what is wrong
        import_module(module)


def _start(folder: str, task: Task) -> int:
    """Start the build of a package in a fork, and return its process id."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = _FAILED
    try:
        code = _build(folder, task)
    except SystemExit as error:
        _print(str(error))
    except BaseException as error:  # noqa: BLE001 - whatever the backend raises
        code = _FULL if getattr(error, "errno", None) in (ENOSPC, EDQUOT) else _FAILED
        _print(traceback.format_exc())
    finally:
        _print("")
        os._exit(code)


def _print(text: str) -> None:
    """Print what a build leaves, as far as there is room for it."""
    with suppress(OSError):
        print(text, end="", flush=True)


def _build(folder: str, task: Task) -> int:
    printed = os.open(os.path.join(folder, task["name"] + ".out"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for descriptor in (1, 2):
        os.dup2(printed, descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(task["path"])
    sys.path[:0] = [os.path.join(task["path"], entry) for entry in task["backend_path"]]
    sys.argv = [os.path.join(task["path"], "setup.py")]
    module, _, attributes = task["backend"].partition(":")
    backend = import_module(module)
    for attribute in filter(None, attributes.split(".")):
        backend = getattr(backend, attribute)
    if not hasattr(backend, "build_editable"):
        return _note_missing(folder, task, f"build_editable of {task['backend']}")
    missing = [text for text in _asked_for(backend) if not _is_installed(text)]
    if missing:
        return _note_missing(folder, task, ", ".join(missing))
    wheels = os.path.join(folder, task["name"])
    os.mkdir(wheels)
    wheel = backend.build_editable(wheels, None, None)
    with open(os.path.join(wheels, "name"), "w", encoding="utf-8", errors="surrogateescape") as stream:
        stream.write(os.path.join(wheels, wheel))
    return 0


def _asked_for(backend: Any) -> list[str]:
    """Return what the backend needs to build this package, besides what its pyproject.toml requires."""
    hook = getattr(backend, "get_requires_for_build_editable", None)
    return hook(None) if hook is not None else []


def _note_missing(folder: str, task: Task, what: str) -> int:
    with open(os.path.join(folder, task["name"] + ".missing"), "w", encoding="utf-8") as stream:
        stream.write(what)
    return _MISSING


def _is_installed(requirement: str) -> bool:
    """Tell whether there is any version of what a backend asks for. What is not certain counts as missing."""
    name = re.match(r"\s*[A-Za-z0-9._-]+", requirement)
    try:
        return name is not None and distribution(name.group().strip()) is not None
    except PackageNotFoundError:
        return False


def _answer(folder: str, task: Task, status: int) -> None:
    answer = {"name": task["name"]}
    code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
    wheel = _text(os.path.join(folder, task["name"], "name")) if code == 0 else ""
    if wheel:
        answer["wheel"] = wheel
    elif code == _MISSING:
        answer["missing"] = _text(os.path.join(folder, task["name"] + ".missing"))
    elif code == _FULL:
        answer["failed"] = f"failed: {os.strerror(ENOSPC)}"
    else:
        answer["failed"] = f"was ended by signal {os.WTERMSIG(status)}" if code is None else "failed"
    print(json.dumps(answer), flush=True)


def _text(path: str) -> str:
    """Return what a fork has left; empty if it has ended before it could."""
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8", errors="surrogateescape") as stream:
        return stream.read()


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.stdin.read()))
