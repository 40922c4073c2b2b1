"""Which modules each editable provides, and where from: asked in an interpreter of its own, as in an overlay."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from . import pep829
from .overlay import Overlay, empty_files, write_files

ASK = """\
import json, site, sys
site.addsitedir(sys.argv[1])
sys.path[:0] = sys.argv[2:]
from _devpy_guard import origins
loaded = set(sys.modules)
packages = origins.packages()
print(json.dumps({
    "packages": packages,
    "elsewhere": [module.name for _, module in origins.elsewhere(packages)],
    "loaded": sorted(set(sys.modules) - loaded),
}))
"""


class Answer(NamedTuple):
    packages: dict[str, tuple[str, dict[str, tuple[str, str]]]]
    """Path, and for each module the expected and the actual file."""
    elsewhere: list[str]
    loaded: list[str]
    distributed: list[str]
    without_modules: list[str]
    errors: dict[str, str]

    @property
    def modules(self) -> dict[str, list[str]]:
        return {name: list(modules) for name, (_, modules) in self.packages.items()}


def ask(overlay: Overlay, *paths: Path, program: str = ASK) -> Answer:
    """Ask with these paths ahead of all others, as PYTHONPATH puts them."""
    command = [sys.executable, "-I", "-S", "-c", program, str(overlay.site_packages), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    answer = json.loads(done.stdout)
    packages = {
        name: (path, {module: (expected, actual) for module, expected, actual, _ in modules})
        for name, path, modules, *_ in answer["packages"]
    }
    distributed = [module[0] for package in answer["packages"] for module in package[2] if module[3]]
    without_modules = [package[0] for package in answer["packages"] if package[3]]
    errors = {package[0]: package[4] for package in answer["packages"] if package[4]}
    return Answer(packages, answer["elsewhere"], answer["loaded"], distributed, without_modules, errors)


@pytest.fixture
def overlay(tmp_path: Path) -> Overlay:
    return Overlay(tmp_path)


def test_nothing_is_installed(overlay: Overlay) -> None:
    assert ask(overlay).packages == {}


def test_source_layout(overlay: Overlay, tmp_path: Path) -> None:
    project = empty_files(
        tmp_path / "pröject one", "src/alpha/__init__.py", "src/beta/__init__.py", "src/alpha.egg-info/x"
    )
    overlay.install("Alpha-Dist", project, pth=f"{project}/src\n")
    answer = ask(overlay)
    source = str(project / "src" / "beta" / "__init__.py")
    package = str(project / "src" / "alpha" / "__init__.py")
    assert answer.packages == {"Alpha-Dist": (str(project), {"alpha": (package, package), "beta": (source, source)})}
    assert (answer.elsewhere, answer.loaded) == ([], [])


def test_script_in_a_source_folder_is_no_module(overlay: Overlay, tmp_path: Path) -> None:
    project = empty_files(tmp_path / "project", "src/alpha/__init__.py", "src/train.py", "src/data/wipe.py")
    overlay.install("alpha", project, pth=f"{project}/src\n")
    answer = ask(overlay)
    assert answer.modules == {"alpha": ["alpha", "data.wipe"]}
    assert answer.distributed == ["alpha"]


def test_script_that_setuptools_has_found(overlay: Overlay, tmp_path: Path) -> None:
    """Left to find modules, it takes each file in `src`."""
    project = empty_files(tmp_path / "project", "src/alpha/__init__.py", "src/train.py", "src/my_dist.py")
    overlay.install("my-dist", project, pth=f"{project}/src\n", top_level="alpha\ntrain\nmy_dist\n")
    answer = ask(overlay)
    assert answer.modules == {"my-dist": ["alpha", "my_dist", "train"]}
    assert answer.distributed == ["alpha", "my_dist"]


@pytest.mark.parametrize(
    ("files", "top_level", "distributed"),
    [
        (["src/my_dist/__init__.py", "src/other/__init__.py"], "", ["my_dist"]),
        (["src/one/__init__.py", "src/other/__init__.py"], "", ["one", "other"]),
        (["src/one/__init__.py", "src/other/__init__.py"], "one\n", ["one"]),
        (["src/one.py"], "one\n", ["one"]),
        (["src/one.py"], "", []),
        (["src/my_dist.py"], "", ["my_dist"]),
    ],
    ids=["named alike", "packages", "recorded", "recorded module", "module", "module named alike"],
)
def test_what_is_known_to_be_distributed(
    overlay: Overlay, tmp_path: Path, files: list[str], top_level: str, distributed: list[str]
) -> None:
    project = empty_files(tmp_path / "project", *files)
    overlay.install("my-dist", project, pth=f"{project}/src\n", top_level=top_level)
    answer = ask(overlay)
    assert answer.distributed == distributed
    assert len(answer.modules["my-dist"]) == len(files)


def test_names_of_the_standard_library_are_left_out(overlay: Overlay, tmp_path: Path) -> None:
    files = ("src/alpha/__init__.py", "src/types.py", "src/queue/__init__.py", "src/sys.py", "src/_json.py")
    project = empty_files(tmp_path / "project", *files)
    names = "alpha\ntypes\nqueue\nsys\n_json\n"
    overlay.install("alpha", project, pth=f"{project}/src\n", top_level=names)
    answer = ask(overlay)
    assert (answer.modules, answer.elsewhere) == ({"alpha": ["alpha"]}, [])


def test_packages_named_like_what_lies_beside_them(overlay: Overlay, tmp_path: Path) -> None:
    one = empty_files(tmp_path / "one", "src/tools/__init__.py", "src/tests/__init__.py", "src/docs/conf.py")
    two = empty_files(tmp_path / "two", "scripts/__init__.py", "examples/__init__.py", "tests/__init__.py")
    overlay.install("one", one, pth=f"{one}/src\n")
    overlay.install("two", two, pth=f"{two}\n", top_level="scripts\ntests\n")
    assert ask(overlay).modules == {"one": ["tests", "tools"], "two": ["scripts"]}


def test_package_that_is_a_symlink_out_of_the_project(overlay: Overlay, tmp_path: Path) -> None:
    shared = empty_files(tmp_path / "shared", "alpha/__init__.py", "deep/__init__.py")
    project = empty_files(tmp_path / "project", "src/space/beta.py")
    (project / "src" / "alpha").symlink_to(shared / "alpha")
    (project / "src" / "space" / "deep").symlink_to(shared / "deep")
    overlay.install("alpha", project, pth=f"{project}/src\n")
    answer = ask(overlay)
    file, deep = (str(shared / name / "__init__.py") for name in ("alpha", "deep"))
    assert answer.packages["alpha"][1]["alpha"] == (file, file)
    assert answer.packages["alpha"][1]["space.deep"] == (deep, deep)


@pytest.mark.parametrize(
    ("files", "pth", "top_level", "expected"),
    [
        ([], "", "", True),
        (["src/alpha/__init__.py"], "{project}\n", "\n", True),
        (["alpha-stubs/__init__.pyi"], "{project}\n", "alpha-stubs\n", True),
        (["alpha-stubs/__init__.pyi", "setup.py", "tests/x.py"], "{project}\n", "", True),
        (["alpha-stubs/__init__.pyi", "more.py"], "{project}\n", "", False),
        (["alpha-stubs/__init__.pyi"], "{project}\n", "gone\n", False),
        ([], "{project}/src\n", "", False),
        ([], "import sys\n", "", False),
        ([], "import sys\n", "\n", True),
    ],
)
def test_distribution_without_modules(
    overlay: Overlay, tmp_path: Path, files: list[str], pth: str, top_level: str, expected: bool
) -> None:
    project = empty_files(tmp_path / "project", *files)
    overlay.install("my-dist", project, pth=pth.format(project=project), top_level=top_level)
    assert ask(overlay).without_modules == ["my-dist"] * expected


BESIDE = ("tests/__init__.py", "docs/conf.py", "examples/__init__.py", "setup.py", "conftest.py", "noxfile.py", "x.py")


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["my_dist/__init__.py", "other/__init__.py"], ["my_dist"]),
        (["my_dist/__init__.py", "my_more/__init__.py", "my_script.py"], ["my_dist", "my_more"]),
        (["My_Dist.py"], ["My_Dist"]),
        (["other/__init__.py", "data/table.py"], ["other"]),
        (["my/dist/__init__.py"], ["my.dist"]),
    ],
    ids=["named like the distribution", "several", "module", "named otherwise", "namespace"],
)
def test_flat_layout_holds_more_than_the_package(
    overlay: Overlay, tmp_path: Path, files: list[str], names: list[str]
) -> None:
    project = empty_files(tmp_path / "project", "pyproject.toml", *files, *BESIDE)
    overlay.install("My.Dist", project, pth=f"{project}\n")
    assert ask(overlay).modules == {"My.Dist": names}


def test_names_that_setuptools_recorded(overlay: Overlay, tmp_path: Path) -> None:
    project = empty_files(tmp_path / "project", "one/__init__.py", "two/__init__.py", "tests/__init__.py")
    overlay.install("dist", project, pth=f"{project}\n", top_level="one\ntests\nabsent\n")
    assert ask(overlay).modules == {"dist": ["one"]}


# PEP 794.


@pytest.mark.parametrize(
    ("metadata", "names", "distributed"),
    [
        ("Import-Name: two\n", ["two"], ["two"]),
        ("Import-Name: one\nImport-Name: two ; private\n", ["one", "two"], ["one", "two"]),
        ("Import-Name: script\nImport-Name: one\n", ["one", "script"], ["one", "script"]),
        ("Import-Name: one\nImport-Name: one.part\n", ["one"], ["one"]),
        ("Import-Name: ns.inner\nImport-Namespace: ns\n", ["ns.inner"], ["ns.inner"]),
        ("Import-Name: ns.deep.er.est\nImport-Namespace: ns\nImport-Namespace: ns.deep\n", ["ns.deep.er.est"], []),
        ("Import-Namespace: ns\n", ["ns.deep.er.est", "ns.inner", "ns.single"], ["ns.inner"]),
        ("Import-Name: one.part\n", ["one"], ["one"]),
    ],
    ids=["one of several", "private", "module", "with its part", "inside", "deep inside", "namespace", "part alone"],
)
def test_names_that_the_metadata_declares(
    overlay: Overlay, tmp_path: Path, metadata: str, names: list[str], distributed: list[str]
) -> None:
    files = ("one/__init__.py", "one/part.py", "two/__init__.py", "script.py", "ns/inner/__init__.py", "ns/single.py")
    project = empty_files(tmp_path / "project", *(f"src/{file}" for file in (*files, "ns/deep/er/est.py")))
    overlay.install("my-dist", project, pth=f"{project}/src\n", top_level="one\ntwo\n", metadata=metadata)
    answer = ask(overlay)
    assert answer.modules == {"my-dist": names}
    assert answer.distributed == (distributed or names)
    assert answer.elsewhere == []
    assert set(answer.loaded) <= {"ns", "ns.deep", "ns.deep.er"}


@pytest.mark.parametrize(
    "metadata",
    [
        "Import-Name: gone\n",
        "Import-Name: no name\n",
        "Import-Name: types\n",
        "Import-Namespace: \n",
        "Import-Name: ns.gone\n",
    ],
)
def test_declared_names_that_the_overlay_does_not_have(overlay: Overlay, tmp_path: Path, metadata: str) -> None:
    """As if nothing had been declared: the metadata is of the last install, and may be wrong."""
    project = empty_files(tmp_path / "project", "src/alpha/__init__.py", "src/types.py", "src/ns/x.py")
    overlay.install("alpha", project, pth=f"{project}/src\n", metadata=metadata)
    answer = ask(overlay)
    assert (answer.modules, answer.without_modules) == ({"alpha": ["alpha", "ns.x"]}, [])


@pytest.mark.parametrize(
    ("metadata", "names", "without_modules"),
    [
        ("Import-Name: \n", [], ["alpha"]),
        ("Import-Name:\n", [], ["alpha"]),
        ("Import-Name: \nImport-Name: gone\n", ["helper"], []),
        ("Import-Name: \nImport-Namespace: gone\n", ["helper"], []),
    ],
)
def test_metadata_that_declares_no_names(
    overlay: Overlay, tmp_path: Path, metadata: str, names: list[str], without_modules: list[str]
) -> None:
    project = empty_files(tmp_path / "project", "src/helper/__init__.py")
    overlay.install("alpha", project, pth=f"{project}/src\n", metadata=metadata)
    answer = ask(overlay)
    assert (answer.modules, answer.without_modules) == ({"alpha": names}, without_modules)


def test_declared_name_that_comes_from_elsewhere(overlay: Overlay, tmp_path: Path) -> None:
    project = empty_files(tmp_path / "project", "src/ns/inner/__init__.py")
    other = empty_files(tmp_path / "other", "ns/inner/__init__.py")
    metadata = "Import-Name: ns.inner\nImport-Namespace: ns\n"
    overlay.install("alpha", project, pth=f"{project}/src\n", metadata=metadata)
    answer = ask(overlay, other)
    expected, actual = (str(folder / "ns" / "inner" / "__init__.py") for folder in (project / "src", other))
    assert answer.packages == {"alpha": (str(project), {"ns.inner": (expected, actual)})}
    assert answer.elsewhere == ["ns.inner"]


def test_declared_namespace_that_is_hidden_by_a_package(overlay: Overlay, tmp_path: Path) -> None:
    project = empty_files(tmp_path / "project", "src/ns/inner/__init__.py")
    other = empty_files(tmp_path / "other", "ns/__init__.py")
    metadata = "Import-Name: ns.inner\nImport-Namespace: ns\n"
    overlay.install("alpha", project, pth=f"{project}/src\n", metadata=metadata)
    answer = ask(overlay, other)
    expected, actual = str(project / "src" / "ns"), str(other / "ns" / "__init__.py")
    assert answer.packages == {"alpha": (str(project), {"ns": (expected, actual)})}
    assert (answer.elsewhere, answer.loaded) == (["ns"], [])


FINDER = """\
import sys
from importlib.util import spec_from_file_location
class Finder:
    def find_spec(name, path=None, target=None):
        if name == "renamed":
            return spec_from_file_location(name, {file!r}, submodule_search_locations=[])
sys.meta_path.append(Finder)
"""


def test_finder_of_a_backend(overlay: Overlay, tmp_path: Path) -> None:
    project = empty_files(tmp_path / "project", "code/__init__.py")
    file = str(project / "code" / "__init__.py")
    finder = {"_finder_of_dist.py": FINDER.format(file=file)}
    overlay.install("dist", project, pth="import _finder_of_dist\n", files=finder, top_level="renamed\n")
    assert ask(overlay).packages == {"dist": (str(project), {"renamed": (file, file)})}


@pytest.mark.parametrize("minor", [15, 18])
def test_finder_that_an_entry_point_installs(tmp_path: Path, minor: int) -> None:
    """What is beside it for older Pythons does not count, nor the module that it is in, which is the backend's."""
    overlay = Overlay(tmp_path, minor)
    project = empty_files(tmp_path / "project", "code/__init__.py")
    file = str(project / "code" / "__init__.py")
    finder = FINDER.format(file=file).replace("sys.meta_path", "def install(): sys.meta_path")
    files = {"_of_dist.py": finder, "dist.start": "\ufeff_of_dist:install\n", "dist.pth": "import older\n"}
    overlay.install("dist", project, files=files, top_level="renamed\n")
    answer = ask(overlay, program=pep829.prelude(minor) + ASK)
    assert answer.packages == {"dist": (str(project), {"renamed": (file, file)})}
    assert answer.elsewhere == []


def test_module_that_was_installed_into_site_packages(overlay: Overlay, tmp_path: Path) -> None:
    overlay.install("dist", tmp_path, files={"compiled.py": "", "dist_data/table.txt": ""})
    file = str(overlay.site_packages / "compiled.py")
    assert ask(overlay).packages == {"dist": (str(tmp_path), {"compiled": (file, file)})}


def test_finder_that_fails(overlay: Overlay, tmp_path: Path) -> None:
    """It compiles the package when that is imported, and cannot."""
    text = FINDER.format(file="").replace(
        "            return", "            open('/nowhere/ninja')\n            return"
    )
    finder = {"_finder_of_dist.py": text}
    overlay.install("dist", tmp_path, pth="import _finder_of_dist\n", files=finder, top_level="renamed\n")
    answer = ask(overlay)
    assert answer.modules == {"dist": []}
    assert answer.errors == {"dist": "FileNotFoundError: [Errno 2] No such file or directory: '/nowhere/ninja'"}


def test_packages_inside_a_namespace(overlay: Overlay, tmp_path: Path) -> None:
    one = empty_files(tmp_path / "one", "src/company/one/__init__.py", "src/company/deep/inner/__init__.py")
    two = empty_files(tmp_path / "two", "src/company/two.py", "src/acme/io/net/http/__init__.py")
    empty_files(overlay.base, "company/base.py")
    overlay.install("one", one, pth=f"{one}/src\n")
    overlay.install("two", two, pth=f"{two}/src\n")
    answer = ask(overlay)
    assert answer.modules == {"one": ["company.deep.inner", "company.one"], "two": ["acme.io.net.http", "company.two"]}
    assert answer.elsewhere == []
    assert set(answer.loaded) <= {"acme", "acme.io", "acme.io.net", "company", "company.deep"}


def test_package_deep_in_a_namespace_that_another_checkout_shadows(overlay: Overlay, tmp_path: Path) -> None:
    project, other = (empty_files(tmp_path / name, "src/acme/io/net/http/__init__.py") for name in ("project", "other"))
    overlay.install("acme-io-net-http", project, pth=f"{project}/src\n")
    answer = ask(overlay, other / "src")
    assert answer.modules == {"acme-io-net-http": ["acme.io.net.http"]}
    assert answer.elsewhere == ["acme.io.net.http"]


def test_namespace_hidden_by_a_package(overlay: Overlay, tmp_path: Path) -> None:
    project = empty_files(tmp_path / "project", "src/company/one/__init__.py")
    other = empty_files(tmp_path / "other", "company/__init__.py")
    overlay.install("one", project, pth=f"{project}/src\n")
    answer = ask(overlay, other)
    expected, actual = str(project / "src" / "company"), str(other / "company" / "__init__.py")
    assert answer.packages == {"one": (str(project), {"company": (expected, actual)})}
    assert (answer.elsewhere, answer.loaded) == (["company"], [])


def test_path_that_leads_elsewhere(overlay: Overlay, tmp_path: Path) -> None:
    project = empty_files(tmp_path / "project", "src/alpha/__init__.py")
    other = empty_files(tmp_path / "other", "alpha/__init__.py")
    overlay.install("alpha", project, pth=f"{project}/src\n")
    answer = ask(overlay, other)
    expected, actual = str(project / "src" / "alpha" / "__init__.py"), str(other / "alpha" / "__init__.py")
    assert answer.packages == {"alpha": (str(project), {"alpha": (expected, actual)})}
    assert answer.elsewhere == ["alpha"]


def test_pythonpath_that_holds_the_overlays_own_folder(overlay: Overlay, tmp_path: Path) -> None:
    """`site` does not add it once more, so it stands where the caller has put it."""
    project = empty_files(tmp_path / "project", "src/alpha/__init__.py")
    other = empty_files(tmp_path / "other", "alpha/__init__.py")
    overlay.install("alpha", project, pth=f"{project}/src\n")
    program = "import sys; sys.path[:0] = sys.argv[2:]\n" + ASK
    file = str(project / "src" / "alpha" / "__init__.py")
    answer = ask(overlay, project / "src", program=program)
    assert answer.packages == {"alpha": (str(project), {"alpha": (file, file)})}
    answer = ask(overlay, other, project / "src", program=program)
    actual = str(other / "alpha" / "__init__.py")
    assert answer.packages == {"alpha": (str(project), {"alpha": (file, actual)})}
    assert answer.elsewhere == ["alpha"]


def test_path_that_leads_to_the_same_file(overlay: Overlay, tmp_path: Path) -> None:
    project = empty_files(tmp_path / "project", "src/alpha/__init__.py")
    (tmp_path / "link").symlink_to(project)
    overlay.install("alpha", project, pth=f"{project}/src\n")
    assert ask(overlay, tmp_path / "link" / "src").elsewhere == []


def test_loaded_module_counts_as_it_is(overlay: Overlay, tmp_path: Path) -> None:
    project = write_files(tmp_path / "project", {"src/alpha.py": ""})
    other = write_files(tmp_path / "other", {"alpha.py": ""})
    overlay.install("alpha", project, pth=f"{project}/src\n")
    program = "import sys; sys.path.insert(0, sys.argv[2]); import alpha; del sys.argv[2], sys.path[0]\n" + ASK
    answer = ask(overlay, other, program=program)
    assert answer.packages["alpha"][1]["alpha"] == (str(project / "src" / "alpha.py"), str(other / "alpha.py"))
    assert answer.elsewhere == ["alpha"]


def test_module_that_is_hidden_altogether(overlay: Overlay, tmp_path: Path) -> None:
    project = empty_files(tmp_path / "project", "src/alpha.py")
    overlay.install("alpha", project, pth=f"{project}/src\n")
    program = "import sys; sys.modules['alpha'] = None\n" + ASK
    answer = ask(overlay, program=program)
    assert answer.packages["alpha"][1]["alpha"] == (str(project / "src" / "alpha.py"), "")
    assert answer.elsewhere == ["alpha"]


def test_object_in_the_place_of_a_module(overlay: Overlay, tmp_path: Path) -> None:
    """As a module may put it there itself, or a test that replaces the module."""
    project = empty_files(tmp_path / "project", "src/alpha.py")
    overlay.install("alpha", project, pth=f"{project}/src\n")
    assert ask(overlay, program="import sys; sys.modules['alpha'] = object()\n" + ASK).elsewhere == []


@pytest.mark.parametrize(
    "body", ["raise KeyError(name)", "raise RuntimeError(name)", "return 3", "return self", "return lambda: None"]
)
def test_object_that_answers_in_its_own_way(overlay: Overlay, tmp_path: Path, body: str) -> None:
    project = empty_files(tmp_path / "project", "src/alpha.py")
    overlay.install("alpha", project, pth=f"{project}/src\n")
    lines = ["import sys", "class Lazy:", "    def __getattr__(self, name):", f"        {body}"]
    answer = ask(overlay, program="\n".join([*lines, "sys.modules['alpha'] = Lazy()", ASK]))
    assert (answer.modules, answer.elsewhere) == ({"alpha": ["alpha"]}, [])


def test_finder_from_before_find_spec(overlay: Overlay, tmp_path: Path) -> None:
    project = empty_files(tmp_path / "project", "src/alpha.py")
    overlay.install("alpha", project, pth=f"{project}/src\n")
    answer = ask(overlay, program=ASK.replace("loaded =", "sys.meta_path.insert(0, object()); loaded ="))
    assert answer.modules == {"alpha": ["alpha"]}


def test_overlay_inside_the_project(overlay: Overlay, tmp_path: Path) -> None:
    """What somebody has put into site-packages does not become the project's by lying in its folder."""
    empty_files(tmp_path, "alpha.py")
    empty_files(overlay.site_packages, "alpha.py")
    overlay.install("alpha", tmp_path, pth=f"{tmp_path}\n")
    assert ask(overlay).modules == {"alpha": []}


def test_editable_inside_the_folder_of_another(overlay: Overlay, tmp_path: Path) -> None:
    outer = empty_files(tmp_path / "outer", "outer/__init__.py", "lib/inner/inner/__init__.py", "lib/pyproject.toml")
    overlay.install("outer", outer, pth=f"{outer}\n")
    overlay.install("inner", outer / "lib" / "inner", pth=f"{outer}/lib/inner\n")
    assert ask(overlay).modules == {"inner": ["inner"], "outer": ["outer"]}


def test_egg_link(overlay: Overlay, tmp_path: Path) -> None:
    project = write_files(
        tmp_path / "project", {"src/my_dist.egg-info/PKG-INFO": "Name: My_Dist\n", "src/alpha.py": ""}
    )
    write_files(
        overlay.site_packages, {"my-dist.egg-link": f"{project}/src\n../", "easy-install.pth": f"{project}/src\n"}
    )
    file = str(project / "src" / "alpha.py")
    assert ask(overlay).packages == {"My_Dist": (str(project), {"alpha": (file, file)})}


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "[" * 100_000,
        '{"dir_info": 1}',
        '{"dir_info": {"editable": true}, "url": 1}',
        '{"dir_info": {"editable": true}, "url": "file:///%00"}',
        '{"dir_info": {"editable": true}, "url": "git+file:///"}',
    ],
    ids=lambda text: text[:40],
)
def test_broken_metadata_is_no_editable(overlay: Overlay, tmp_path: Path, text: str) -> None:
    overlay.install("dist", tmp_path)
    write_files(overlay.site_packages, {"dist-1.0.dist-info/direct_url.json": text})
    assert ask(overlay).packages == {}


def test_files_that_hold_anything(overlay: Overlay, tmp_path: Path) -> None:
    project = empty_files(tmp_path / "project", "src/alpha.py")
    overlay.install("dist", project, pth=f"\0\n{project}/src\n", top_level="\0\n\n..\na.b\nalpha")
    (overlay.site_packages / "dist-1.0.dist-info" / "RECORD").write_bytes(b"\0\xff\n,,,,\n\n__editable__.dist.pth,,\n")
    (overlay.site_packages / "x.egg-link").write_bytes(b"/\0\n\xff")
    assert ask(overlay).modules == {"dist": ["alpha"], "x": []}


def test_finder_that_names_a_folder_after_the_distribution(overlay: Overlay, tmp_path: Path) -> None:
    project = empty_files(tmp_path / "project", "sources/__init__.py")
    text = FINDER.format(file=str(project / "sources" / "__init__.py"))
    overlay.install("Renamed", project, pth="import _finder_of_dist\n", files={"_finder_of_dist.py": text})
    assert ask(overlay).modules == {"Renamed": ["renamed"]}
