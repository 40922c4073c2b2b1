"""Removing an overlay."""

from __future__ import annotations

import os
from errno import EEXIST, ENOTEMPTY

from devpy_pip_guard.errors import DevpyError
from devpy_virtualenv_plugin import record
from devpy_virtualenv_plugin.lock import empty, locked


def remove(venv: str) -> None:
    """Remove an overlay, waiting for whoever is changing it; a symlink in its place is unlinked, not followed.

    :param venv: absolute
    :raises DevpyError: if it does not carry devpy's mark by the time that nobody else changes it
    """
    if os.path.islink(venv):
        os.unlink(venv)
        return
    with locked(venv):
        if os.path.islink(venv) or not (record.is_marked(venv) or record.is_vacant(venv)):
            raise DevpyError(f"{venv} was not made by devpy", "see what has come there meanwhile")
        empty(venv)
        os.unlink(os.path.join(venv, record.LOCK_NAME))
        try:
            os.rmdir(venv)
        except OSError as error:
            if error.errno not in (ENOTEMPTY, EEXIST):  # somebody else has begun to make a new one there
                raise
