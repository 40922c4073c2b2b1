"""Installing an editable's wheel into an overlay, and uninstalling what the overlay has of it, as pip does."""

from __future__ import annotations

import json
import os
from errno import EEXIST, ENOTEMPTY
from importlib.util import cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING

from installer import install as install_wheel
from installer.destinations import SchemeDictionaryDestination
from installer.sources import WheelFile

from devpy_pip_guard import distributions, is_inside

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from installer.records import RecordEntry
    from installer.utils import Scheme

_INSTALLER = "devpy\n"


class _Overlay(SchemeDictionaryDestination):
    """Puts files in the place of others: those of an interrupted installation, and links to the base's scripts."""

    def write_to_fs(self, scheme: Scheme, path: str, stream: BinaryIO, is_executable: bool) -> RecordEntry:
        """Write a file; what is there is removed, not written to."""
        folder = self.scheme_dict[scheme]
        target = os.path.normpath(os.path.join(folder, path))
        if is_inside(target, folder) and os.path.lexists(target):
            os.unlink(target)
        return super().write_to_fs(scheme, path, stream, is_executable)


def install(wheel: str, project: str, venv: str, site_packages: str) -> None:
    """Install the wheel of an editable, in the place of any distribution of its name.

    RECORD is written last: what lacks it has not been installed completely.

    :param wheel: absolute
    :param project: the folder that the wheel was built from, absolute
    :param venv: the overlay, absolute
    :param site_packages: the overlay's, absolute
    :raises OSError, ValueError: if it cannot be written, or is no sound wheel
    """
    origin = {"dir_info": {"editable": True}, "url": Path(project).as_uri()}
    additional = {"INSTALLER": _INSTALLER, "REQUESTED": "", "direct_url.json": json.dumps(origin)}
    schemes = {"purelib": site_packages, "platlib": site_packages, "scripts": f"{venv}/bin", "data": venv}
    with WheelFile.open(Path(wheel)) as source:
        name = distributions.normalized(source.distribution)
        schemes["headers"] = f"{venv}/include/site/{os.path.basename(os.path.dirname(site_packages))}/{name}"
        for path in [path for found, path in distributions.metadata(site_packages) if found == name]:
            uninstall(path, venv, site_packages)
        destination = _Overlay(schemes, f"{venv}/bin/python", "posix")
        install_wheel(source, destination, {file: text.encode() for file, text in additional.items()})


def uninstall(metadata: str, venv: str, site_packages: str) -> None:
    """Remove the files of a distribution that its RECORD lists, RECORD last, and the folders that are empty then.

    Nothing outside the overlay is removed, nor is anything behind a link that leads out of it.

    :param metadata: its `.dist-info`, absolute
    :param venv: the overlay, absolute
    :param site_packages: the overlay's, absolute
    """
    files = list(_files(metadata, venv, site_packages))
    record = os.path.join(metadata, "RECORD")
    for file in [*(file for file in files if file != record), record]:
        if os.path.lexists(file):
            os.unlink(file)
    for folder in sorted({os.path.dirname(file) for file in files}, key=len, reverse=True):
        _remove_if_empty(folder, site_packages)


def _files(metadata: str, venv: str, site_packages: str) -> Iterator[str]:
    """Yield the files that RECORD lists, absolute, with the bytecode of each module."""
    real_venv = os.path.realpath(venv)
    for entry in distributions.installed_files(metadata):
        file = os.path.normpath(os.path.join(site_packages, entry))
        if is_inside(os.path.realpath(os.path.dirname(file)), real_venv) and not os.path.isdir(file):
            yield file
            if file.endswith(".py"):
                yield from _bytecode(file)


def _bytecode(module: str) -> list[str]:
    """Return the bytecode files of a module, whichever Python has written them."""
    folder, stem = os.path.split(cache_from_source(module))
    prefix = stem.partition(".")[0] + "."
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return [os.path.join(folder, name) for name in names if name.startswith(prefix)]


def _remove_if_empty(folder: str, site_packages: str) -> None:
    while is_inside(folder, site_packages) and folder != site_packages:
        try:
            os.rmdir(folder)
        except FileNotFoundError:
            pass
        except OSError as error:
            if error.errno not in (ENOTEMPTY, EEXIST):
                raise
            return
        folder = os.path.dirname(folder)
