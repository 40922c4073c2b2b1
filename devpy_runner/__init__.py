"""The `devpy` command: a tiny `.venv` overlay on a shared conda environment for every git worktree."""

from devpy_virtualenv_plugin import __version__

__all__ = ["__version__"]
