"""A conda channel in a folder, with packages made from a CPython and from wheels."""

from __future__ import annotations

import asyncio
import configparser
import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from email.parser import HeaderParser
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename
from rattler.index import index_fs

from . import interpreters

if TYPE_CHECKING:
    from .interpreters import Interpreter

SUBDIR = {
    ("linux", "x86_64"): "linux-64",
    ("linux", "aarch64"): "linux-aarch64",
    ("darwin", "x86_64"): "osx-64",
    ("darwin", "arm64"): "osx-arm64",
}[sys.platform, platform.machine()]

ACTIVATION_FILES = {
    "etc/conda/activate.d/activation-scripts.sh": """\
export DEVPY_TEST_ACTIVATED="$CONDA_PREFIX"
export LD_LIBRARY_PATH="$CONDA_PREFIX/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
""",
    "etc/conda/deactivate.d/activation-scripts.sh": """\
unset DEVPY_TEST_ACTIVATED
""",
    "etc/conda/env_vars.d/activation-scripts.json": '{"DEVPY_TEST_CONFIG": "from env_vars.d"}\n',
}

# Nothing that a conda environment needs; together nine tenths of an interpreter's files.
_LEFT_OUT = shutil.ignore_patterns(
    "__pycache__", "site-packages", "dist-packages", "test", "tests", "config-*", "ensurepip", "idlelib", "lib2to3",
    "pydoc_data", "tkinter", "turtledemo",
)  # fmt: skip


class Channel:
    """A channel that can be added to at any time.

    :param folder: the absolute folder to make
    :param environ: the environment variables for pip, which downloads the wheels
    """

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self._environ = environ
        self._staging = folder.with_name(folder.name + "-staging")
        self._names: set[str] = set()
        self._built: set[str] = set()
        for subdir in (SUBDIR, "noarch"):
            (folder / subdir).mkdir(parents=True)

    @property
    def url(self) -> str:
        return self.folder.as_uri()

    def add_package(
        self, name: str, version: str, files: Mapping[str, str], depends: Iterable[str] = (), build: str = "0"
    ) -> str:
        """Add a `noarch: generic` package and return its spec.

        :param files: the text of each file by its path relative to the prefix; in `bin` they are programs
        :param depends: conda specs
        """
        tree = self._new_tree(name, version, build)
        for path, text in files.items():
            target = tree / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
            target.chmod(0o755 if path.startswith("bin/") else 0o644)
        self._pack(tree, _index(name, version, build, depends, noarch="generic"))
        self._names.add(name)
        return f"{name}=={version}"

    def add_activation_scripts(self) -> str:
        """Add the package `activation-scripts` and return its spec.

        Its scripts set DEVPY_TEST_ACTIVATED to the prefix and put `<prefix>/lib` first on LD_LIBRARY_PATH, which
        stays there on deactivation; its config variable is DEVPY_TEST_CONFIG.
        """
        return self.add_package("activation-scripts", "1.0", ACTIVATION_FILES)

    def add_python(self, minor: str) -> str:
        """Add the package `python` for CPython `minor`, copied from this machine's, and return its spec.

        The test that asks for a Python that is not there is skipped.
        """
        interpreter = interpreters.find(minor)
        index = _index("python", interpreter.version, "0", depends=())
        if _file_name(index) not in self._built:
            tree = self._new_tree("python", interpreter.version, "0")
            _copy_interpreter(interpreter, tree)
            self._pack(tree, index, hardcoded_prefix=str(interpreter.prefix))
        return f"python=={interpreter.version}"

    def add_distributions(self, minor: str, requirements: Iterable[str]) -> list[str]:
        """Add distributions from the package index, with their dependencies, and return the specs for them.

        Only pure-Python wheels will do. Each becomes a `noarch: python` package for CPython `minor` alone, since
        conda packages, unlike wheels, cannot depend on other things on another Python.

        :param requirements: PEP 508 requirements such as `pip==24.0`; the name of a package that was added by
            `add_package` stays as it is
        """
        wanted = [Requirement(text) for text in requirements]
        from_index = [str(requirement) for requirement in wanted if requirement.name not in self._names]
        versions = dict(self._add_wheel(minor, wheel) for wheel in self._download(minor, from_index))
        return [
            requirement.name if requirement.name in self._names else _spec(requirement.name, versions)
            for requirement in wanted
        ]

    def index(self) -> None:
        """Write the repodata.json that a solver reads."""
        asyncio.run(index_fs(self.folder, write_zst=False, write_shards=False))

    def _download(self, minor: str, requirements: list[str]) -> list[Path]:
        if not requirements:
            return []
        folder = self._staging / "wheels" / hashlib.sha256(repr((minor, requirements)).encode()).hexdigest()
        pip = interpreters.find(minor).pip  # which evaluates the requirements' markers for its own version
        pure = ["--only-binary=:all:", "--platform=any", "--abi=none", "--implementation=py"]
        command = [*pip, "--quiet", "download", *pure, f"--python-version={minor}"]
        subprocess.run([*command, "--dest", str(folder), *requirements], check=True, env=self._environ)
        return sorted(folder.glob("*.whl"))

    def _add_wheel(self, minor: str, wheel: Path) -> tuple[str, str]:
        """Add the wheel's package unless it is there, and return its name and version."""
        name, version = (str(part) for part in parse_wheel_filename(wheel.name)[:2])
        with zipfile.ZipFile(wheel) as archive:
            build = "py" + minor.replace(".", "")
            index = _index(name, version, build, _depends(archive, minor), noarch="python")
            if _file_name(index) not in self._built:
                tree = self._new_tree(name, version, build)
                site_packages = tree / "site-packages"
                archive.extractall(site_packages)  # noqa: S202 - pip has just downloaded it
                next(site_packages.glob("*.dist-info")).joinpath("INSTALLER").write_text("conda\n", encoding="utf-8")
                self._pack(tree, index, entry_points=_console_scripts(archive))
        return name, version

    def _new_tree(self, name: str, version: str, build: str) -> Path:
        tree = self._staging / f"{name}-{version}-{build}"
        tree.mkdir(parents=True)
        return tree

    def _pack(
        self, tree: Path, index: dict[str, object], entry_points: Iterable[str] = (), hardcoded_prefix: str = ""
    ) -> None:
        """Put the tree into the channel as a package."""
        info = {
            "index.json": index,
            "about.json": {"summary": "made by a test"},
            "paths.json": {"paths_version": 1, "paths": _paths(tree, hardcoded_prefix)},
        }
        if index.get("noarch") == "python":
            noarch = {"type": "python", "entry_points": list(entry_points)}
            info["link.json"] = {"package_metadata_version": 1, "noarch": noarch}
        target = self.folder / str(index["subdir"]) / _file_name(index)
        _write_conda_file(target, tree, {f"info/{name}": json.dumps(value) for name, value in info.items()})
        self._built.add(target.name)
        shutil.rmtree(tree)


def _copy_interpreter(interpreter: Interpreter, tree: Path) -> None:
    """Fill the tree with what a conda `python` package holds: program, library, standard library and headers."""
    name = f"python{interpreter.minor}"
    for folder in ("bin", "lib", "include"):
        (tree / folder).mkdir()
    program = tree / "bin" / name
    shutil.copy(interpreter.program, program)
    for link in ("python3", "python"):
        (tree / "bin" / link).symlink_to(name)
    if interpreter.shared_library:
        shutil.copy(interpreter.prefix / "lib" / interpreter.shared_library, tree / "lib")
        _look_beside_program(program, interpreter.prefix / "lib")
    shutil.copytree(interpreter.stdlib, tree / "lib" / name, ignore=_LEFT_OUT, ignore_dangling_symlinks=True)
    (tree / "lib" / name / "site-packages").mkdir()
    (tree / "lib" / name / "site-packages" / "README.txt").write_text("third-party packages\n", encoding="utf-8")
    if (
        interpreter.stdlib / "dist-packages"
    ).is_symlink():  # Debian's, which looks there, and whose pip installs below `local`
        (tree / "lib" / name / "dist-packages").symlink_to("site-packages")
        (tree / "local").symlink_to(".")
    for headers in interpreter.prefix.joinpath("include").glob(name + "*"):
        shutil.copytree(headers, tree / "include" / headers.name)


def _look_beside_program(program: Path, library_folder: Path) -> None:
    """Let an ELF program load its libraries from the `lib` beside its `bin`, as a conda program does.

    Its run path is a NUL-terminated string, which a shorter one can replace in place.
    """
    absolute = os.fsencode(library_folder)
    relative = b"$ORIGIN/../lib"
    if len(relative) <= len(absolute):
        before = b"\0" + absolute + b"\0"
        after = b"\0" + relative.ljust(len(absolute), b"\0") + b"\0"
        program.write_bytes(program.read_bytes().replace(before, after))


def _index(name: str, version: str, build: str, depends: Iterable[str], noarch: str | None = None) -> dict[str, object]:
    """Return the package's index.json."""
    index: dict[str, object] = {
        "name": name,
        "version": version,
        "build": build,
        "build_number": 0,
        "depends": list(depends),
        "subdir": "noarch" if noarch else SUBDIR,
    }
    return {**index, "noarch": noarch} if noarch else index


def _file_name(index: dict[str, object]) -> str:
    return "{name}-{version}-{build}.conda".format_map(index)


def _spec(name: str, versions: Mapping[str, str]) -> str:
    return f"{canonicalize_name(name)}=={versions[canonicalize_name(name)]}"


def _depends(archive: zipfile.ZipFile, minor: str) -> list[str]:
    """Return what the wheel requires on CPython `minor`, as conda specs."""
    metadata = HeaderParser().parsestr(_dist_info_text(archive, "METADATA"))
    target = {"python_version": minor, "python_full_version": f"{minor}.0", "extra": ""}
    needed = [
        requirement
        for requirement in map(Requirement, metadata.get_all("Requires-Dist", []))
        if requirement.marker is None or requirement.marker.evaluate(target)
    ]
    return [f"python {minor}.*", *(f"{canonicalize_name(each.name)} {each.specifier}".strip() for each in needed)]


def _console_scripts(archive: zipfile.ZipFile) -> list[str]:
    parser = configparser.ConfigParser(delimiters=("=",))
    parser.read_string(_dist_info_text(archive, "entry_points.txt"))
    if not parser.has_section("console_scripts"):
        return []
    return [f"{name} = {function}" for name, function in parser["console_scripts"].items()]


def _dist_info_text(archive: zipfile.ZipFile, name: str) -> str:
    """Return the text of a file in the wheel's dist-info, or nothing if it is not there."""
    members = [each for each in archive.namelist() if each.count("/") == 1 and each.endswith(f".dist-info/{name}")]
    return archive.read(members[0]).decode("utf-8") if members else ""


def _paths(tree: Path, hardcoded_prefix: str) -> list[dict[str, object]]:
    """Return the entries of paths.json; the build configuration's prefix is to be replaced by the environment's."""
    entries = []
    for path in _files(tree):
        content = b"" if path.is_dir() else path.read_bytes()  # the former: a link to a folder
        entry: dict[str, object] = {
            "_path": path.relative_to(tree).as_posix(),
            "path_type": "softlink" if path.is_symlink() else "hardlink",
            "sha256": hashlib.sha256(content).hexdigest(),
            "size_in_bytes": len(content),
        }
        if hardcoded_prefix and path.name.startswith("_sysconfigdata"):
            entry.update(prefix_placeholder=hardcoded_prefix, file_mode="text")
        entries.append(entry)
    return entries


def _files(tree: Path) -> list[Path]:
    return sorted(path for path in tree.rglob("*") if path.is_symlink() or path.is_file())


def _write_conda_file(target: Path, tree: Path, info: Mapping[str, str]) -> None:
    """Write a package of conda's format 2: a zip file that holds two compressed tar files."""
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("metadata.json", '{"conda_pkg_format_version": 2}')
        archive.writestr(f"info-{target.stem}.tar.zst", _store_as_zstd(_tar_of_texts(info)))
        archive.writestr(f"pkg-{target.stem}.tar.zst", _store_as_zstd(_tar_of_tree(tree)))


def _tar_of_texts(texts: Mapping[str, str]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, text in texts.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return stream.getvalue()


def _tar_of_tree(tree: Path) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for path in _files(tree):
            tar.add(path, path.relative_to(tree).as_posix())
    return stream.getvalue()


def _store_as_zstd(content: bytes) -> bytes:
    """Return a Zstandard frame (RFC 8878, section 3.1.1) of raw blocks.

    Compressing would take longer than everything else, and the standard library cannot do it before Python 3.14.
    """
    magic_number = (0xFD2FB528).to_bytes(4, "little")
    no_options, window_of_128_kib = b"\x00", b"\x38"
    block_size = 128 * 1024
    blocks = []
    for start in range(0, max(len(content), 1), block_size):
        block = content[start : start + block_size]
        is_last = start + block_size >= len(content)
        blocks += [(len(block) << 3 | is_last).to_bytes(3, "little"), block]
    return b"".join([magic_number, no_options, window_of_128_kib, *blocks])
