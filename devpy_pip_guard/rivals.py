"""The base's editables of distributions that the overlay has as well: other checkouts of the same code.

Nothing is imported from a rival. It may still have modules that the overlay's checkout has dropped.
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
        self._base_distributions = metadata(base)
        self._prefix = os.path.realpath(base.rsplit("/", 3)[0])
        copies = [(path, project_folder(path)) for name, path in self._base_distributions if name in names]
        self._folders = {folder for _, folder in copies if folder}
        self._modules = [module for path, folder in copies if folder for module in installed_modules(path)]
        self._owners: set[str] | None = None

    def hold(self, path: str) -> bool:
        """Tell whether a file or folder belongs to a rival, and not to an editable whose folder lies in a rival's.

        :param path: as it stands in `sys.path` or in a spec
        """
        if not self._folders or not os.path.isabs(path):
            return False
        real = os.path.realpath(path)
        if not any(is_inside(real, folder) for folder in self._folders):
            return False
        if self._owners is None:  # read late: a base may hold hundreds of distributions
            editables = {project_folder(path) for _, path in self._base_distributions} - {""}
            self._owners = {self._prefix, *self._folders, *editables}
        return max((folder for folder in self._owners if is_inside(real, folder)), key=len) in self._folders

    def define(self, finder: Any) -> bool:
        """Tell whether an entry of `sys.meta_path` comes from a module that was installed with a rival."""
        return getattr(finder, "__module__", None) in self._modules

    def put_on_path(self, entry: str) -> bool:
        """Tell whether an entry of `sys.path` leads to a rival.

        setuptools adds one that is no folder: it is named like the module with the finder that understands it.
        """
        if not isinstance(entry, str):  # Python passes over it
            return False
        if os.path.isabs(entry):
            return self.hold(entry)
        return any(_identifier(entry).startswith(_identifier(module)) for module in self._modules)


def _identifier(text: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in text)
