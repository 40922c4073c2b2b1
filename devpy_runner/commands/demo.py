"""Show what devpy does: one base, two git worktrees of a throwaway repository, and each importing its own code."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from time import perf_counter

from devpy_pip_guard.errors import DevpyError

from ..base.prefix import check_prefix
from ..plugin.manager import find_base
from . import demo_base

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Mapping


WORKTREES = ("main", "feature")

_PROJECT = {
    "pyproject.toml": """\
[build-system]
requires = ["flit_core>=3.2,<5"]
build-backend = "flit_core.buildapi"

[project]
name = "greeter"
version = "1.0"
description = "The package that both worktrees work on"
""",
    "src/greeter/__init__.py": 'GREETING = "hello from main"\n',
    ".gitignore": ".venv/\n__pycache__/\n",
}
_UNDECLARED_PROJECT = {"pyproject.toml": _PROJECT["pyproject.toml"].replace("greeter", "undeclared")}
_CODE = "import greeter; print(greeter.__file__)"


def add_options(parser: ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--keep", metavar="DIR", help="make everything in DIR, which must not exist, and leave it there"
    )
    parser.add_argument("--base", metavar="NAME", help="use this conda environment instead of one made for the demo")


def execute(arguments: Namespace) -> int:
    """Run the demo and check what it shows.

    :return: 0 if each worktree has imported its own code and the guard has refused the undeclared editable, else 1
    :raises DevpyError: if the demo cannot be set up
    """
    with _folder(arguments.keep) as folder:
        folder = os.path.realpath(folder)
        base = _made_base(os.path.join(folder, "base")) if arguments.base is None else _named_base(arguments.base)
        _make_worktrees(folder, base)
        results = [_install_and_import(os.path.join(folder, name)) for name in WORKTREES]
        correct = all(results) and _try_undeclared(folder)
    print("\nAll as it should be." if correct else "\nSomething is wrong; see above.")
    return 0 if correct else 1


def _folder(keep: str | None) -> tempfile.TemporaryDirectory[str] | nullcontext[str]:
    if keep is None:
        return tempfile.TemporaryDirectory(prefix="devpy-demo-")
    if not keep or os.path.lexists(keep):
        raise DevpyError(f"--keep {keep}: exists already", "name a folder that does not")
    os.makedirs(keep)
    return nullcontext(keep)


def _made_base(prefix: str) -> str:
    started = perf_counter()
    demo_base.make(prefix)
    print(f"base      {prefix}  (made from {sys.executable} in {perf_counter() - started:.1f} s)")
    return prefix


def _named_base(name: str) -> str:
    base = find_base(os.path.abspath(os.path.expanduser(name)) if "/" in name else name, os.environ)
    check_prefix(base.prefix)
    print(f"base      {base.prefix}")
    return base.prefix


def _make_worktrees(folder: str, base: str) -> None:
    """Make a repository and a second worktree of it, whose code differs."""
    main, feature = (os.path.join(folder, name) for name in WORKTREES)
    quoted = json.dumps(base, ensure_ascii=False)
    config = f'[python]\nbase_conda_env = {quoted}\n\n[editables]\npackages = ["."]\n'
    _write(main, {**_PROJECT, "devpy.toml": config})
    _write(os.path.join(folder, "undeclared"), _UNDECLARED_PROJECT)
    _git(main, "init", "--quiet", "--initial-branch=main")
    _git(main, "add", ".")
    _git(main, "-c", "user.name=devpy", "-c", "user.email=devpy@localhost", "commit", "--quiet", "-m", "First")
    _git(main, "worktree", "add", "--quiet", "-b", "feature", feature)
    _write(feature, {"src/greeter/__init__.py": 'GREETING = "hello from feature"\n'})


def _install_and_import(root: str) -> bool:
    """Make a worktree's overlay, and show which file each way of starting Python imports there.

    :return: whether it is the worktree's own file both times
    """
    started = perf_counter()
    updated = _devpy(root, "update-editables")
    if updated.returncode != 0:
        print(f"\n{root}\n{updated.stderr}", end="")
        return False
    seconds = perf_counter() - started
    venv = os.path.join(root, ".venv")
    print(f"\nworktree  {root}  (ready in {seconds:.1f} s, .venv takes {_disk_usage(venv) // 1024} KB)")
    by_devpy = _devpy(root, "python", "-c", _CODE)
    by_itself = _start([os.path.join(venv, "bin", "python"), "-c", _CODE], root)
    print(f"  devpy python      imports {by_devpy.stdout.strip() or by_devpy.stderr}")
    print(f"  .venv/bin/python  imports {by_itself.stdout.strip() or by_itself.stderr}")
    expected = os.path.join(root, "src", "greeter", "__init__.py")
    return by_devpy.stdout.strip() == by_itself.stdout.strip() == expected


def _try_undeclared(folder: str) -> bool:
    """Show that pip in an overlay refuses an editable that devpy.toml does not declare.

    :return: whether it does
    """
    root = os.path.join(folder, WORKTREES[0])
    pip = os.path.join(root, ".venv", "bin", "pip")
    refused = _start([pip, "install", "--no-deps", "-e", os.path.join(folder, "undeclared")], root)
    print(f"\nguard     .venv/bin/pip install -e ../undeclared  (exit code {refused.returncode})")
    print("".join(f"  {line}\n" for line in refused.stderr.splitlines()), end="")
    return refused.returncode == 1 and "devpy.toml" in refused.stderr


def _devpy(root: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return _start([sys.executable, "-m", "devpy_runner", *arguments], root)


def _git(folder: str, *arguments: str) -> None:
    if shutil.which("git") is None:
        raise DevpyError("git: command not found", "install git")
    done = _start(["git", *arguments], folder)
    if done.returncode != 0:
        raise DevpyError(f"git {arguments[0]} failed: {done.stderr.strip()}", "see that git works: git --version")


def _start(command: list[str], cwd: str) -> subprocess.CompletedProcess[str]:
    # In a git hook, these variables would lead git to another repository than the demo's.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, check=False)


def _write(folder: str, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = os.path.join(folder, *name.split("/"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)


def _disk_usage(folder: str) -> int:
    """Return the bytes that a folder takes on disk, as `du` counts them."""
    blocks = 0
    for parent, _, names in os.walk(folder):
        blocks += sum(os.lstat(os.path.join(parent, name)).st_blocks for name in (os.curdir, *names))
    return blocks * 512
