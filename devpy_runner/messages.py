"""Telling the user something, on stderr."""

from __future__ import annotations

import sys

from devpy_pip_guard.errors import printable


def tell(text: str) -> None:
    """Print a message, in devpy's name, if there is anywhere to print it to.

    :param text: what is wrong or being done; further lines say how to mend it
    """
    if sys.stderr is None:  # print would take stdout instead
        return
    try:
        print("devpy: " + printable(text, keep="\n\t"), file=sys.stderr, flush=True)
    except OSError:  # nobody listens; what devpy is doing goes on
        return
