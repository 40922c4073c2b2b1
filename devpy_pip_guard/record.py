"""The one reader of devpy.json, the record that an overlay keeps of itself; it is written by the virtualenv plugin."""

from __future__ import annotations

import json
import os
from typing import Any

from . import OVERLAY_RECORD
from .errors import DevpyError
from .files import read_bytes


def load(venv: str) -> dict[str, Any]:
    """Return what the record holds, unchecked; nothing if there is none, or it is broken.

    :param venv: the overlay, absolute
    """
    try:
        document = json.loads(read_bytes(os.path.join(venv, OVERLAY_RECORD)).decode("utf-8"))
    except (DevpyError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
