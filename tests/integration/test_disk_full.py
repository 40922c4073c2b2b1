"""A full disk: devpy says so, and which overlay it is about; once there is room, the next command puts it right."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from . import sample_worktree
from .environments import CondaEnvironment
from .mounts import DevpyInMounts, Mounts
from .projects import MakeRepository
from .sample_worktree import ORIGIN, full, own_module, wrong

pytestmark = pytest.mark.slow

ENOUGH = 1024
NO_ROOM = "No space left on device"


class Disk:
    """A small file system that holds a worktree, and with `everything` the home and temporary files as well.

    :param seen: where it is to be found from outside
    """

    def __init__(self, folder: Path, mounts: Mounts, environ: dict[str, str], *, everything: bool) -> None:
        folder.mkdir()
        mounts.mount("-t", "tmpfs", "-o", "size=16m", "tmpfs", folder)
        self.seen = mounts.seen(folder)
        self.root = folder / "repository"
        self.venv = self.root / ".venv"
        if everything:
            for name in ("home", "tmp"):
                (self.seen / name).mkdir()
            moved = {"HOME": "home", "TMPDIR": "tmp", "PIP_CACHE_DIR": "home/pip"}
            environ = {**environ, **{name: str(folder / place) for name, place in moved.items()}}
        self.devpy = DevpyInMounts(mounts, environ)

    def fill(self, free: int) -> None:
        """Leave so many KiB free."""
        status = os.statvfs(self.seen)
        with (self.seen / "filler").open("wb") as stream:
            stream.write(bytes(status.f_bavail * status.f_frsize - free * 1024))

    def make_room(self) -> None:
        (self.seen / "filler").unlink()

    def left_behind(self) -> list[str]:
        """Return the temporary files that devpy has left on the disk."""
        names = [path.name for path in self.seen.rglob("*")]
        return [name for name in names if name.endswith(".new") or "devpy-start." in name or "devpy-base-" in name]

    def sources(self) -> dict[str, bytes]:
        """Return what the files of the worktree hold, apart from the overlay's."""
        folder = self.seen / "repository"
        made = {".venv", "builds.txt", "__pycache__"}
        files = (path for path in folder.rglob("*") if path.is_file() and not made.intersection(path.parts))
        return {str(path): path.read_bytes() for path in files}


@pytest.fixture(params=[False, True], ids=["worktree", "everything"])
def disk(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    mounts: Mounts,
    repository: MakeRepository,
    conda_env: CondaEnvironment,
    devpy_environ: dict[str, str],
) -> Disk:
    made = Disk(tmp_path / "disk", mounts, devpy_environ, everything=request.param)
    shutil.copytree(sample_worktree.make(tmp_path / "template", repository, conda_env), made.seen / "repository")
    return made


def make_fresh(disk: Disk) -> list[str]:
    assert disk.devpy("clean", cwd=disk.root).code == 0
    return ["update-editables"]


def make_ready(disk: Disk) -> list[str]:
    assert wrong(disk.devpy, disk.root) == ""
    return ["update-editables", "--reinstall"]


def make_stale(disk: Disk) -> list[str]:
    assert wrong(disk.devpy, disk.root) == ""
    (disk.seen / "repository" / ".venv" / "lib" / "devpy" / "base-script").unlink()
    return ["update-editables"]


@pytest.mark.parametrize(
    ("make", "free"), [(make_fresh, [0, 32, 64, 180, 396]), (make_ready, [0, 4, 20]), (make_stale, [0])]
)
def test_update(disk: Disk, make: Callable[[Disk], list[str]], free: list[int]) -> None:
    before = disk.sources()
    refused = 0
    for kib in range(0, ENOUGH, 4) if full() else [*free, ENOUGH]:
        command = make(disk)
        disk.fill(kib)
        result = disk.devpy(*command, cwd=disk.root)
        disk.make_room()
        assert disk.left_behind() == []
        assert wrong(disk.devpy, disk.root) == "", kib
        assert disk.sources() == before
        if result.code == 0:
            break
        refused += 1
        *notes, problem, mend = result.err.splitlines()
        assert (result.code, problem) == (2, f"devpy: {disk.venv}: {NO_ROOM}"), kib
        assert mend.startswith("  make room there")
        assert all(note.startswith(("devpy: creating ", "devpy: updating ")) for note in notes)
    assert result.code == 0
    assert refused


def test_commands_need_no_room(disk: Disk) -> None:
    assert wrong(disk.devpy, disk.root) == ""
    disk.fill(0)
    result = disk.devpy("python", "-c", ORIGIN, cwd=disk.root)
    assert (result.code, result.out) == (0, f"{own_module(disk.root)}\n")
    assert "overlay state: current" in disk.devpy("info", cwd=disk.root).out
    assert "Nothing to do" in disk.devpy("update-editables", cwd=disk.root).out


def test_clean_makes_room(disk: Disk) -> None:
    assert wrong(disk.devpy, disk.root) == ""
    disk.fill(0)
    assert disk.devpy("clean", cwd=disk.root).code == 0
    disk.make_room()
    assert not (disk.seen / "repository" / ".venv").exists()
