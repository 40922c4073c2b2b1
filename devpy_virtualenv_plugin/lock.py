"""The lock under which an overlay is changed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import filelock

from .record import LOCK_NAME


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
            lock.acquire()
        except FileNotFoundError:
            continue
        if os.path.exists(path):
            break
        lock.release()
    try:
        yield
    finally:
        lock.release()
