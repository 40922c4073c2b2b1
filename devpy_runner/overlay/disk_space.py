"""One error for a full disk, whichever program has met with it."""

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
    """Within this context, an overlay is changed; an error that comes from a full disk is replaced by one that says so.

    The system's own error may name no file, or the file that was being copied. Errors of pip and of the base's Python
    are known by what they have printed, which contains the system's words.

    :param venv: absolute
    :raises DevpyError: if no disk space was left for the overlay, or for temporary files
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
    """Tell whether an error, such as what pip has ended with, comes from a lack of disk space."""
    return bool(_lacking(error))


def _lacking(error: BaseException) -> str:
    return next((words for words in _WORDS if words in str(error)), "")
