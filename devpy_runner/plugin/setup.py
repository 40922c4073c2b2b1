"""What a check is given to look at, as far as a plugin may rely on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devpy_pip_guard.config import Config

    from ..programs import Ran


class Setup(Protocol):
    """A worktree's set-up as it is; nothing in it is changed.

    Each part is looked up when it is first asked for, and raises `Skipped` if it is not there: let it pass, and devpy
    shows the check as skipped, with the reason. Every path is absolute.
    """

    @property
    def root(self) -> str:
        """The worktree root."""

    @property
    def environ(self) -> Mapping[str, str]:
        """The caller's environment variables."""

    @property
    def config(self) -> Config:
        """What devpy.toml says: `file`, `venv`, `editables`, `install_deps`, `env`."""

    @property
    def base(self) -> str:
        """The prefix of the conda environment that devpy.toml names."""

    @property
    def python(self) -> str:
        """The overlay's interpreter."""

    @property
    def site_packages(self) -> str:
        """The overlay's site-packages."""

    @property
    def base_site_packages(self) -> str:
        """The site-packages that the overlay lets in from the base."""

    @property
    def siblings(self) -> list[str]:
        """The roots of the repository's other worktrees; real paths."""

    def sibling_of(self, path: str) -> str | None:
        """Return the root of the sibling worktree that a path lies in, or None."""

    def run(self, command: list[str]) -> Ran:
        """Run a command as `devpy COMMAND` would, without input and for a minute at most.

        :param command: the program, by its absolute path, and its arguments
        """

    def run_plainly(self, command: list[str]) -> Ran:
        """Run a command as the caller would, without devpy, without input and for a minute at most.

        :param command: the program, by its absolute path, and its arguments
        """

    def git(self, *arguments: str) -> Ran:
        """Run git at the worktree root."""
