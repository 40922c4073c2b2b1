"""What an overlay's Python imports: the overlay lies in a folder, its base in another, and `site` reads the bridge."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from devpy_virtualenv_plugin import layout

from . import pep829
from .overlay import write_start_files

SITE_PACKAGES = f"lib/python3.{sys.version_info.minor}/site-packages"

# Prints for each name the file it is imported from, the folders of a namespace package, or why it is not imported.
WHERE = """
import importlib, json, site, sys
site.addsitedir(sys.argv[1])
found = {}
for name in sys.argv[2:]:
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        found[name] = type(error).__name__
    else:
        found[name] = getattr(module, "__file__", None) or list(module.__path__)
print(json.dumps(found))
"""
MISSING = "ModuleNotFoundError"

# What editables do: a finder that knows where each module is.
FINDER = """
import sys
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        file = MAPPING.get(name)
        if file is None or not file.endswith("/"):
            return file and spec_from_file_location(name, file)
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [file[:-1]]
        return spec

    @staticmethod
    def find_distributions(context):
        return "passed on"
"""
AHEAD, BEHIND = "sys.meta_path.insert(0, Finder)\n", "sys.meta_path.append(Finder)\n"


class Tree(NamedTuple):
    """An overlay, its base, and checkouts beside them."""

    root: Path
    minor: int = 0
    """The Python 3.X whose `site` is emulated; 0 for this one's own."""

    @property
    def overlay(self) -> Path:
        return self.root / "worktree/.venv" / SITE_PACKAGES

    @property
    def base(self) -> Path:
        return self.root / "base" / SITE_PACKAGES

    def write(self, *files: str) -> None:
        """Make modules that do nothing, by their paths in the tree."""
        for file in files:
            self.add(self.root / file, "")

    def add(self, file: Path, text: str) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def add_path(self, site_packages: Path, folder: str) -> None:
        self.add(site_packages / f"{folder.replace('/', '-')}.pth", f"{self.root / folder}\n")

    def add_finder(self, site_packages: Path, module: str, mapping: Mapping[str, str], install: str = AHEAD) -> None:
        """Add a finder and what installs it on any Python; a mapping to `folder/` is a namespace package's part."""
        absolute = {name: f"{self.root}/{file}" for name, file in mapping.items()}
        function = f"def install():\n{textwrap.indent(install, '    ')}"
        self.add(site_packages / f"{module.replace('.', '/')}.py", f"MAPPING = {absolute!r}\n{FINDER}\n{function}")
        self.add(site_packages / f"{module}.pth", f"import {module}; {module}.install()\n")
        self.add(site_packages / f"{module}.start", f"{module}:install\n")

    def add_editable(self, site_packages: Path, name: str, folder: str, *files: str, editable: bool = True) -> None:
        """Add the metadata of a distribution in a folder, and the files that were installed with it."""
        dist_info = site_packages / f"{name}-1.0.dist-info"
        origin = {"url": (self.root / folder).as_uri(), "dir_info": {"editable": editable}}
        self.add(dist_info / "direct_url.json", json.dumps(origin))
        self.add(dist_info / "RECORD", "".join(f"{file},sha256=0,1\n" for file in files))

    def where(self, *names: str) -> Any:
        """Import the modules, in this order, and return where each has come from, relative to the tree."""
        return json.loads(self.run(WHERE, *names).replace(f"{self.root}/", ""))

    def run(self, program: str, *args: str) -> str:
        done = self.start(program, *args)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def start(self, program: str, *args: str) -> subprocess.CompletedProcess[str]:
        program = (pep829.prelude(self.minor) if self.minor else "") + program
        command = [sys.executable, "-I", "-S", "-c", program, str(self.overlay), *args]
        return subprocess.run(command, check=False, capture_output=True, encoding="utf-8", env={})


@pytest.fixture(params=[0, 15], ids=["this site", "PEP 829"])
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Tree:
    return make_tree(tmp_path, request.param)


def make_tree(root: Path, minor: int) -> Tree:
    tree = Tree(root, minor)
    tree.base.mkdir(parents=True)
    bridge = layout.START_BRIDGE if minor else layout.bridge(str(tree.overlay))
    write_start_files(tree.overlay, tree.base, bridge)
    return tree


# sys.path.


def test_entries_that_the_base_puts_first(tree: Tree) -> None:
    tree.write("worktree/src/alpha.py", "other/src/alpha.py", "other/src/beta.py")
    tree.add_path(tree.overlay, "worktree/src")
    tree.add(tree.base / "easy-install.pth", f"import sys; sys.path.insert(0, {str(tree.root / 'other/src')!r})\n")
    assert tree.where("alpha", "beta") == {"alpha": "worktree/src/alpha.py", "beta": "other/src/beta.py"}


def test_paths_keep_their_order(tree: Tree) -> None:
    folders = [f"{tree.root}/{name}" for name in ("own/b", "own/a", "theirs/b", "theirs/a")]
    tree.write(*(f"{Path(folder).relative_to(tree.root)}/x.py" for folder in folders))
    tree.add(tree.overlay / "own.pth", "\n".join(folders[:2]))
    tree.add(tree.base / "a.pth", f"import sys; sys.path.insert(0, {folders[2]!r})\n{folders[3]}\n")
    path = "import site, sys; before = [*sys.path]; site.addsitedir(sys.argv[1]); print(*sys.path[len(before):])"
    assert tree.run(path).split() == [str(tree.overlay), *folders[:2], folders[2], str(tree.base), folders[3]]


def test_base_that_pythonpath_names(tree: Tree) -> None:
    """Python then has the base ahead of everything, and has read none of its `.pth` files."""
    tree.write("worktree/src/alpha.py", f"base/{SITE_PACKAGES}/alpha.py", "beta/src/beta.py")
    tree.write("worktree/found.py", "other/found.py")
    tree.add_path(tree.overlay, "worktree/src")
    tree.add_path(tree.base, "beta/src")
    for site_packages, folder in ((tree.overlay, "worktree"), (tree.base, "other")):
        tree.add_finder(site_packages, "_finder", {"found": f"{folder}/found.py"})
    code = f"import site, sys; sys.path.insert(0, {str(tree.base)!r}); site.addsitedir(sys.argv[1], {{*sys.path}})\n"
    shown = tree.run(code + "import alpha, beta, found; print(alpha.__file__, beta.__file__, found.__file__)")
    files = ["worktree/src/alpha.py", "beta/src/beta.py", "worktree/found.py"]
    assert shown.split() == [f"{tree.root}/{file}" for file in files]


def test_base_that_a_pth_of_the_overlay_names(tree: Tree) -> None:
    """It would be let in before the bridge is reached, each time that these files are read."""
    tree.write("worktree/src/alpha.py", f"base/{SITE_PACKAGES}/alpha.py", f"base/{SITE_PACKAGES}/found.py")
    tree.write("worktree/found.py", "beta/src/beta.py")
    tree.add(tree.overlay / "conda.pth", f"{tree.base}\n{tree.root}/worktree/src\n")
    tree.add_finder(tree.overlay, "_finder", {"found": "worktree/found.py"})
    tree.add_path(tree.base, "beta/src")
    assert tree.where("alpha", "found", "beta") == {
        "alpha": "worktree/src/alpha.py",
        "found": "worktree/found.py",
        "beta": "beta/src/beta.py",
    }


# Finders.


@pytest.mark.parametrize("place", [AHEAD, BEHIND])
def test_finder_of_the_base(tree: Tree, place: str) -> None:
    tree.write("worktree/src/alpha/__init__.py", "worktree/src/alpha/part.py", "worktree/src/single.py")
    tree.add_path(tree.overlay, "worktree/src")
    names = {"alpha": "alpha/__init__.py", "single": "single.py", "beta": "beta.py"}
    names = {name: f"other/{file}" for name, file in names.items()}
    names.update({"alpha.part": "other/part.py", "alpha.removed": "other/removed.py", "single.sub": "other/sub.py"})
    tree.write(*names.values())
    tree.add_finder(tree.base, "_finder", names, place)
    assert tree.where("alpha", "alpha.part", "alpha.removed", "single", "single.sub", "beta") == {
        "alpha": "worktree/src/alpha/__init__.py",
        "alpha.part": "worktree/src/alpha/part.py",
        "alpha.removed": MISSING,
        "single": "worktree/src/single.py",
        "single.sub": MISSING,
        "beta": "other/beta.py",
    }


def test_finder_of_the_overlay_comes_before_that_of_the_base(tree: Tree) -> None:
    tree.write("worktree/alpha.py", "other/alpha.py")
    tree.add_finder(tree.overlay, "_own_finder", {"alpha": "worktree/alpha.py"}, AHEAD)
    tree.add_finder(tree.base, "_finder", {"alpha": "other/alpha.py"}, AHEAD)
    assert tree.where("alpha") == {"alpha": "worktree/alpha.py"}


@pytest.mark.parametrize("module", ["_known_to_nobody", "_known.to.nobody"])
def test_editable_of_a_backend_that_is_not_known(tree: Tree, module: str) -> None:
    """Its finder stands at the end, and the base holds another copy: the overlay's RECORD tells whose the finder is."""
    tree.write("worktree/alpha.py", f"base/{SITE_PACKAGES}/alpha.py")
    tree.add_finder(tree.overlay, module, {"alpha": "worktree/alpha.py"}, BEHIND)
    assert tree.where("alpha") == {"alpha": f"base/{SITE_PACKAGES}/alpha.py"}
    tree.add_editable(tree.overlay, "sample_alpha", "worktree", f"{module.replace('.', '/')}.py")
    assert tree.where("alpha") == {"alpha": "worktree/alpha.py"}


def test_parts_of_a_namespace_package(tree: Tree) -> None:
    """A module in the overlay's part comes from there, and all parts can be imported."""
    tree.write("worktree/src/ns/mine.py", "worktree/src/ns/sub/deep.py")
    tree.write("other/ns/mine.py", "other/ns/theirs.py", "other/ns/sub/deep.py", "other/ns/sub/more.py")
    tree.add_path(tree.overlay, "worktree/src")
    tree.add(tree.base / "ns/installed.py", "")
    mapping = {"ns": "other/ns/", "ns.sub": "other/ns/sub/"}
    mapping.update({f"ns.{name}": f"other/ns/{name}.py" for name in ("mine", "theirs")})
    tree.add_finder(tree.base, "_finder", mapping)
    assert tree.where("ns", "ns.mine", "ns.theirs", "ns.installed", "ns.sub.deep", "ns.sub.more") == {
        "ns": ["worktree/src/ns", "other/ns", f"base/{SITE_PACKAGES}/ns"],
        "ns.mine": "worktree/src/ns/mine.py",
        "ns.theirs": "other/ns/theirs.py",
        "ns.installed": f"base/{SITE_PACKAGES}/ns/installed.py",
        "ns.sub.deep": "worktree/src/ns/sub/deep.py",
        "ns.sub.more": "other/ns/sub/more.py",
    }


@pytest.mark.parametrize("is_public", [True, False])
def test_class_of_the_path_of_a_namespace_package(tree: Tree, is_public: bool) -> None:
    """The one that importlib makes public, or else the private one that it uses itself."""
    tree.write("worktree/src/ns/mine.py", "other/ns/theirs.py", "elsewhere/plain/module.py")
    tree.add_path(tree.overlay, "worktree/src")
    tree.add_finder(tree.base, "_finder", {"ns": "other/ns/"})
    start = [
        "import sys; sys.path.append(sys.argv[2]); import importlib.machinery as machinery, plain",
        "own = getattr(machinery, 'NamespacePath', type(plain.__path__))",
        "machinery.NamespacePath = type('Public', (own,), {})"
        if is_public
        else "vars(machinery).pop('NamespacePath', 0)",
    ]
    end = ["import site; site.addsitedir(sys.argv[1]); import ns", "print(type(ns.__path__).__name__)"]
    shown = tree.run("\n".join([*start, *end]), str(tree.root / "elsewhere")).strip()
    assert shown == "Public" if is_public else shown in ("_NamespacePath", "NamespacePath")


@pytest.mark.skipif(sys.version_info < (3, 10), reason="importlib.resources knows no namespace packages")
def test_resources_of_a_namespace_package(tree: Tree) -> None:
    tree.add(tree.root / "worktree/src/space/own.txt", "own")
    tree.add_path(tree.overlay, "worktree/src")
    tree.add(tree.root / "other/theirs.txt", "theirs")
    tree.add_finder(tree.base, "_finder", {"space": "other/"})
    code = (
        "import site, sys; site.addsitedir(sys.argv[1]); from importlib import resources\n"
        "print(*sorted(file.read_text() for file in resources.files('space').iterdir() if file.is_file()))"
    )
    assert tree.run(code).split() == ["own", "theirs"]


def test_package_of_the_overlay_that_is_a_namespace_in_the_base(tree: Tree) -> None:
    tree.write("worktree/src/ns/__init__.py", "other/ns/theirs.py")
    tree.add_path(tree.overlay, "worktree/src")
    tree.add_finder(tree.base, "_finder", {"ns": "other/ns/", "ns.theirs": "other/ns/theirs.py"})
    assert tree.where("ns", "ns.theirs") == {"ns": "worktree/src/ns/__init__.py", "ns.theirs": MISSING}


def test_package_of_the_overlay_that_is_open_to_others(tree: Tree) -> None:
    tree.add_path(tree.overlay, "worktree/src")
    opened = "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"
    tree.add(tree.root / "worktree/src/ns/__init__.py", opened)
    tree.write("other/ns/theirs.py")
    tree.add_finder(tree.base, "_finder", {"ns.theirs": "other/ns/theirs.py"}, BEHIND)
    assert tree.where("ns.theirs") == {"ns.theirs": "other/ns/theirs.py"}


def test_finder_that_changes_how_modules_are_loaded(tree: Tree) -> None:
    """Such as that of a tracer: it finds what the others find, but puts its own loader there."""
    tree.write("worktree/src/alpha.py")
    tree.add_path(tree.overlay, "worktree/src")
    tree.add_finder(tree.base, "_tracer", {"alpha": "worktree/src/alpha.py"})
    (tree.base / "_tracer.py").write_text(
        (tree.base / "_tracer.py").read_text("utf-8").replace("return file and", "print('asked'); return file and")
    )
    program = "import site, sys; site.addsitedir(sys.argv[1]); import alpha; print(alpha.__spec__.origin)"
    assert tree.run(program).splitlines()[-1] == str(tree.root / "worktree/src/alpha.py")
    assert "asked" in tree.run(program)


def test_namespace_that_the_overlays_finder_keeps_to_itself(tree: Tree) -> None:
    tree.write("worktree/src/ns/mine.py", f"base/{SITE_PACKAGES}/ns/mine.py", f"base/{SITE_PACKAGES}/ns/theirs.py")
    tree.add_finder(tree.overlay, "_own_finder", {"ns": "worktree/src/ns/", "ns.mine": "worktree/src/ns/mine.py"})
    assert tree.where("ns.mine", "ns.theirs") == {
        "ns.mine": "worktree/src/ns/mine.py",
        "ns.theirs": f"base/{SITE_PACKAGES}/ns/theirs.py",
    }


def test_finder_that_the_overlay_adds_twice(tree: Tree) -> None:
    """In a virtual environment, `site` reads every `.pth` file twice, with the same set of known paths."""
    tree.write("worktree/src/ns/mine.py", f"base/{SITE_PACKAGES}/ns/theirs.py")
    tree.add_finder(tree.overlay, "_own_finder", {"ns": "worktree/src/ns/"}, "sys.meta_path.insert(0, Finder())\n")
    program = (
        "import site, sys; known = set(sys.path); site.addsitedir(sys.argv[1], known); "
        "site.addsitedir(sys.argv[1], known); import ns.theirs; print(len(sys.meta_path))"
    )
    assert tree.run(program) == "5\n"


def test_finder_of_the_base_can_be_found_and_removed(tree: Tree) -> None:
    tree.write("other/beta.py")
    tree.add_finder(tree.base, "_finder", {"beta": "other/beta.py"})
    program = (
        "import site, sys; site.addsitedir(sys.argv[1]); from _finder import Finder; print(Finder in sys.meta_path); "
        "sys.meta_path.remove(Finder); import beta"
    )
    done = tree.start(program)
    assert done.stdout == "True\n"
    assert MISSING in done.stderr


def test_other_uses_of_a_finder(tree: Tree) -> None:
    tree.add_finder(tree.base, "_finder", {})
    program = "import site, sys; site.addsitedir(sys.argv[1]); print(sys.meta_path[0].find_distributions(None))"
    assert tree.run(program) == "passed on\n"


# Namespace packages that a `*-nspkg.pth` has made.


def add_namespace(tree: Tree, name: str, folder: str, module: str = "types.ModuleType({name!r})") -> None:
    parent, _, child = name.rpartition(".")
    lines = [
        "import sys, types, importlib.util, importlib.machinery as machinery",
        f"p = {str(tree.root / folder)!r}",
        f"m = sys.modules.setdefault({name!r}, {module.format(name=name, parent=str((tree.root / folder).parent))})",
        "mp = m.__dict__.setdefault('__path__', [])",
        "(p not in mp) and mp.append(p)",
    ]
    if parent:
        lines.append(f"setattr(sys.modules[{parent!r}], {child!r}, m)")
    tree.add(tree.base / f"{name}-nspkg.pth", "; ".join(lines) + "\n")


@pytest.mark.parametrize(
    "module",
    [
        "types.ModuleType({name!r})",
        "importlib.util.module_from_spec(machinery.PathFinder.find_spec({name!r}, [{parent!r}]))",
    ],
)
def test_namespace_of_the_base(tree: Tree, module: str) -> None:
    tree.write("worktree/src/ns/mine.py", "worktree/src/ns/both.py")
    tree.add_path(tree.overlay, "worktree/src")
    theirs = f"base/{SITE_PACKAGES}/ns"
    tree.write(f"{theirs}/theirs.py", f"{theirs}/both.py")
    add_namespace(tree, "ns", theirs, module)
    assert tree.where("ns.mine", "ns.theirs", "ns.both") == {
        "ns.mine": "worktree/src/ns/mine.py",
        "ns.theirs": f"{theirs}/theirs.py",
        "ns.both": "worktree/src/ns/both.py",
    }


def test_namespace_of_the_base_that_is_a_package_in_the_overlay(tree: Tree) -> None:
    tree.write("worktree/src/ns/__init__.py", "worktree/src/ns/sub/__init__.py")
    tree.add_path(tree.overlay, "worktree/src")
    theirs = f"base/{SITE_PACKAGES}/ns"
    tree.write(f"{theirs}/theirs.py", f"{theirs}/sub/theirs.py")
    add_namespace(tree, "ns", theirs)
    add_namespace(tree, "ns.sub", f"{theirs}/sub")
    assert tree.where("ns", "ns.sub", "ns.theirs") == {
        "ns": "worktree/src/ns/__init__.py",
        "ns.sub": "worktree/src/ns/sub/__init__.py",
        "ns.theirs": MISSING,
    }


def test_namespace_that_only_the_base_has(tree: Tree) -> None:
    theirs = f"base/{SITE_PACKAGES}/ns"
    tree.write(f"{theirs}/theirs.py")
    add_namespace(tree, "ns", theirs)
    assert tree.where("ns.theirs") == {"ns.theirs": f"{theirs}/theirs.py"}


# The base's editables of distributions that the overlay has, too.


@pytest.fixture
def rival(tree: Tree) -> Tree:
    """`alpha` in both; the other checkout still has the modules `old` and `alpha.old`."""
    tree.write("worktree/src/alpha/__init__.py")
    tree.add_editable(tree.overlay, "sample_alpha", "worktree", "alpha.pth")
    tree.add_path(tree.overlay, "worktree/src")
    tree.write("other/src/alpha/__init__.py", "other/src/alpha/old.py", "other/src/old.py", "beta/src/beta.py")
    tree.add_editable(tree.base, "beta", "beta", "beta.pth")
    tree.add_path(tree.base, "beta/src")
    return tree


WITHOUT_RIVAL = {
    "alpha": "worktree/src/alpha/__init__.py",
    "alpha.old": MISSING,
    "old": MISSING,
    "beta": "beta/src/beta.py",
}


@pytest.mark.parametrize("name", ["sample_alpha", "Sample.Alpha", "sample-alpha", "sample_-_ALPHA"])
def test_rival_on_the_path(rival: Tree, name: str) -> None:
    rival.add_editable(rival.base, name, "other", "x.pth")
    rival.add_path(rival.base, "other/src")
    assert rival.where(*WITHOUT_RIVAL) == WITHOUT_RIVAL


def test_rival_of_a_difficult_path(rival: Tree) -> None:
    moved = rival.root / "ö ther %20"
    (rival.root / "other").rename(moved)
    rival.add_editable(rival.base, "sample_alpha", moved.name, "x.pth")
    rival.add_path(rival.base, f"{moved.name}/src")
    assert rival.where(*WITHOUT_RIVAL) == WITHOUT_RIVAL


def test_rival_by_a_symlink(rival: Tree) -> None:
    (rival.root / "link").symlink_to("other")
    rival.add_editable(rival.base, "sample_alpha", "other", "x.pth")
    rival.add_path(rival.base, "link/src")
    assert rival.where(*WITHOUT_RIVAL) == WITHOUT_RIVAL


def test_rival_by_an_egg_link(rival: Tree) -> None:
    rival.add(rival.base / "sample-alpha.egg-link", f"{rival.root}/other/src\n../")
    line = f"import sys; sys.path[0:0] = [{str(rival.root / 'other/src')!r}]\n"
    rival.add(rival.base / "easy-install.pth", line)
    add_namespace(rival, "ns", "other/src/ns")
    rival.write("other/src/ns/old.py")
    expected = {**WITHOUT_RIVAL, "ns.old": MISSING}
    assert rival.where(*expected) == expected


@pytest.mark.parametrize("place", [AHEAD, BEHIND])
@pytest.mark.parametrize("module", ["_alpha", "_impl.alpha"])
def test_rival_with_a_finder_of_its_own(rival: Tree, module: str, place: str) -> None:
    """The finder goes, and with it what it would find outside the checkout, such as compiled modules."""
    files = (f"{module.replace('.', '/')}.py", f"{module}.pth", f"{module}.start")
    rival.add_editable(rival.base, "sample_alpha", "other", *files)
    rival.write("build/_compiled.py")
    names = {name: f"other/src/{name}.py" for name in ("old", "alpha")}
    rival.add_finder(rival.base, module, {**names, "_compiled": "build/_compiled.py"}, place)
    expected = {**WITHOUT_RIVAL, "_compiled": MISSING}
    assert rival.where(*expected) == expected


def test_rival_with_a_finder_that_others_use_too(rival: Tree) -> None:
    rival.add_editable(rival.base, "sample_alpha", "other", "alpha.pth")
    rival.write("gamma/gamma.py")
    rival.add_finder(rival.base, "_shared", {"old": "other/src/old.py", "gamma": "gamma/gamma.py"}, BEHIND)
    expected = {**WITHOUT_RIVAL, "gamma": "gamma/gamma.py"}
    assert rival.where(*expected) == expected


def test_rivals_part_of_a_namespace_that_setuptools_finds(rival: Tree) -> None:
    """It puts a name on the path that only a hook of its own makes sense of."""
    rival.write("worktree/src/ns/mine.py", "other/src/ns/old.py")
    module = "__editable___sample_alpha_1_0_finder"
    entry = "__editable__.sample_alpha-1.0.finder.__path_hook__"
    hook = f"""
class PathFinder:
    @staticmethod
    def find_spec(name, target=None):
        return Finder.find_spec(name)

    @classmethod
    def hook(cls, path):
        if path == {entry!r}:
            return cls
        raise ImportError

sys.path_hooks.append(PathFinder.hook)
sys.path.append({entry!r})
"""
    rival.add_editable(rival.base, "sample_alpha", "other", f"{module}.py", f"{module}.pth")
    rival.add_finder(rival.base, module, {"ns": "other/src/ns/"}, hook)
    assert rival.where("ns.mine", "ns.old") == {"ns.mine": "worktree/src/ns/mine.py", "ns.old": MISSING}


def test_other_editable_inside_a_rivals_folder(rival: Tree) -> None:
    rival.write("other/libs/gamma/src/gamma.py")
    rival.add_editable(rival.base, "sample_alpha", "other", "x.pth")
    rival.add_editable(rival.base, "gamma", "other/libs/gamma", "y.pth")
    rival.add_path(rival.base, "other/src")
    rival.add_path(rival.base, "other/libs/gamma/src")
    expected = {**WITHOUT_RIVAL, "gamma": "other/libs/gamma/src/gamma.py"}
    assert rival.where(*expected) == expected


def test_worktree_and_base_inside_a_rivals_folder(rival: Tree) -> None:
    """A repository may hold its environment, and its worktrees."""
    rival.add_editable(rival.base, "sample_alpha", ".", "x.pth")
    rival.add_path(rival.base, "other/src")
    rival.write(f"base/{SITE_PACKAGES}/installed.py", f"base/{SITE_PACKAGES}/more/extra.py")
    rival.add(rival.base / "more.pth", "more\n")
    expected = {
        **WITHOUT_RIVAL,
        "installed": f"base/{SITE_PACKAGES}/installed.py",
        "extra": f"base/{SITE_PACKAGES}/more/extra.py",
    }
    assert rival.where(*expected) == expected


def test_rival_inside_the_bases_prefix(rival: Tree) -> None:
    rival.write("base/src/rival/src/alpha/__init__.py", "base/src/rival/src/alpha/old.py", "base/src/rival/src/old.py")
    rival.add_editable(rival.base, "sample_alpha", "base/src/rival", "x.pth")
    rival.add_path(rival.base, "base/src/rival/src")
    assert rival.where(*WITHOUT_RIVAL) == WITHOUT_RIVAL


def test_module_that_a_pth_of_the_base_imports_from_a_rival(rival: Tree) -> None:
    rival.add_editable(rival.base, "sample_alpha", "other", "x.pth")
    rival.add(rival.base / "a.pth", f"import sys; sys.path.insert(0, {str(rival.root / 'other/src')!r})\n")
    rival.add(rival.base / "c.pth", "import alpha.old, beta\n")
    assert rival.where(*WITHOUT_RIVAL) == WITHOUT_RIVAL


def test_odd_entries_and_modules_at_start(rival: Tree) -> None:
    """Python passes over entries that are no text; a module may be anything, and may load only when it is used."""
    rival.add_editable(rival.base, "sample_alpha", "other", "x.pth")
    rival.add_path(rival.base, "other/src")
    code = "class Odd:\n    def __getattr__(self, name):\n        raise RuntimeError(name)\n"
    rival.add(rival.base / "odd.py", f"import sys\n{code}sys.path[:0] = [None, 1, b'x']\nsys.modules['odd2'] = Odd()\n")
    rival.add(rival.base / "odd.pth", "import odd\n")
    assert rival.where(*WITHOUT_RIVAL) == WITHOUT_RIVAL


OLD_FINDER = """
import sys
class Old:
    def find_module(self, name, path=None): ...
sys.meta_path.insert(0, Old())
"""


def test_finder_of_the_overlay_that_python_no_longer_asks(tree: Tree) -> None:
    tree.write("worktree/src/alpha.py", "other/src/beta.py")
    tree.add_path(tree.overlay, "worktree/src")
    tree.add(tree.overlay / "a_old.py", OLD_FINDER)
    tree.add(tree.overlay / "a_old.pth", "import a_old\n")
    tree.add_path(tree.base, "other/src")
    code = "import site, sys; site.addsitedir(sys.argv[1]); from _devpy_guard import precedence as p; "
    assert tree.run(code + "print(p.find_in_overlay('alpha').origin)").strip().endswith("worktree/src/alpha.py")


PERCENT = '{"url": "file:///x%zz", "dir_info": {"editable": true}}'


def test_no_rivals(rival: Tree) -> None:
    """A regular install from a folder, and an editable whose record is broken, are none."""
    rival.add_editable(rival.base, "sample_alpha", "other", "x.pth", editable=False)
    rival.add_path(rival.base, "other/src")
    assert rival.where("old") == {"old": "other/src/old.py"}
    for broken in (
        "{",
        '{"dir_info": "editable"}',
        '["editable"]',
        '{"url": 1, "dir_info": {"editable": true}}',
        PERCENT,
    ):
        rival.add(rival.base / "sample_alpha-1.0.dist-info/direct_url.json", broken)
        assert rival.where("old") == {"old": "other/src/old.py"}


# What pip does in an isolated build, to learn which folders to keep out of it.

PIPS_SECOND_LOOK = """
import json, site, sys
site.addsitedir(sys.argv[1])
before, sys.path[:] = [*sys.path], []
site.addsitedir(sys.argv[1], set())
found, sys.path[:] = [*sys.path], before
print(json.dumps([found, [repr(finder) for finder in sys.meta_path]]))
"""


def test_second_look_at_a_usual_base(tree: Tree) -> None:
    tree.add(
        tree.base / "_distutils_hack/__init__.py", "class Finder:\n    find_spec = staticmethod(lambda *_: None)\n"
    )
    line = "import sys, _distutils_hack as hack; hack in sys.meta_path or sys.meta_path.insert(0, hack.Finder())\n"
    tree.add(tree.base / "distutils-precedence.pth", line)
    assert json.loads(tree.run(PIPS_SECOND_LOOK))[0] == [str(tree.overlay), str(tree.base)]


def test_second_look_at_a_base_with_a_rival(rival: Tree) -> None:
    rival.add_editable(rival.base, "sample_alpha", "other", "_alpha.py")
    rival.add_path(rival.base, "other/src")
    rival.add_finder(rival.base, "_alpha", {})
    path, finders = json.loads(rival.run(PIPS_SECOND_LOOK))
    expected = [rival.overlay, rival.root / "worktree/src", rival.base, rival.root / "beta/src"]
    assert path == [str(folder) for folder in expected]
    assert [finder for finder in finders if "_alpha" in finder] == []


OLD_PIPS_SECOND_LOOK = """
import json, site, sys, types
sys.path[:0] = ["/build/site"]
site.addsitedir(sys.argv[1])
pips = sys.modules["sitecustomize"] = types.ModuleType("sitecustomize")
pips.original_sys_path = sys.path[:]
site.addsitedir(sys.argv[1], known_paths=set())
print(json.dumps(sys.path[len(pips.original_sys_path):]))
"""


def test_second_look_of_an_old_pip(tree: Tree) -> None:
    """It takes for what the environment has added whatever is appended once more."""
    tree.write("worktree/src/alpha.py", "beta/src/beta.py")
    tree.add_path(tree.overlay, "worktree/src")
    tree.add_path(tree.base, "beta/src")
    expected = [tree.overlay, tree.root / "worktree/src", tree.base, tree.root / "beta/src"]
    assert json.loads(tree.run(OLD_PIPS_SECOND_LOOK)) == [str(folder) for folder in expected]


def test_site_asked_again_by_others(tree: Tree) -> None:
    program = "import site, sys; site.addsitedir(sys.argv[1]); before = [*sys.path]; site.addsitedir(sys.argv[1]); "
    assert tree.run(program + "print(before == sys.path)") == "True\n"


# Pythons to come.


@pytest.mark.parametrize("minor", [15, 18, 20])
def test_python_that_ignores_import_lines(tmp_path: Path, minor: int) -> None:
    """Editables have moved to `.start` files by then; what is left of the lines is nobody's fault."""
    tree = make_tree(tmp_path, minor)
    tree.write("worktree/alpha.py", f"base/{SITE_PACKAGES}/alpha.py", "other/beta.py", "other/gamma.py")
    tree.add_finder(tree.overlay, "__editable___alpha_finder", {"alpha": "worktree/alpha.py"}, BEHIND)
    names = {name: f"other/{name}.py" for name in ("alpha", "beta")}
    tree.add_finder(tree.base, "__editable___alpha_finder_of_base", names)
    tree.add(tree.base / "gamma.pth", f"import sys; sys.path.append({str(tree.root / 'other')!r})\n")
    found = json.loads(tree.start(WHERE, "alpha", "beta", "gamma").stdout.replace(f"{tree.root}/", ""))
    gamma = "other/gamma.py" if minor < 18 else MISSING
    assert found == {"alpha": "worktree/alpha.py", "beta": "other/beta.py", "gamma": gamma}
    program = (
        "import site, sys; site.addsitedir(sys.argv[1]); import _devpy_guard; print(_devpy_guard in sys.meta_path)"
    )
    done = tree.start(program)
    assert done.stdout == "True\n"
    warned = [line for line in done.stderr.splitlines() if "finder" not in line and "gamma" not in line]
    assert (bool(done.stderr), warned) == (minor == 20, [])


# What it costs.


def test_usual_base_needs_nothing_restored(tree: Tree) -> None:
    """Nor does setuptools, whose finder waits for `distutils` alone."""
    tree.add(
        tree.base / "_distutils_hack/__init__.py", "class Finder:\n    find_spec = staticmethod(lambda *_: None)\n"
    )
    line = "import sys, _distutils_hack as hack; sys.meta_path.insert(0, hack.Finder())\n"
    tree.add(tree.base / "distutils-precedence.pth", line)
    program = "import site, sys; site.addsitedir(sys.argv[1]); print('_devpy_guard.precedence' in sys.modules)"
    assert tree.run(program) == "False\n"
    tree.add_path(tree.base, "worktree")
    assert tree.run(program) == "True\n"
