"""File systems that are full or read-only, for some programs alone: root or not, by a mount namespace of Linux."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from .commands import Devpy, Result, run


class Mounts:
    """A mount namespace.

    :param process: a process in it
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        as_user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        self._enter = ["nsenter", f"--target={process.pid}", "--mount", *as_user]
        self._root = Path("/proc", str(process.pid), "root")

    def run(self, *command: str | Path, cwd: Path, environ: Mapping[str, str]) -> Result:
        """Run a program to its end, in a folder that may be there in the namespace alone."""
        return run([*self._enter, "sh", "-c", 'cd "$0" && exec "$@"', cwd, *command], cwd=Path("/"), environ=environ)

    def mount(self, *arguments: str | Path) -> None:
        """Call `mount` with the arguments."""
        subprocess.run([*self._enter, "mount", *arguments], check=True)

    def make_read_only(self, folder: Path) -> None:
        """Let nobody write below a folder, root included."""
        self.mount("--rbind", folder, folder)
        self.mount("-o", "remount,bind,ro", folder)

    def seen(self, path: Path) -> Path:
        """Return the path under which the test itself finds what is at a path in the namespace, absolute."""
        return self._root / path.relative_to("/")


class DevpyInMounts(Devpy):
    """The `devpy` command as it runs in a mount namespace."""

    def __init__(self, mounts: Mounts, environ: Mapping[str, str]) -> None:
        super().__init__(environ)
        self._mounts = mounts

    def __call__(self, *args: str, cwd: Path, environ: Mapping[str, str] | None = None, stdin: str = "") -> Result:
        assert not stdin
        variables = self._environ if environ is None else environ
        return self._mounts.run(sys.executable, "-m", "devpy_runner", *args, cwd=cwd, environ=variables)


@contextmanager
def namespace() -> Iterator[Mounts | None]:
    """Give a mount namespace for a while; None where there are none, or none for this user."""
    if shutil.which("unshare") is None or shutil.which("nsenter") is None:
        yield None
        return
    as_user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    command = ["unshare", *as_user, "--mount", "--propagation=private", "sh", "-c", "echo ready; exec cat"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Mounts(process) if process.stdout.readline() else None
        process.stdin.close()
