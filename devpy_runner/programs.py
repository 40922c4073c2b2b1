"""Starting a program and waiting for its end.

What it prints goes into a file, since something that it leaves running may keep a pipe open for ever. The user's own
command is no concern of this module: it takes devpy's place, see `activate.execution`. Nor is pip, whose output is
shown as it comes, see `overlay.pip`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from typing import IO, TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

SECONDS = 60.0
"""How long a program may take unless the caller says otherwise."""

PRINT_VARIABLES = ["/usr/bin/env", "-0"]
"""The command that prints its environment variables, as `parse_variables` reads them."""


class Ran(NamedTuple):
    """What a program left behind."""

    code: int | None
    """Its exit code, the negative number of the signal that ended it, or None if it took too long."""
    out: str
    err: str
    seconds: float = SECONDS
    """How long it was allowed to take."""

    @property
    def failure(self) -> str:
        """How it ended, in one line, for a program that should have ended well."""
        last = next((line.strip() for line in reversed(self.err.splitlines()) if line.strip()), "")
        if self.code is None:
            return f"took longer than {self.seconds:.0f} seconds"
        if self.code < 0:
            return f"was ended by {signal.Signals(-self.code).name}"
        return f"ended with exit code {self.code}" + (f": {last}" if last else "")


def run(command: list[str], environ: Mapping[str, str], cwd: str, seconds: float = SECONDS) -> Ran:
    """Run a program without input, in a session of its own, so that it cannot ask the user anything.

    If it takes too long, it is killed, together with everything that it has started.

    :param environ: all of its environment variables
    :param cwd: where it runs, absolute
    :param seconds: how long it may take
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            process = subprocess.Popen(
                command, env=environ, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
            )
        except OSError as error:
            return Ran(127, "", f"{command[0]}: {error.strerror}")
        code: int | None
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            _kill(process)
            code = None
        except BaseException:  # an interrupt by the user, which does not reach another session
            _kill(process)
            raise
        return Ran(code, _text(out), _text(err), seconds)


def run_attended(command: list[str], environ: Mapping[str, str], cwd: str) -> Ran:
    """Run a program without input in the user's session, who sees its stderr and can interrupt it at any time.

    :param environ: all of its environment variables
    :param cwd: where it runs, absolute
    :raises OSError: if it cannot be started
    """
    with tempfile.TemporaryFile() as out:
        process = subprocess.run(command, env=environ, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, check=False)
        return Ran(process.returncode, _text(out), "")


def parse_variables(printed: str) -> dict[str, str]:
    """Return the variables that `PRINT_VARIABLES` has printed."""
    return dict(entry.partition("=")[::2] for entry in printed.split("\0") if entry)


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return os.fsdecode(stream.read())


def _kill(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
