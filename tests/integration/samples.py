"""Sample packages that are alike in all but how they are built: one for each kind of editable install.

Of the kind `flit`, the distribution `pm-flit` holds the package `pm_flit` with a module and a data file, has a console
script and an entry point, and holds the package `mine` of the namespace package `pmns_flit` if its backend can.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

GROUP = "devpy.sample"


class Sample(NamedTuple):
    """A checkout of the package of a kind."""

    kind: str
    origin: str
    """What each module and data file says where it comes from."""
    name: str
    """Of the distribution."""
    version: str
    packages: tuple[str, ...]
    """Dotted names; the first is the one that the scripts are in."""
    scripts: tuple[str, ...]

    @property
    def module(self) -> str:
        return self.packages[0]

    @property
    def folders(self) -> list[str]:
        """The top-level folders of the packages."""
        return list(dict.fromkeys(package.partition(".")[0] for package in self.packages))


def declared(kind: str) -> Sample:
    """Return the checkout that devpy.toml declares."""
    module = kind.replace("-", "_")
    own = (f"pm_{module}",) if kind in WITHOUT_NAMESPACE else (f"pm_{module}", f"pmns_{module}.mine")
    return Sample(kind, "worktree", f"pm-{kind}", "2.0", own, (f"pm-{kind}",))


def other(kind: str, name: str = "pm-{}") -> Sample:
    """Return another checkout, which still has what the declared one has dropped."""
    module = kind.replace("-", "_")
    packages = (f"pm_{module}", f"pm_{module}_removed", f"pmns_{module}.mine", f"pmns_{module}.removed")
    return Sample(kind, "other", name.format(kind), "1.0", packages, (f"pm-{kind}", f"pm-{kind}-removed"))


def write(sample: Sample, project: Path, backend: str) -> Path:
    """Write the project of a sample, to be built in the way of another kind or its own, and return its folder."""
    package_folder, files = BACKENDS[backend](sample)
    for package in sample.packages:
        folder = project / package_folder / package.replace(".", "/")
        _write(folder / "__init__.py", f'ORIGIN = "{sample.origin}"\n\n\ndef main():\n    print(ORIGIN)\n')
        _write(folder / "data.txt", sample.origin)
        for module in ("part", "removed") if sample.origin == "other" else ("part",):
            _write(folder / f"{module}.py", f'ORIGIN = "{sample.origin}"\n')
    for name, text in files.items():
        _write(project / name, text)
    return project


def entry_points(sample: Sample) -> str:
    """Return the text of the entry_points.txt."""
    scripts = "".join(f"{name} = {sample.module}:main\n" for name in sample.scripts)
    return f"[console_scripts]\n{scripts}\n[{GROUP}]\n{sample.kind} = {sample.module}:{sample.origin}\n"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


Written = tuple[str, dict[str, str]]
"""The folder of the packages in the project, and the text of each file that tells how to build it."""


def _pyproject(sample: Sample, requires: str, backend: str, extra: str) -> dict[str, str]:
    scripts = "".join(f'{name} = "{sample.module}:main"\n' for name in sample.scripts)
    text = f"""\
[build-system]
requires = {json.dumps(requires.split())}
build-backend = "{backend}"

[project]
name = "{sample.name}"
version = "{sample.version}"
description = "A sample"

[project.scripts]
{scripts}
[project.entry-points."{GROUP}"]
{sample.kind} = "{sample.module}:{sample.origin}"

{extra}"""
    return {"pyproject.toml": text}


def _setuptools(folder: str, mode: str = "") -> Callable[[Sample], Written]:
    def write(sample: Sample) -> Written:
        where = f'package-dir = {{"" = "{folder}"}}\n' if folder else ""
        extra = f"[tool.setuptools]\npackages = {json.dumps(sample.packages)}\n{where}"
        extra += '[tool.setuptools.package-data]\n"*" = ["*.txt"]\n'
        files = _pyproject(sample, "setuptools", "setuptools.build_meta", extra)
        if mode:
            files["setup.cfg"] = f"[editable_wheel]\nmode = {mode}\n"
        return folder, files

    return write


def _legacy(sample: Sample) -> Written:
    scripts = [f"{name} = {sample.module}:main" for name in sample.scripts]
    points = {"console_scripts": scripts, GROUP: [f"{sample.kind} = {sample.module}:{sample.origin}"]}
    arguments = {
        "name": sample.name,
        "version": sample.version,
        "packages": list(sample.packages),
        "package_data": {"": ["*.txt"]},
        "entry_points": points,
    }
    return "", {"setup.py": f"from setuptools import setup\n\nsetup(**{arguments!r})\n"}


def _hatchling(more: str = "") -> Callable[[Sample], Written]:
    def write(sample: Sample) -> Written:
        paths = json.dumps([f"src/{folder}" for folder in sample.folders])
        extra = f"{more}[tool.hatch.build.targets.wheel]\npackages = {paths}\n"
        return "src", _pyproject(sample, "hatchling", "hatchling.build", extra)

    return write


def _flit(sample: Sample) -> Written:
    return "src", _pyproject(
        sample, "flit_core", "flit_core.buildapi", f'[tool.flit.module]\nname = "{sample.module}"\n'
    )


def _poetry(sample: Sample) -> Written:
    packages = ", ".join(f'{{include = "{folder}", from = "src"}}' for folder in sample.folders)
    return "src", _pyproject(
        sample, "poetry-core>=2", "poetry.core.masonry.api", f"[tool.poetry]\npackages = [{packages}]\n"
    )


def _pdm(more: str = "") -> Callable[[Sample], Written]:
    def write(sample: Sample) -> Written:
        return "src", _pyproject(sample, "pdm-backend", "pdm.backend", f'[tool.pdm.build]\npackage-dir = "src"\n{more}')

    return write


def _uv(sample: Sample) -> Written:
    extra = f"[tool.uv.build-backend]\nmodule-name = {json.dumps(sample.packages)}\n"
    return "src", _pyproject(sample, "uv_build", "uv_build", extra)


def _scikit_build_core(sample: Sample) -> Written:
    paths = json.dumps([f"src/{folder}" for folder in sample.folders])
    extra = f"[tool.scikit-build]\nwheel.packages = {paths}\n"
    files = _pyproject(sample, "scikit-build-core", "scikit_build_core.build", extra)
    files["CMakeLists.txt"] = "cmake_minimum_required(VERSION 3.15)\nproject(sample LANGUAGES NONE)\n"
    return "src", files


def _meson(sample: Sample) -> Written:
    modules = ("part.py", "removed.py") if sample.origin == "other" else ("part.py",)
    lines = [f"project('sample', version: '{sample.version}')", "py = import('python').find_installation(pure: true)"]
    for package in sample.packages:
        folder = package.replace(".", "/")
        sources = [f"src/{folder}/{name}" for name in ("__init__.py", "data.txt", *modules)]
        lines.append(f"py.install_sources({sources!r}, subdir: '{folder}')")
    files = _pyproject(sample, "meson-python", "mesonpy", "")
    files["meson.build"] = "\n".join(lines) + "\n"
    return "src", files


def _maturin(sample: Sample) -> Written:
    """With bindings that need no crate; those of a program would leave no room for console scripts."""
    packages = json.dumps(sample.folders)
    extra = f'[tool.maturin]\nbindings = "cffi"\npython-source = "python"\npython-packages = {packages}\n'
    extra += f'module-name = "{sample.module}._native"\n'
    files = _pyproject(sample, "maturin>=1 cffi", "maturin", extra)
    files["Cargo.toml"] = (
        f'[package]\nname = "{sample.name}"\nversion = "{sample.version}.0"\nedition = "2021"\n'
        '[lib]\ncrate-type = ["cdylib"]\n'
    )
    files["src/lib.rs"] = '#[no_mangle]\npub extern "C" fn answer() -> i32 {\n    42\n}\n'
    files["target/header.h"] = "int32_t answer(void);\n"
    return "python", files


BACKENDS: dict[str, Callable[[Sample], Written]] = {
    "setuptools-src": _setuptools("src"),
    "setuptools-flat": _setuptools(""),
    "setuptools-compat": _setuptools("", "compat"),
    "setuptools-strict": _setuptools("src", "strict"),
    "legacy-setup-py": _legacy,
    "hatchling": _hatchling(),
    "hatchling-exact": _hatchling("[tool.hatch.build]\ndev-mode-exact = true\n"),
    "flit": _flit,
    "poetry-core": _poetry,
    "pdm": _pdm(),
    "pdm-editables": _pdm('editable-backend = "editables"\n'),
    "uv-build": _uv,
    "scikit-build-core": _scikit_build_core,
    "meson-python": _meson,
    "maturin": _maturin,
}

# flit takes a single package; the `editables` library maps none without an `__init__.py`.
WITHOUT_NAMESPACE = ("flit", "hatchling-exact", "pdm-editables")
