"""The editable packages in an overlay: which are there, and whether what they are built from has changed."""

from __future__ import annotations

import os
from typing import NamedTuple

from devpy_pip_guard import distributions, native_sources
from devpy_pip_guard.files import is_file, note_read, status
from devpy_virtualenv_plugin.record import BuildFile, replace_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from devpy_pip_guard.config import Config
    from devpy_virtualenv_plugin.record import Record

_STARTS_EDITABLES = "editables"
BUILD_FILES = ("pyproject.toml", "setup.py", "setup.cfg", "CMakeLists.txt", "meson.build", "Cargo.toml")
"""What decides how a package is built, in its folder."""


class Editable(NamedTuple):
    """An editable package that is installed in an overlay."""

    name: str
    """As its metadata spells it; empty if it is nothing but a folder on the path."""
    path: str
    """Its folder, absolute, without symlinks."""
    is_pure: bool
    """False if it may have compiled parts."""


def installed(site_packages: str) -> list[Editable]:
    """Return the editables in a site-packages folder, however they came there.

    Told by `direct_url.json` (PEP 610), by the `.egg-link` files of `setup.py develop`, and by the `conda.pth` of
    `conda develop`.

    :param site_packages: absolute
    """
    note_read(site_packages)  # enough for the metadata in it: installers replace whole folders there
    finders = (_from_metadata, _from_conda_pth)
    return [editable for find in finders for editable in find(site_packages)]


def undeclared(site_packages: str, declared: Iterable[str]) -> list[str]:
    """Return the folders of the editables in an overlay that devpy.toml does not declare, sorted, each once.

    :param site_packages: the overlay's, absolute
    :param declared: the folders that devpy.toml declares, absolute, without symlinks
    """
    return sorted({editable.path for editable in installed(site_packages)}.difference(declared))


def remove_path_line(site_packages: str, path: str) -> None:
    """Take a folder out of `conda.pth`, as `conda develop --uninstall` does.

    :param site_packages: absolute
    :param path: the folder, absolute, without symlinks
    """
    file = os.path.join(site_packages, distributions.CONDA_PTH)
    kept = [line for line in distributions.read_lines(file) if os.path.realpath(line) != path]
    if kept:
        replace_file(file, "".join(f"{line}\n" for line in kept))
    else:
        os.unlink(file)


def missing_at_start(site_packages: str) -> list[str]:
    """Return what the overlay itself must hold, since editables in it import it before the bridge lets in the base.

    The `.pth` files of hatchling (`dev-mode-exact`) and pdm-backend (`editable-backend = "editables"`) import the
    library `editables`, and those of an overlay run ahead of the bridge to the base.

    :param site_packages: the overlay's, absolute
    :return: requirements, as the metadata of the editables spells them
    """
    from . import requirements

    metadata = dict(distributions.metadata(site_packages))
    if _STARTS_EDITABLES in metadata:
        return []
    files = [os.path.join(path, "METADATA") for path in metadata.values()]
    texts = {text for file in files for text in distributions.headers(file, "Requires-Dist")}
    return sorted(text for text in texts if requirements.read(text) == (_STARTS_EDITABLES, False))


def build_files(path: str) -> dict[str, BuildFile]:
    """Return the files of a package that decide how it is built, as they are now, by their names."""
    import hashlib

    files = {}
    for name in BUILD_FILES:
        file = os.path.join(path, name)
        if not os.path.isfile(file):  # reading a FIFO would wait for ever
            continue
        with open(file, "rb") as stream:
            opened = os.fstat(stream.fileno())
            digest = hashlib.sha256(stream.read()).hexdigest()
        files[name] = BuildFile(opened.st_mtime_ns, opened.st_size, digest)
    return files


def build_files_changed(path: str, recorded: dict[str, BuildFile]) -> bool:
    """Tell whether a package's build files have changed since it was installed.

    A file is read only if its time has changed: switching branches changes times without changing content.

    :param path: the package's folder, absolute
    :param recorded: its build files as they were, by their names
    """
    for name in BUILD_FILES:
        file = os.path.join(path, name)
        previous = recorded.get(name)
        if not is_file(file):
            if previous is not None:
                return True
            continue
        current = status(file)
        if previous is None or previous.size != current.st_size:
            return True
        has_new_time = previous.mtime_ns != current.st_mtime_ns
        if has_new_time and build_files(path).get(name, previous).sha256 != previous.sha256:
            return True
    return False


def old_binaries(config: Config, recorded: Record) -> Iterator[tuple[str, str]]:
    """Yield the declared packages whose compiled parts are out of date, each with a source that has changed.

    :param recorded: the overlay's record
    """
    for path in config.editables:
        built = recorded.native_sources.get(path)
        source = "" if built is None else native_sources.newer(path, built)
        if source:
            yield path, source


def _from_metadata(site_packages: str) -> Iterator[Editable]:
    for _, path in sorted(distributions.metadata(site_packages)):
        if path.endswith(distributions.EGG_LINK):  # which is rewritten in place
            note_read(path)
        folder, name = distributions.project_folder(path), distributions.spelled_name(path)
        if folder and name:
            # A legacy install does not say whether it is compiled, so it is taken to be.
            is_pure = distributions.headers(os.path.join(path, "WHEEL"), "Root-Is-Purelib")
            yield Editable(name, folder, [text.lower() for text in is_pure] == ["true"])


def _from_conda_pth(site_packages: str) -> Iterator[Editable]:
    note_read(os.path.join(site_packages, distributions.CONDA_PTH))
    for folder in distributions.developed_folders(site_packages):
        yield Editable("", folder, is_pure=True)
