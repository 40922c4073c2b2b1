"""The record that an overlay keeps of itself: devpy's mark, what it was made for, and what is installed in it.

`devpy_runner.overlay.state` compares it with the files that are there, to tell the overlay's state.
"""

from __future__ import annotations

import json
import os
from typing import Any, NamedTuple

from devpy_pip_guard import OVERLAY_RECORD, pyvenv_cfg
from devpy_pip_guard.files import status
from devpy_pip_guard.native_sources import NativeSources, native_sources_in
from devpy_pip_guard.record import load

FILE_NAME = OVERLAY_RECORD
LOCK_NAME = ".devpy-lock"
PATH_FILES = ("conda.pth", "easy-install.pth")
"""Files in site-packages that tools add folders to, which does not change the time of site-packages itself."""


class BuildFile(NamedTuple):
    """A file that decides how a package is built, as it was when the package was installed."""

    mtime_ns: int
    size: int
    sha256: str


class Record(NamedTuple):
    """What devpy knows of an overlay; every path is absolute."""

    version: str
    """The devpy that wrote the overlay's own files."""
    complete: bool
    """False while the overlay is being changed, and after a crash."""
    built: bool
    """False while devpy writes the overlay's own files. True in an incomplete overlay: pip was interrupted."""
    venv: str
    """Where the overlay was made; elsewhere, it has been moved or copied."""
    config: str
    """The devpy.toml or stack config that governs it."""
    base_name: str
    """The conda environment as the config names it; empty until it has been looked up."""
    base: str
    """The prefix of the conda environment."""
    base_stamp: str
    """What `base_stamp` gave for the prefix."""
    python: str
    """The folder of the overlay's Python in `lib`, and its name in `bin`: `python3.11`, or `python3.13t` if it is
    free-threaded. No other folder in `lib` counts."""
    editables: dict[str, dict[str, BuildFile]]
    """For each package that devpy installed, by its folder, its build files by name."""
    has_deps: bool
    """Whether dependencies that the base lacks have been installed too."""
    site_stamp: str
    """What `site_stamp` gave for the overlay when devpy last changed it or looked through it."""
    scripts: tuple[str, ...] = ()
    """The names of the base's console scripts, each of which has a link in the overlay."""
    replaced_scripts: tuple[str, ...] = ()
    """Those of them that are not run, since the overlay has their distribution as well."""
    native_sources: dict[str, NativeSources] = {}  # noqa: RUF012 - nobody changes it
    """For each package with compiled parts, by its folder, what these were built from."""
    missing: tuple[str, ...] = ()
    """The folders of declared packages that could not be installed, and that the user has had left out."""


def read(venv: str) -> Record | None:
    """Return the record of the overlay at `venv`, or None if there is none that can be read."""
    try:
        return _parse(load(venv))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return None  # broken, or of another devpy's making


def write(record: Record) -> None:
    """Replace the record in the overlay at `record.venv`, in one step.

    :raises OSError: if the folder cannot be written to; the old record is then still there
    """
    data = record._asdict()
    data["editables"] = {
        path: {name: file._asdict() for name, file in files.items()} for path, files in record.editables.items()
    }
    data["native_sources"] = {path: sources._asdict() for path, sources in record.native_sources.items()}
    path = os.path.join(record.venv, FILE_NAME)
    replace_file(path, json.dumps(data, indent=1))


def replace_file(path: str, text: str, suffix: str = "new", *, executable: bool = False) -> None:
    """Replace a file in one step: at any moment it holds either its old or its new content.

    :param suffix: of the temporary file, which a crash leaves and the next call overwrites. Processes that may write
        the file at the same time need different ones
    :raises OSError: if that fails; nothing is left behind
    """
    temporary = f"{path}.{suffix}"
    try:
        with open(temporary, "w", encoding="utf-8", errors="surrogateescape") as stream:
            stream.write(text)
        if executable:
            mode = os.stat(temporary).st_mode
            os.chmod(temporary, mode | (mode & 0o444) >> 2)  # for everybody who may read it
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


def is_vacant(venv: str) -> bool:
    """Tell whether there is nothing at `venv`, or only a folder in which devpy has crashed before it made its mark.

    A symlink is never vacant, wherever it leads.
    """
    if os.path.islink(venv) or not os.path.isdir(venv):
        return not os.path.lexists(venv)
    try:
        return set(os.listdir(venv)) <= {LOCK_NAME, f"{FILE_NAME}.new"}
    except FileNotFoundError:  # it has been removed meanwhile
        return True


def is_marked(venv: str) -> bool:
    """Tell whether the folder at `venv` carries devpy's mark; only such a folder may be changed or removed.

    The mark is the record. If that is broken, as after a crash of the machine, the key in pyvenv.cfg is the mark.
    """
    fields = load(venv)
    if isinstance(fields.get("version"), str) and isinstance(fields.get("venv"), str):
        return True
    return pyvenv_cfg.CONFIG_KEY in pyvenv_cfg.keys(os.path.join(venv, pyvenv_cfg.FILE_NAME))


def site_stamp(site_packages: str) -> str:
    """Return a text that changes whenever something is installed into the overlay or removed from it.

    :param site_packages: the overlay's, absolute, there or not
    """
    path_files = (os.path.join(site_packages, name) for name in PATH_FILES)
    return " ".join(_stamp(path) for path in (site_packages, *path_files))


def base_stamp(prefix: str) -> str:
    """Return a text that changes whenever packages or programs are added to, removed from or upgraded in a prefix.

    Conda rewrites `conda-meta/history` with every transaction; pip, run in the environment, touches `bin`.
    """
    return " ".join(_stamp(os.path.join(prefix, *parts)) for parts in (("conda-meta", "history"), ("bin",)))


def _stamp(path: str) -> str:
    try:
        result = status(path)
    except OSError:
        return "-"
    return f"{result.st_ino}:{result.st_mtime_ns}"


def _parse(data: Any) -> Record:
    strings = ("version", "venv", "config", "base_name", "base", "base_stamp", "python", "site_stamp")
    if any(type(data[name]) is not str for name in strings):
        raise TypeError
    if b"\0" in os.fsencode("".join(data[name] for name in strings)):
        raise ValueError
    if not data["python"].startswith("python") or os.sep in data["python"]:
        raise ValueError
    editables = {
        path: {
            name: BuildFile(int(file["mtime_ns"]), int(file["size"]), str(file["sha256"]))
            for name, file in files.items()
        }
        for path, files in data["editables"].items()
    }
    texts = {name: data[name] for name in strings}
    return Record(
        complete=data["complete"] is True,
        built=data["built"] is True,
        has_deps=data["has_deps"] is True,
        editables=editables,
        scripts=tuple(map(str, data.get("scripts", ()))),
        replaced_scripts=tuple(map(str, data.get("replaced_scripts", ()))),
        native_sources=native_sources_in(data),
        missing=tuple(map(str, data.get("missing", ()))),
        **texts,
    )
