"""Whether an editable that pip was asked for is declared in the devpy.toml that governs this overlay."""

from __future__ import annotations

import json
import os

from . import OVERLAY, is_same_file
from .config import Config, load
from .errors import DevpyError
from .pyvenv_cfg import FILE_NAME, config_file

_UPDATE = "run `devpy update-editables`"


def check_path(path: str) -> None:
    """Refuse the project in a folder that is not declared.

    :param path: the folder with the pyproject.toml or setup.py, as it was asked for: through symlinks, with `..`
    :raises DevpyError: if the folder is not declared, or devpy.toml is missing or broken
    """
    real = os.path.realpath(path)
    config = _governing_config(real)
    if not any(is_same_file(real, declared) for declared in config.editables):
        relative = os.path.relpath(real, os.path.realpath(config.root))
        mend = f"add {_toml_string(relative)} to packages under [editables] there, then {_UPDATE}"
        raise DevpyError(f"{real} is not declared in {config.file}", mend)


def check_vcs(url: str) -> None:
    """Refuse a project that pip would clone: what devpy.toml declares is a folder.

    :param url: such as `git+https://host/project`, which may hold a password
    :raises DevpyError: always
    """
    shown = _without_credentials(url)
    config = _governing_config(shown)
    mend = f"clone it, add the folder of the clone to packages under [editables] there, then {_UPDATE}"
    raise DevpyError(f"{shown} is not a folder, so {config.file} cannot declare it", mend)


def _governing_config(requested: str) -> Config:
    """Read what is declared at this moment."""
    try:
        path = config_file(os.path.join(OVERLAY, FILE_NAME))
        if not os.path.exists(path):
            raise DevpyError(f"missing {path}", f"put it back, then {_UPDATE}")
        return load(path)
    except DevpyError as error:
        raise DevpyError(f"cannot tell whether {requested} is declared: {error.problem}", error.mend) from error


def _without_credentials(url: str) -> str:
    from urllib.parse import urlsplit  # takes long, and pytest's plugin does without

    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _toml_string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
