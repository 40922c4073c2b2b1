"""Looks at files and folders: at what others have written, what may not be there, or what may be no file at all.

Whoever draws an answer from the file system looks at it through this module. An observer hears of every look. As long
as all looks show what they have shown, the answer is still the same. A look is noted before the file is read: if the
file changes in between, the look shows the former state, and the answer is drawn anew.
"""

from __future__ import annotations

import os
from stat import S_ISDIR, S_ISREG

from .errors import DevpyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterator, Protocol

    class Observer(Protocol):
        """What hears of the looks."""

        def note(self, look: str, path: str, shown: str) -> None:
            """Hear of the name of a look, of the path, and of what it has shown."""

        def note_variable(self, name: str, value: str | None) -> None:
            """Hear of the value that an environment variable has, None if it is not set."""


ABSENT = "-"
"""What `state` and `kind` show where there is nothing."""

observers: list[Observer] = []

_FILE = "file"
_FOLDER = "folder"
_LONGEST_BEGINNING = 4096
_EXEC = (b"'''exec' ", b'"exec" ')
"""How the second line of a script begins that names the interpreter there; to Python, it is part of a string."""

_MOST_BYTES = 1 << 20
"""A longer file was not meant for devpy, and might take minutes to parse."""


def state(path: str) -> str:
    """Return a text that changes with a file, or with the list of what is in a folder."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # ValueError: no file can have such a name
        return ABSENT
    return f"{status.st_dev} {status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def kind(path: str) -> str:
    """Return a text that tells what is at a path: a file, a folder, something else, or nothing."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return ABSENT
    return _FILE if S_ISREG(mode) else _FOLDER if S_ISDIR(mode) else "other"


def link(path: str) -> str:
    """Return where a symlink leads, as it is written there; empty if there is none at the path."""
    try:
        return os.readlink(path)
    except (OSError, ValueError):
        return ""


def permission(path: str) -> str:
    """Return a text that tells what this user may do with a file or folder."""
    return ("w" if os.access(path, os.W_OK) else "") + ("x" if os.access(path, os.X_OK) else "")


LOOKS = (state, kind, link, permission)


def _look(look: Callable[[str], str], path: str) -> str:
    shown = look(path)
    for observer in observers:
        observer.note(look.__name__, path, shown)
    return shown


def exists(path: str) -> bool:
    """Do what `os.path.exists` does."""
    return _look(kind, path) != ABSENT


def is_file(path: str) -> bool:
    """Do what `os.path.isfile` does."""
    return _look(kind, path) == _FILE


def is_dir(path: str) -> bool:
    """Do what `os.path.isdir` does."""
    return _look(kind, path) == _FOLDER


def link_target(path: str) -> str:
    """Return where a symlink leads, as it is written there; empty if there is none at the path."""
    return _look(link, path)


def may_write(path: str) -> bool:
    """Tell whether this user may write to a file or folder."""
    return "w" in _look(permission, path)


def may_execute(path: str) -> bool:
    """Tell whether this user may start a program."""
    return "x" in _look(permission, path)


def real_path(path: str) -> str:
    """Do what `os.path.realpath` does.

    :param path: absolute
    """
    if observers:
        _look_for_links(path, set())
    return os.path.realpath(path)


def _look_for_links(path: str, seen: set[str]) -> None:
    """Look at each part of a path, and of where it leads, that is a symlink or may become one."""
    parent = os.path.dirname(path)
    if parent == path or path in seen:
        return
    seen.add(path)
    _look_for_links(parent, seen)
    target = _look(link, path)
    if target:
        _look_for_links(os.path.join(parent, target), seen)


def with_parents(folder: str) -> Iterator[str]:
    """Yield a folder, absolute, and each one that it lies in, the innermost first."""
    yield folder
    while folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
        yield folder


def git_dir(root: str) -> str:
    """Return git's folder for the worktree at a root, which need not be there; empty if that is no git worktree.

    :param root: absolute
    """
    dot_git = os.path.join(root, ".git")
    if is_file(os.path.join(dot_git, "HEAD")):
        return dot_git
    if not is_file(dot_git):
        return ""
    try:
        pointer = read_bytes(dot_git)  # of a linked worktree or a submodule
    except DevpyError:
        return dot_git  # there is nothing in it; git knows what is wrong
    return os.path.join(root, os.fsdecode(pointer).partition("gitdir:")[2].strip())


def expand_user(path: str) -> str:
    """Do what `os.path.expanduser` does."""
    if path.startswith("~"):
        for observer in observers:
            observer.note_variable("HOME", os.environ.get("HOME"))
    return os.path.expanduser(path)


def note_read(path: str) -> None:
    """Let the observers know that a file is about to be read, or a folder to be listed, without this module."""
    _look(state, path)


def status(path: str) -> os.stat_result:
    """Do what `os.stat` does.

    :raises OSError: as `os.stat` does
    """
    note_read(path)
    return os.stat(path)


def is_same_folder(path1: str, path2: str) -> bool:
    """Tell whether two paths, links and mounts among them, lead to one folder; none is the same as one that is gone."""
    try:
        return path1 == path2 or os.path.samestat(status(path1), status(path2))
    except OSError:
        return False


def names_in(folder: str) -> list[str]:
    """Return what is in a folder, which is nothing if it cannot be read."""
    note_read(folder)
    try:
        return os.listdir(folder)
    except OSError:
        return []


def scan(folder: str) -> list[os.DirEntry[str]]:
    """Return what is in a folder.

    :raises OSError: as `os.scandir` does
    """
    note_read(folder)
    return list(os.scandir(folder))


def beginning(path: str, most: int = _LONGEST_BEGINNING) -> bytes:
    """Return the first bytes of a file, as many as matter for `#!`; none if it cannot be read.

    :param path: no FIFO, which would be waited for
    :param most: how many
    """
    note_read(path)
    try:
        with open(path, "rb") as stream:
            return stream.read(most)
    except OSError:
        return b""


def shebang(beginning: bytes) -> list[str]:
    """Return the command that a script's first lines name: its interpreter, then the arguments.

    pip and conda write a path that is too long for the first line, or holds a space, into the second one, as a command
    of the shell. It is taken apart by hand: running a command may come here, and importing shlex would take long.

    :param beginning: of the file
    :return: nothing for a file that is no script
    """
    line, _, rest = beginning.partition(b"\n")
    if not line.startswith(b"#!"):
        return []
    if line == b"#!/bin/sh" and rest.startswith(_EXEC):
        line = rest.partition(b"\n")[0].partition(b" ")[2]
        quote = line[:1] if line[:1] in (b'"', b"'") else b" "
        interpreter, _, arguments = line.lstrip(quote).partition(quote)
        return [os.fsdecode(word) for word in (interpreter, *arguments.split())]
    return [os.fsdecode(word) for word in line[2:].split()]


def read_bytes(path: str) -> bytes:
    """Return what a file holds.

    :param path: absolute
    :raises DevpyError: if it is not a regular file, cannot be read, or is longer than a megabyte
    """
    note_read(path)
    if not os.path.isfile(path) and os.path.exists(path):  # reading a FIFO would wait for ever
        raise DevpyError(f"{path}: not a regular file", "put a file in its place, or move it away")
    try:
        with open(path, "rb") as stream:
            content = stream.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: no file can have such a name
        problem = error.strerror if isinstance(error, OSError) else str(error)
        raise DevpyError(f"{path}: {problem}", "make the file readable") from error
    if len(content) > _MOST_BYTES:
        raise DevpyError(f"{path}: longer than a megabyte", "put another file in its place, or move it away")
    return content
