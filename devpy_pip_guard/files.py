"""Reading small files that others have written, or that may not be files at all."""

from __future__ import annotations

import os

from .errors import DevpyError

_MOST_BYTES = 1 << 20
"""What is longer was not meant for devpy, and might take minutes to parse."""


def read_bytes(path: str) -> bytes:
    """Return what a file holds.

    :param path: absolute
    :raises DevpyError: if it is not a regular file, cannot be read, or is longer than a megabyte
    """
    if not os.path.isfile(path) and os.path.exists(path):  # reading a FIFO would wait for ever
        raise DevpyError(f"{path}: not a regular file", "put a file in its place, or move it away")
    try:
        with open(path, "rb") as stream:
            content = stream.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:  # the latter: no file has a name like that
        problem = error.strerror if isinstance(error, OSError) else str(error)
        raise DevpyError(f"{path}: {problem}", "make the file readable") from error
    if len(content) > _MOST_BYTES:
        raise DevpyError(f"{path}: longer than a megabyte", "put another file in its place, or move it away")
    return content
