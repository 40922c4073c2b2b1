"""Messages to the user, on stderr."""

from __future__ import annotations

import sys

from devpy_pip_guard.errors import printable


def tell(text: str) -> None:
    """Print a message that starts with `devpy:`, unless stderr is closed.

    :param text: what is wrong or being done; further lines say how to mend it
    """
    if sys.stderr is None:  # print would write to stdout instead
        return
    try:
        print("devpy: " + printable(text, keep="\n\t"), file=sys.stderr, flush=True)
    except OSError:  # nobody reads stderr; devpy goes on with what it is doing
        return
