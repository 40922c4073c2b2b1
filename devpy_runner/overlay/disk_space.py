"""Telling that there is no room for an overlay, whoever has come upon it."""

from __future__ import annotations

import os
from contextlib import contextmanager
from errno import EDQUOT, ENOSPC

from devpy_pip_guard.errors import DevpyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_WORDS = tuple(os.strerror(code) for code in (ENOSPC, EDQUOT))


@contextmanager
def needed(venv: str) -> Iterator[None]:
    """Change an overlay; should that end for want of room, the error says so and no more.

    The system's error may name no file, or the one that was being copied. Those of pip and of the base's Python come as
    what they have printed, with the system's words in it.

    :param venv: absolute
    :raises DevpyError: if there was no room in the overlay, or for temporary files
    """
    try:
        yield
    except (OSError, DevpyError) as error:
        words = _lacking(error)
        if not words:
            raise
        mend = "make room there and for temporary files (TMPDIR), then: devpy update-editables"
        raise DevpyError(f"{venv}: {words}", mend) from error


def is_lacking(error: BaseException) -> bool:
    """Tell whether an error, such as what pip has ended with, comes from a lack of room."""
    return bool(_lacking(error))


def _lacking(error: BaseException) -> str:
    return next((words for words in _WORDS if words in str(error)), "")
