"""The lock under which an overlay is changed, and the one change that both packages make: emptying it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import filelock

from .record import FILE_NAME, LOCK_NAME

_SILENT_SECONDS = 1.0


@contextmanager
def locked(venv: str) -> Iterator[None]:
    """Let nobody else change an overlay meanwhile; makes its folder if need be.

    The lock goes with the overlay: whoever has waited for one that has been removed starts over. It can be taken again
    by who holds it.

    :param venv: absolute
    :raises OSError: if the folder cannot be made or written to
    """
    path = os.path.join(venv, LOCK_NAME)
    lock = filelock.FileLock(path, is_singleton=True)
    while True:
        os.makedirs(venv, exist_ok=True)
        try:
            _acquire(lock, venv)
        except FileNotFoundError:
            continue
        if os.path.exists(path):
            break
        lock.release()
    try:
        yield
    finally:
        lock.release()


def _acquire(lock: filelock.BaseFileLock, venv: str) -> None:
    """Take the lock, with a word to the user if that takes a while."""
    try:
        lock.acquire(timeout=_SILENT_SECONDS)
    except filelock.Timeout:
        if sys.stderr is not None:
            print(f"devpy: waiting for another devpy that is changing {venv}", file=sys.stderr, flush=True)
        lock.acquire()


def empty(venv: str) -> None:
    """Remove what is in an overlay, all but the lock. Call it under the lock.

    Its programs go first, since without pyvenv.cfg they would run as the base's; devpy's mark goes last, so that an
    interrupted removal can be taken up again.

    :param venv: absolute; carries devpy's mark
    """
    import shutil

    order = {"bin": 0, FILE_NAME: 2}
    entries = sorted(os.scandir(venv), key=lambda entry: order.get(entry.name, 1))
    for entry in entries:
        if entry.name == LOCK_NAME:
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)
