"""Commands that mend what several checks find."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..overlay.editables import Editable


def removal(editable: Editable, base: str) -> str:
    """Return the command that takes an editable out of a base.

    :param base: the prefix of the conda environment, absolute
    """
    if not editable.name:
        return f"conda develop --uninstall -p {shlex.quote(base)} {shlex.quote(editable.path)}"
    return f"{shlex.quote(os.path.join(base, 'bin', 'python'))} -m pip uninstall {editable.name}"
