"""The base's editables of distributions that the overlay has as well: other checkouts of the same code.

What this checkout has dropped, such a one may still have. So nothing is imported from it.
"""

from __future__ import annotations

import os

from . import is_inside
from .distributions import installed_modules, metadata, project_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Rivals:
    """The rivals in a base, seen from an overlay.

    :param base: the base's site-packages, absolute
    :param overlay: the overlay's site-packages, absolute
    """

    def __init__(self, base: str, overlay: str) -> None:
        names = {name for name, _ in metadata(overlay)}
        self._everything = metadata(base)
        self._prefix = os.path.realpath(base.rsplit("/", 3)[0])
        found = [(path, project_folder(path)) for name, path in self._everything if name in names]
        self._folders = {folder for _, folder in found if folder}
        self._modules = [module for path, folder in found if folder for module in installed_modules(path)]
        self._others: set[str] | None = None

    def hold(self, path: str) -> bool:
        """Tell whether a file or folder belongs to a rival: what lies in another editable's folder inside does not.

        :param path: as it stands in `sys.path` or in a spec
        """
        if not self._folders or not os.path.isabs(path):
            return False
        real = os.path.realpath(path)
        if not any(is_inside(real, folder) for folder in self._folders):
            return False
        if self._others is None:  # read late: a base may hold hundreds of distributions
            others = {project_folder(path) for _, path in self._everything} - {""}
            self._others = {self._prefix, *self._folders, *others}
        return max((folder for folder in self._others if is_inside(real, folder)), key=len) in self._folders

    def define(self, finder: Any) -> bool:
        """Tell whether an entry of `sys.meta_path` comes from a module that was installed with a rival."""
        return getattr(finder, "__module__", None) in self._modules

    def put_on_path(self, entry: str) -> bool:
        """Tell whether an entry of `sys.path` leads to a rival.

        setuptools adds one that is no folder but named like the module which makes sense of it.
        """
        if not isinstance(entry, str):  # Python passes over it
            return False
        if os.path.isabs(entry):
            return self.hold(entry)
        return any(_identifier(entry).startswith(_identifier(module)) for module in self._modules)


def _identifier(text: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in text)
