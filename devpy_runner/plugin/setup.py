"""What a plugin's check is given to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devpy_pip_guard.config import Config

    from ..programs import Ran


class Setup(Protocol):
    """The set-up of a worktree, which a check looks at and does not change.

    Each part is looked up when it is first asked for, and raises `Skipped` if it is missing. A check need not catch
    that: devpy then shows it as skipped, with the reason. Every path is absolute.
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
        """Run a command as if the caller had typed it without devpy, without input and for a minute at most.

        :param command: the program, by its absolute path, and its arguments
        """

    def git(self, *arguments: str) -> Ran:
        """Run git at the worktree root."""
