"""Sample projects, and git repositories and worktrees made of them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

SAMPLES = Path(__file__).parent.parent / "packages"

_GIT_IDENTITY = {
    "GIT_AUTHOR_NAME": "Test",
    "GIT_AUTHOR_EMAIL": "test@example.invalid",
    "GIT_COMMITTER_NAME": "Test",
    "GIT_COMMITTER_EMAIL": "test@example.invalid",
    "GIT_CONFIG_NOSYSTEM": "1",
}


def copy_package(name: str, destination: Path) -> Path:
    """Copy the sample project `tests/packages/<name>` and return the destination.

    :param destination: the folder that becomes the project's; it may exist and hold other files
    """
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
    return Path(shutil.copytree(SAMPLES / name, destination, ignore=ignore, dirs_exist_ok=True))


def import_name(name: str) -> str:
    """Return the module of a sample project, whose `origin()` tells from which file it was imported."""
    return "sample_" + name.replace("-", "_")


class MakeRepository:
    """Makes git repositories.

    :param environ: the environment variables for git
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = {**environ, **_GIT_IDENTITY}

    def __call__(
        self, path: Path, *packages: str, root: str | None = None, files: Mapping[str, str] | None = None
    ) -> Path:
        """Make a repository with one commit on the branch `main`, and return its path.

        :param path: the folder to make
        :param packages: the sample projects to copy into folders of their names
        :param root: the sample project which the repository itself is
        :param files: the text of further files by their path relative to the repository
        """
        path.mkdir(parents=True)
        if root is not None:
            copy_package(root, path)
        for name in packages:
            copy_package(name, path / name)
        for name, text in (files or {}).items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_text(text, encoding="utf-8")
        self._git(path, "init", "--quiet", "--initial-branch=main")
        self._git(path, "add", "--all")
        self._git(path, "commit", "--quiet", "--allow-empty", "--message=first")
        return path

    def worktree(self, repository: Path, name: str) -> Path:
        """Add a worktree beside the repository, on a new branch, both called `name`, and return its path."""
        path = repository.parent / name
        self._git(repository, "worktree", "add", "--quiet", "-b", name.replace(" ", "-"), str(path))
        return path

    def _git(self, cwd: Path, *args: str) -> None:
        subprocess.run(["git", *args], cwd=cwd, env=self._environ, check=True)  # noqa: S607 - whichever is on PATH
