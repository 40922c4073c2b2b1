"""The one reader of an overlay's pyvenv.cfg (PEP 405), which also names the devpy.toml that governs the overlay."""

from __future__ import annotations

from .errors import DevpyError
from .files import read_bytes

FILE_NAME = "pyvenv.cfg"

CONFIG_KEY = "devpy-config"
"""Under which the absolute path of the devpy.toml or stack config stands there."""

_REBUILD = "rebuild the overlay: `devpy clean`, then `devpy update-editables`"


def read(path: str) -> dict[str, str]:
    """Return the values by their keys, white space around both removed.

    :param path: the file, absolute
    :raises DevpyError: if it cannot be read, or is not UTF-8
    """
    try:
        text = read_bytes(path).decode("utf-8")
    except DevpyError as error:
        raise DevpyError(error.problem, _REBUILD) from error
    except UnicodeDecodeError as error:
        raise DevpyError(f"{path}: not UTF-8 at byte {error.start}", _REBUILD) from error
    pairs = [line.partition("=") for line in text.split("\n") if "=" in line]
    return {key.strip(): value.strip() for key, _, value in pairs}


def config_file(path: str) -> str:
    """Return the absolute path of the file that governs an overlay, as recorded when the overlay was made.

    :param path: the overlay's pyvenv.cfg, absolute
    :raises DevpyError: if it cannot be read, or names no such file
    """
    config = read(path).get(CONFIG_KEY)
    if not config:
        raise DevpyError(f"{path}: {CONFIG_KEY}: missing", _REBUILD)
    return config


def keys(path: str) -> set[str]:
    """Return the keys; none if the file cannot be read.

    :param path: the file, absolute
    """
    try:
        return set(read(path))
    except DevpyError:
        return set()
