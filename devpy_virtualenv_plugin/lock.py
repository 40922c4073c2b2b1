"""The lock under which an overlay is changed, and the one change that both packages make: emptying it."""

from __future__ import annotations

import errno
import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from .mounts import refuse_mounts
from .record import FILE_NAME, LOCK_NAME

_SILENT_SECONDS = 1.0
_POLL_SECONDS = 0.05

_held: dict[str, int] = {}
"""The descriptors of the lock files that this process has locked, by path."""


@contextmanager
def locked(venv: str) -> Iterator[None]:
    """Let nobody else change an overlay meanwhile; makes its folder if there is none.

    The lock file is removed with the overlay; who has waited for it then starts over. The process that holds the lock
    can take it again. Child processes that are given the descriptors of `held` keep it even if this process is killed.
    That is why the lock is made by hand: pip must inherit it.

    :param venv: absolute
    :raises OSError: if the folder cannot be made or written to
    """
    path = os.path.join(os.path.realpath(venv), LOCK_NAME)
    if path in _held:
        yield
        return
    descriptor = _held[path] = _acquire(path, venv)
    try:
        yield
    finally:
        del _held[path]
        _flock(descriptor, fcntl.LOCK_UN)  # a process that pip has left running may have the file open as well
        os.close(descriptor)


def held() -> list[int]:
    """Return the descriptors to pass on to child processes that change an overlay."""
    return list(_held.values())


def is_held(venv: str) -> bool:
    """Tell whether somebody is changing an overlay at this moment; changes nothing itself.

    :param venv: absolute
    """
    try:
        descriptor = os.open(os.path.join(os.path.realpath(venv), LOCK_NAME), os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        _flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return True
    finally:
        os.close(descriptor)
    return False


def _acquire(path: str, venv: str) -> int:
    """Return the descriptor of the lock file, once it is locked and still the one at its path."""
    while True:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        except FileNotFoundError:  # the folder has just been removed again
            continue
        try:
            _wait(descriptor, venv)
            if _is_at(path, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _wait(descriptor: int, venv: str) -> None:
    """Lock a file; tell the user if that takes a while."""
    deadline = time.monotonic() + _SILENT_SECONDS
    while time.monotonic() < deadline:
        try:
            return _flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):  # which of them it is depends on the file system
            time.sleep(_POLL_SECONDS)
    if sys.stderr is not None:
        print(f"devpy: waiting for another devpy that is changing {venv}", file=sys.stderr, flush=True)
    return _flock(descriptor, fcntl.LOCK_EX)


def _flock(descriptor: int, operation: int) -> None:
    """Lock or unlock a file, if its file system has locks: some network file systems have none."""
    try:
        fcntl.flock(descriptor, operation)
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EOPNOTSUPP):
            raise


def _is_at(path: str, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def empty(venv: str) -> None:
    """Remove what is in an overlay, all but the lock. Call it under the lock.

    Its packages go first, in one step: an interruption must not leave a package that lacks a part. Its programs go
    next: without pyvenv.cfg they would run as the base's. devpy's mark goes last, so that an interrupted removal can be
    resumed.

    :param venv: absolute; carries devpy's mark
    :raises DevpyError: if something is mounted in it
    """
    import shutil

    refuse_mounts(venv)
    _set_packages_aside(venv)
    order = {"bin": 0, FILE_NAME: 2}
    entries = sorted(os.scandir(venv), key=lambda entry: order.get(entry.name, 1))
    for entry in entries:
        if entry.name == LOCK_NAME:
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)


def _set_packages_aside(venv: str) -> None:
    packages = os.path.join(venv, "lib")
    if os.path.isdir(packages) and not os.path.islink(packages):
        os.rename(packages, f"{packages}.removed-{os.getpid()}")
