"""Commands in messages, written so that a shell takes each word as it is meant, whatever is in a path."""

from __future__ import annotations

import shlex


def command(*words: str) -> str:
    """Return a command to type.

    :param words: the program and its arguments
    """
    return shlex.join(words)


def conda_install(prefix: str, *arguments: str) -> str:
    """Return the command that installs packages into a base.

    :param prefix: of the conda environment, absolute
    :param arguments: packages, each with the versions that it may have, and further options
    """
    return command("conda", "install", "-p", prefix, *arguments)
