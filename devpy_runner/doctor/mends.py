"""Commands that mend what several checks find."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from devpy_pip_guard import sibling_editables
from devpy_virtualenv_plugin.mends import command

if TYPE_CHECKING:
    from ..overlay.editables import Editable
    from .setup import WorktreeSetup


def removal(editable: Editable, base: str) -> str:
    """Return the command that takes an editable out of a base.

    :param base: the prefix of the conda environment, absolute
    """
    return sibling_editables.removal(editable.name, editable.path, base)


def mend_of_siblings_editable(editable: Editable, setup: WorktreeSetup) -> str:
    """Return what to do about an editable in the base that is the code of a sibling of this worktree.

    Where the overlay has no package of its own to put in its place, that is to declare this worktree's, if it has one.

    :param editable: one of the base's
    :param setup: of this worktree
    """
    for each in setup.editables_of_siblings:
        if each.path == editable.path:
            return sibling_editables.describe(each, setup.base, setup.config.file).mend
    return removal(editable, setup.base)


def base_pip(base: str, *arguments: str) -> str:
    """Return the command that runs a base's own pip.

    :param base: the prefix of the conda environment, absolute
    :param arguments: pip's command and its arguments
    """
    return command(os.path.join(base, "bin", "python"), "-m", "pip", *arguments)
