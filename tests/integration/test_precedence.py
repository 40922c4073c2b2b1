"""What devpy.toml declares comes first, whatever copy of it the base holds.

Every kind of declared editable stands in one overlay. Each kind of copy comes into the base for all of them at once, is
looked at through `devpy` and through plain `.venv/bin/python`, and leaves again. With `DEVPY_FULL_MATRIX=1`, so it goes
on an old and a new Python as well, for the kinds that need nothing but Python.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from . import interpreters, samples
from .channel import Channel
from .commands import Devpy, clean_environ, run
from .environments import CondaEnvironment, MakeCondaEnv
from .projects import MakeRepository
from .samples import Sample

# The last setuptools with a `setup.py develop` that does not leave everything to pip is 79.
PURE = ("pip", "wheel", "setuptools<80", "editables", "hatchling")
COMPILING = ("scikit-build-core", "meson-python")
OTHER_PYTHONS = ("3.8", "3.13", "3.14", "3.15")
STARTING = {"3.15": ("scikit-build-core",)}
"""The kinds that come by `.start` files (PEP 829) where there are such."""
KINDS_FOR_OTHERS = ("setuptools-src", "setuptools-flat", "setuptools-strict", "legacy-setup-py", "hatchling", "flit")

MISSING = "ModuleNotFoundError"

PROBE = """
import importlib, importlib.metadata as metadata, importlib.resources as resources, json, sys

def origin(name):
    try:
        return importlib.import_module(name).ORIGIN
    except ImportError as error:
        return type(error).__name__

def data(name):
    try:
        if hasattr(resources, "files"):
            return resources.files(name).joinpath("data.txt").read_text()
        return resources.read_text(name, "data.txt")
    except (ImportError, OSError) as error:
        return repr(error)

def group(name, distribution):
    points = metadata.entry_points()
    if hasattr(points, "select"):
        return points.select(group=name)
    # Before Python 3.10, that gives those of all distributions, even if one hides another.
    return [point for point in metadata.distribution(distribution).entry_points if point.group == name]

def facts(kind, names):
    module = kind.replace("-", "_")
    return {
        "version": metadata.version(names["distribution"]),
        "entry points": [point.value for point in group(names["group"], names["distribution"]) if point.name == kind],
        "data": data("pm_" + module),
        "modules": {name: origin(name) for name in names["modules"]},
    }

print(json.dumps({kind: facts(kind, names) for kind, names in json.loads(sys.argv[1]).items()}))
"""


class Tree(NamedTuple):
    """A worktree with a package of every kind, and its base, which this module may change."""

    root: Path
    kinds: tuple[str, ...]
    base: CondaEnvironment
    environ: dict[str, str]

    def pip(self, *args: str | Path) -> None:
        assert run([self.base.python, "-m", "pip", *args], cwd=self.root.parent, environ=self.of_base).code == 0

    @property
    def of_base(self) -> dict[str, str]:
        return {**self.environ, "PATH": f"{self.base.prefix}/bin:{self.environ['PATH']}"}


@pytest.fixture(scope="module")
def make_tree(
    tmp_path_factory: pytest.TempPathFactory,
    make_conda_env: MakeCondaEnv,
    conda_channel: Channel,
    pip_cache: Path,
    conda_root: Path,
) -> Callable[[str], Tree]:
    """Make the worktree for a version of Python, or of the usual one if it is empty; each once."""

    @functools.cache
    def make(python: str) -> Tree:
        home = tmp_path_factory.mktemp("home")
        environ = {**clean_environ(home, pip_cache), **rust(), "CONDA_ENVS_DIRS": str(conda_root / "envs")}
        minor = python or interpreters.default()
        in_base = (*PURE, *STARTING.get(python, ())) if python else (*PURE, *COMPILING)
        specs = (conda_channel.add_python(minor), *conda_channel.add_distributions(minor, in_base))
        base = make_conda_env.clone(CondaEnvironment(Path(), specs), f"precedence{python}")
        kinds = (*KINDS_FOR_OTHERS, *STARTING.get(python, ())) if python else KINDS
        toml = f'[python]\nbase_conda_env = "{base.name}"\n[editables]\npackages = {json.dumps(kinds)}\n'
        root = MakeRepository(environ)(tmp_path_factory.mktemp("precedence") / "worktree", files={"devpy.toml": toml})
        for kind in kinds:
            samples.write(samples.declared(kind), root / kind, kind)
        tree = Tree(root, kinds, base, environ)
        if not python:
            tree.pip("install", "ninja")
        assert Devpy(environ)("update-editables", cwd=root).code == 0
        return tree

    return make


def rust() -> dict[str, str]:
    """Return where cargo is and its toolchain, which rustup would look for in another home."""
    cargo = shutil.which("cargo")
    if cargo is None:
        return {}
    homes = {name: os.environ.get(name, str(Path.home() / default)) for name, default in RUST_HOMES.items()}
    return {**homes, "PATH": f"{clean_environ(Path(), Path())['PATH']}:{os.path.dirname(cargo)}"}


RUST_HOMES = {"CARGO_HOME": ".cargo", "RUSTUP_HOME": ".rustup"}
KINDS = tuple(kind for kind in samples.BACKENDS if kind != "maturin" or shutil.which("cargo"))


# What the base may hold: each of these puts a copy of all kinds into it.


def regular_installs(tree: Tree, folder: Path) -> None:
    wheels = [write_wheel(folder, samples.other(kind)) for kind in tree.kinds]
    tree.pip("install", "--no-deps", "--no-index", *wheels)


def editables(backend: str) -> Callable[[Tree, Path], None]:
    def install(tree: Tree, folder: Path) -> None:
        projects = [samples.write(samples.other(kind), folder / kind, backend) for kind in tree.kinds]
        requests = [f"--editable={project}" for project in projects]
        tree.pip("install", "--no-deps", "--no-build-isolation", *requests)

    return install


def conda_develop(tree: Tree, folder: Path) -> None:
    for kind in tree.kinds:
        samples.write(samples.other(kind), folder / kind, "hatchling")
    lines = [f"{folder / kind}/src\n" for kind in tree.kinds]
    (tree.base.site_packages / "conda.pth").write_text("".join(lines), encoding="utf-8")


def egg_links(tree: Tree, folder: Path) -> None:
    """Of distributions whose names are spelled in another way."""
    for kind in tree.kinds:
        project = samples.write(samples.other(kind, name="PM_.{}"), folder / kind, "legacy-setup-py")
        command: list[str | Path] = [tree.base.python, "setup.py", "--quiet", "develop", "--no-deps"]
        assert run(command, cwd=project, environ=tree.of_base).code == 0
    assert (tree.base.site_packages / "easy-install.pth").exists()


def other_halves(tree: Tree, folder: Path) -> None:
    wheels = [write_wheel(folder, other_half(kind)) for kind in tree.kinds]
    tree.pip("install", "--no-deps", "--no-index", *wheels)


def other_halves_with_stubs(tree: Tree, folder: Path) -> None:
    other_halves(tree, folder)
    for kind in tree.kinds:
        name = f"pmns_{kind.replace('-', '_')}"
        line = NAMESPACE.format(name=name)
        (tree.base.site_packages / f"{name}-nspkg.pth").write_text(line, encoding="utf-8")


# What setuptools writes for a distribution with `namespace_packages`.
NAMESPACE = (
    "import sys, types, os;p = os.path.join(sys._getframe(1).f_locals['sitedir'], *('{name}',));"
    "importlib = __import__('importlib.util');__import__('importlib.machinery');"
    "m = sys.modules.setdefault('{name}', importlib.util.module_from_spec("
    "importlib.machinery.PathFinder.find_spec('{name}', [os.path.dirname(p)])));"
    "m = m or sys.modules.setdefault('{name}', types.ModuleType('{name}'));"
    "mp = (m or []) and m.__dict__.setdefault('__path__',[]);(p not in mp) and mp.append(p)\n"
)


def other_half(kind: str) -> Sample:
    module = f"pmns_{kind.replace('-', '_')}.theirs"
    return Sample(f"half-of-{kind}", "other", f"other-half-of-{kind}", "1.0", (module,), ())


def write_wheel(folder: Path, sample: Sample) -> Path:
    project = samples.write(sample, folder / sample.kind, "setuptools-flat")
    name = sample.name.replace("-", "_")
    info = f"{name}-{sample.version}.dist-info"
    files = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {sample.name}\nVersion: {sample.version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": samples.entry_points(sample),
        f"{info}/RECORD": "",
    }
    path = folder / f"{name}-{sample.version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for package in sample.folders:
            for file in (project / package).rglob("*.*"):
                archive.write(file, file.relative_to(project))
        for file_name, text in files.items():
            archive.writestr(file_name, text)
    return path


COPIES: dict[str, Callable[[Tree, Path], None]] = {
    "regular install": regular_installs,
    "path": editables("hatchling"),
    "finder": editables("setuptools-flat"),
    "scikit-build-core": editables("scikit-build-core"),
    "meson-python": editables("meson-python"),
    "conda develop": conda_develop,
    "egg-link": egg_links,
}
WITHOUT_METADATA = ("regular install", "conda develop")
"""Copies that do not tell which checkout they come from: what this one has dropped can be imported from there."""
HALVES = {"other half": other_halves, "other half with a stub": other_halves_with_stubs}


class Found(NamedTuple):
    """What was found while a kind of copy was in the base."""

    copy: str
    facts: list[dict[str, Any]]
    """By the kind of the declared package; through devpy and without."""
    scripts: dict[str, bool]
    """The programs in the overlay's `bin`, and whether each is a link."""


class Place(NamedTuple):
    """Where to look."""

    python: str
    """Such as `3.8`; empty for the usual one."""
    copy: str


def places() -> list[Place]:
    copies = [*COPIES, *HALVES]
    usual = [Place("", copy) for copy in copies]
    if os.environ.get("DEVPY_FULL_MATRIX") != "1":
        return usual
    left_out = {python: {*COMPILING}.difference(STARTING.get(python, ())) for python in OTHER_PYTHONS}
    return usual + [Place(python, copy) for python in OTHER_PYTHONS for copy in copies if copy not in left_out[python]]


@pytest.fixture(
    scope="module", params=places(), ids=lambda place: f"{place.copy}{place.python and ' on '}{place.python}"
)
def found(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, make_tree: Callable[[str], Tree]
) -> Iterator[Found]:
    """Put copies of one kind into the base, and look at them all."""
    place: Place = request.param
    copy, tree = place.copy, make_tree(place.python)
    folders = [tree.base.site_packages, tree.base.prefix / "bin"]
    before = [set(folder.iterdir()) for folder in folders]
    {**COPIES, **HALVES}[copy](tree, tmp_path_factory.mktemp("other"))
    yield look(tree, copy)
    for folder, kept in zip(folders, before):
        for path in set(folder.iterdir()) - kept:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def look(tree: Tree, copy: str) -> Found:
    wanted = {
        kind: {
            "distribution": samples.declared(kind).name,
            "group": samples.GROUP,
            "modules": [*expected_modules(copy, kind)],
        }
        for kind in tree.kinds
    }
    program = ["python", "-c", PROBE, json.dumps(wanted)]
    through_devpy = Devpy(tree.environ)(*program, cwd=tree.root)
    plain = run([tree.root / ".venv/bin" / program[0], *program[1:]], cwd=tree.root.parent, environ={})
    programs = {path.name: path.is_symlink() for path in (tree.root / ".venv/bin").iterdir()}
    facts = []
    for result in (through_devpy, plain):
        assert result.code == 0
        assert [line for line in result.err.splitlines() if not line.startswith("devpy: updating ")] == []
        facts.append(json.loads(result.out))
    return Found(copy, facts, programs)


def expected_modules(copy: str, kind: str) -> dict[str, str]:
    """Return what importing each module should give."""
    module = kind.replace("-", "_")
    has_namespace = kind not in samples.WITHOUT_NAMESPACE
    expected = {f"pm_{module}": "worktree", f"pm_{module}.part": "worktree", f"pm_{module}.removed": MISSING}
    if has_namespace:
        expected[f"pmns_{module}.mine"] = "worktree"
    if copy in HALVES and has_namespace:
        expected[f"pmns_{module}.theirs"] = "other"
    if copy in COPIES and copy not in WITHOUT_METADATA:
        expected.update({f"pm_{module}_removed": MISSING, f"pmns_{module}.removed": MISSING})
    return expected


@pytest.mark.parametrize("kind", samples.BACKENDS)
def test_declared_one_comes_first(found: Found, kind: str) -> None:
    if kind not in found.facts[0]:
        pytest.skip("not built here: no cargo, or an old or new Python, which gets a few kinds")
    if found.copy in HALVES and kind in samples.WITHOUT_NAMESPACE:
        pytest.skip("cannot be part of a namespace package beside another package")
    expected = {
        "version": "2.0",
        "entry points": [f"pm_{kind.replace('-', '_')}:worktree"],
        "data": "worktree",
        "modules": expected_modules(found.copy, kind),
    }
    for facts in found.facts:
        assert facts[kind] == expected
    scripts = {name: found.scripts.get(name) for name in (f"pm-{kind}", f"pm-{kind}-removed")}
    assert scripts == {f"pm-{kind}": False, f"pm-{kind}-removed": None}
