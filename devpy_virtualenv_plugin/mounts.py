"""What is mounted in a folder that is to be removed: it is somebody's, and it would be emptied, too."""

from __future__ import annotations

import os
import re

from devpy_pip_guard.errors import DevpyError

from .mends import command


def refuse_mounts(folder: str) -> None:
    """Refuse to go on where something is mounted, as far as procfs tells; nothing else tells of bind mounts.

    :param folder: absolute, without symlinks
    :raises DevpyError: if something is mounted in the folder; it may be a mount point itself
    """
    for place in _mount_points():
        if place.startswith(os.path.join(folder, "")):
            raise DevpyError(f"{place}: something is mounted there", command("umount", place))


def _mount_points() -> list[str]:
    """Return where something is mounted, absolute, see proc_pid_mountinfo(5)."""
    try:
        with open("/proc/self/mountinfo", "rb") as lines:
            places = [line.split()[4] for line in lines]
    except OSError:
        return []
    return [os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda code: bytes([int(code[1], 8)]), place)) for place in places]
