"""What a check says."""

from __future__ import annotations

from typing import NamedTuple

OK = "ok"
WARNING = "warning"
FAILED = "failed"
SKIPPED = "skipped"
STATES = (OK, WARNING, FAILED, SKIPPED)


class Verdict(NamedTuple):
    """One line of `devpy doctor`."""

    check: str
    """The name of the check, a word or two."""
    state: str
    """One of the four states above; a single FAILED one makes devpy exit with 1."""
    text: str
    """What was found, in one line that names the path, key or value."""
    mend: str = ""
    """The command that mends it, or what to do; empty if nothing has to be done."""


class Skipped(Exception):  # noqa: N818 - it tells of no error
    """A check cannot be made. devpy shows it as skipped.

    :param reason: what is missing, as in "no overlay"
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
