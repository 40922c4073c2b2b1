"""Starting a program that has a limited time and must not outlive it."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

SECONDS = 60.0
"""How long a program may take unless it is said otherwise."""


class Ran(NamedTuple):
    """What a program left behind."""

    code: int | None
    """Its exit code, the negative number of the signal that ended it, or None if it took too long."""
    out: str
    err: str

    @property
    def failure(self) -> str:
        """How it ended, in one line, for a program that should have ended well."""
        last = next((line.strip() for line in reversed(self.err.splitlines()) if line.strip()), "")
        if self.code is None:
            return f"took longer than {SECONDS:.0f} seconds"
        if self.code < 0:
            return f"was ended by {signal.Signals(-self.code).name}"
        return f"ended with exit code {self.code}" + (f": {last}" if last else "")


def run(command: list[str], environ: Mapping[str, str], cwd: str) -> Ran:
    """Run a program to its end, without input, and end it and all that it has started should it take too long.

    :param environ: all of its environment variables
    :param cwd: where it runs, absolute
    """
    # Into files, since what a program leaves running may keep a pipe open.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            process = subprocess.Popen(
                command, env=environ, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
            )
        except OSError as error:
            return Ran(127, "", f"{command[0]}: {error.strerror}")
        code: int | None
        try:
            code = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            _end(process)
            code = None
        except BaseException:  # an interrupt by the user, which does not reach another session
            _end(process)
            raise
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(os.fsdecode(stream.read()))
    return Ran(code, *texts)


def _end(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
