"""Commands that mend what several checks find."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from devpy_virtualenv_plugin.mends import command

if TYPE_CHECKING:
    from ..overlay.editables import Editable


def removal(editable: Editable, base: str) -> str:
    """Return the command that takes an editable out of a base.

    :param base: the prefix of the conda environment, absolute
    """
    if not editable.name:
        return command("conda", "develop", "--uninstall", "-p", base, editable.path)
    return base_pip(base, "uninstall", editable.name)


def base_pip(base: str, *arguments: str) -> str:
    """Return the command that runs a base's own pip.

    :param base: the prefix of the conda environment, absolute
    :param arguments: pip's command and its arguments
    """
    return command(os.path.join(base, "bin", "python"), "-m", "pip", *arguments)
