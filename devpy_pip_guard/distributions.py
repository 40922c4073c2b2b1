"""The distributions in a site-packages folder, told by their metadata; their names as PEP 503 compares them.

Where the base holds an editable, every start of an overlay's Python may run this. So it imports only what is loaded
already.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

CONDA_PTH = "conda.pth"
"""The file in site-packages that `conda develop` adds folders to."""

EGG_LINK = ".egg-link"
"""How a file ends that `setup.py develop` leaves in the place of metadata."""

_DIST_INFO = ".dist-info"
_EGG_INFO = ".egg-info"
_FILE_URL = "file://"
_SCRIPT_GROUPS = ("console_scripts", "gui_scripts")


def normalized(name: str) -> str:
    """Return the form of a distribution's name in which PEP 503 has names compared."""
    name = name.lower().replace("_", "-").replace(".", "-")
    return "-".join(filter(None, name.split("-"))) if "--" in name else name.strip("-")


def metadata(site_packages: str) -> list[tuple[str, str]]:
    """Return the normalized name and the metadata's path for each distribution: a `.dist-info` or an `.egg-link`.

    :param site_packages: absolute, and the paths lie in it; where there is no such folder, there is no distribution
    """
    distributions = []
    for entry in os.listdir(site_packages) if os.path.isdir(site_packages) else ():
        if entry.endswith(_DIST_INFO):
            # A version holds no dash there, but a name may, if an old tool has written it.
            distributions.append((normalized(entry[: -len(_DIST_INFO)].rpartition("-")[0]), f"{site_packages}/{entry}"))
        elif entry.endswith(_EGG_INFO):  # conda packages that were not made from wheels; a dash ends the name
            distributions.append((normalized(entry[: -len(_EGG_INFO)].partition("-")[0]), f"{site_packages}/{entry}"))
        elif entry.endswith(EGG_LINK):
            distributions.append((normalized(entry[: -len(EGG_LINK)]), f"{site_packages}/{entry}"))
    return distributions


def metadata_folders(path: str) -> list[str]:
    """Return the folder that holds a distribution's metadata; for an `.egg-link`, the `.egg-info` that it leads to.

    :param path: of the distribution's metadata, as `metadata` returns it
    """
    if not path.endswith(EGG_LINK):
        return [path]
    folder = [*read_lines(path), ""][0]
    name = normalized(os.path.basename(path)[: -len(EGG_LINK)])
    names = [entry for entry in (os.listdir(folder) if os.path.isdir(folder) else ()) if entry.endswith(_EGG_INFO)]
    return [os.path.join(folder, entry) for entry in names if normalized(entry[: -len(_EGG_INFO)]) == name]


def spelled_name(path: str) -> str:
    """Return the name of a distribution as its metadata spells it; empty if that does not say.

    :param path: of the distribution's metadata, as `metadata` returns it
    """
    names = core_metadata(path, "Name")
    return next(iter(names), os.path.basename(path)[: -len(EGG_LINK)] if path.endswith(EGG_LINK) else "")


def core_metadata(path: str, field: str) -> list[str]:
    """Return the values that a distribution's core metadata gives for a field, such as `Requires-Dist`.

    :param path: of the distribution's metadata, as `metadata` returns it
    """
    files = [os.path.join(folder, name) for folder in metadata_folders(path) for name in ("METADATA", "PKG-INFO")]
    return [value for file in files for value in headers(file, field)]


def headers(path: str, key: str) -> list[str]:
    """Return the values that a metadata file, such as METADATA and WHEEL, gives for a key in its headers."""
    values = []
    for line in read_lines(path):
        if not line:  # the description follows
            break
        name, _, value = line.partition(":")
        if name.strip().lower() == key.lower():
            values.append(value.strip())
    return values


def project_folder(path: str, real_path: Callable[[str], str] = os.path.realpath) -> str:
    """Return the folder that an editable is developed in, absolute and without symlinks; empty for anything else.

    :param path: of the distribution's metadata, as `metadata` returns it
    :param real_path: what resolves symlinks
    """
    if path.endswith(EGG_LINK):
        on_path, to_project = [*read_lines(path), "", ""][:2]
        return real_path(os.path.join(on_path, to_project)) if os.path.isabs(on_path) else ""
    origin = f"{path}/direct_url.json"  # few have one, and an open that fails takes long
    folder = _editables_folder("".join(read_lines(origin))) if os.access(origin, os.R_OK) else ""
    return real_path(folder) if folder else ""


def developed_folders(site_packages: str) -> list[str]:
    """Return the folders that `conda develop` has put on the path, without symlinks; it leaves no metadata.

    :param site_packages: absolute
    """
    lines = read_lines(os.path.join(site_packages, CONDA_PTH))
    return [os.path.realpath(line) for line in lines if os.path.isabs(line)]


def installed_files(path: str) -> list[str]:
    """Return the files of a distribution, relative to site-packages or absolute, as its RECORD lists them.

    :param path: of the distribution's metadata, as `metadata` returns it; an `.egg-link` lists none
    """
    return [line.rsplit(",", 2)[0].strip('"') for line in read_lines(os.path.join(path, "RECORD"))]


def installed_modules(path: str) -> list[str]:
    """Return the dotted names of a distribution's modules in site-packages; an editable's finder is among them.

    :param path: of the distribution's metadata, as `metadata` returns it
    """
    files = [file[: -len(".py")] for file in installed_files(path) if file.endswith(".py")]
    return [(file[: -len("/__init__")] if file.endswith("/__init__") else file).replace("/", ".") for file in files]


def modules_of_editables(site_packages: str) -> set[str]:
    """Return the dotted names of the modules that editables have in site-packages; their finders are among them.

    :param site_packages: absolute
    """
    paths = [path for _, path in metadata(site_packages)]
    return {module for path in paths if project_folder(path) for module in installed_modules(path)}


def console_scripts(path: str) -> set[str]:
    """Return the names of the programs that a distribution has put into `bin`.

    :param path: of the distribution's metadata, as `metadata` returns it
    """
    outside = [file for file in installed_files(path) if file.startswith(("../", "/"))]
    programs = [file for file in outside if os.path.basename(os.path.dirname(file)) == "bin"]
    return declared_scripts(path) | {os.path.basename(file) for file in programs}


def declared_scripts(path: str) -> set[str]:
    """Return the names of the programs that a distribution has entry points for.

    :param path: of the distribution's metadata, as `metadata` returns it
    """
    group, names = "", set()
    files = [os.path.join(folder, "entry_points.txt") for folder in metadata_folders(path)]
    for line in [line.strip() for file in files for line in read_lines(file)]:
        if line.startswith("["):
            group = line.strip("[] ")
        elif group in _SCRIPT_GROUPS and "=" in line and not line.startswith(("#", ";")):
            names.add(line.partition("=")[0].strip())
    return names


def read_lines(path: str) -> list[str]:
    """Return the lines of a file, without NUL, which no path can hold; none if the file cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read().replace("\0", "").splitlines()
    except OSError:
        return []


def _editables_folder(origin: str) -> str:
    """Return the folder of a `direct_url.json` (PEP 610), or an empty string if it tells of no editable.

    It is parsed by hand, since importing json doubles the time that Python takes to start. A URL holds neither a space
    nor a quote.
    """
    compact = "".join(origin.split())
    url = compact.partition('"url":"')[2].partition('"')[0]
    if '"editable":true' not in compact or not url.startswith(_FILE_URL):
        return ""
    path = url[url.find("/", len(_FILE_URL)) :].partition("#")[0]
    first, *rest = os.fsencode(path).split(b"%")
    try:
        codes = [bytes.fromhex(part[:2].decode()) + part[2:] for part in rest]
    except ValueError:
        return ""
    folder = os.fsdecode(first + b"".join(codes))
    return folder if "\0" not in folder else ""
