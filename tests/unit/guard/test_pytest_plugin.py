"""pytest in an overlay: each run is a process of its own, as a user would start it."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import DistributionFinder
from pathlib import Path
from typing import NamedTuple, cast

import pytest

import devpy_pip_guard
from devpy_pip_guard import pytest_plugin
from devpy_pip_guard.errors import DevpyError

from .overlay import Overlay, empty_files, write_files

pytestmark = pytest.mark.bounds

# Without the site-packages of the Python that runs the tests, which may be an overlay itself.
PYTEST = """\
import site, sys
del sys.path[0]
site.addsitedir(sys.argv.pop(1))
sys.path.append(sys.argv.pop(1))
import pytest
sys.exit(pytest.main())
"""
TESTS = {"tests/test_alpha.py": "def test_it():\n    import alpha\n    assert alpha.NUMBER\n"}
ALPHA = "NUMBER = 1\n"


class Outcome(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def refusal(self) -> list[str]:
        """The lines of devpy's message; no test has run, and the message is all there is."""
        assert self.code == pytest.ExitCode.USAGE_ERROR
        assert "passed" not in self.out
        assert "INTERNALERROR" not in self.out
        problem, *more = self.err.strip().splitlines()
        prefix = "ERROR: devpy: "
        assert problem.startswith(prefix)
        return [problem[len(prefix) :], *more]


class Worktree:
    """A worktree in which the package `alpha` is declared and installed, and another one beside it."""

    def __init__(self, folder: Path) -> None:
        self.root, self.other = folder / "main", folder / "other"
        for root in (self.root, self.other):
            write_files(root, {"src/alpha.py": ALPHA, **TESTS, "pytest.ini": "[pytest]\n"})
        self.source = self.root / "src" / "alpha.py"
        self.rival = self.other / "src" / "alpha.py"
        self.overlay = Overlay(self.root)
        self.overlay.install("Alpha", self.root, pth=f"{self.root}/src\n")
        self.config = self.root / "devpy.toml"
        self.declare("..")
        self.declare(".")
        write_files(self.overlay.venv, {"pyvenv.cfg": f"home = /\ndevpy-config = {self.config}\n"})
        self.record({"version": "1.2.3", "venv": str(self.overlay.venv), "base": str(self.overlay.base)})

    def declare(self, *paths: str) -> None:
        text = f'[python]\nbase_conda_env = "shared"\n[editables]\npackages = {json.dumps(paths)}\n'
        self.config.write_text(text, encoding="utf-8")

    def record(self, content: object) -> None:
        (self.overlay.venv / "devpy.json").write_text(json.dumps(content), encoding="utf-8")

    def pytest(self, *args: str, cwd: Path | None = None, **variables: str) -> Outcome:
        """Run it as the `pytest` script does, in the worktree, with no more environment variables than these."""
        folders = [str(self.overlay.site_packages), str(Path(pytest.__file__).parent.parent)]
        command = [sys.executable, "-S", "-c", PYTEST, *folders, "-p", "no:cacheprovider", *args]
        environ = {"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1", **variables}
        done = subprocess.run(
            command, cwd=cwd or self.root, env=environ, capture_output=True, text=True, timeout=60, check=False
        )
        return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def worktree(tmp_path: Path) -> Worktree:
    return Worktree(tmp_path)


def comes_from(worktree: Worktree, found: Path, reason: str) -> str:
    return f"alpha (Alpha) comes from {found}, not from {worktree.source}: {reason}"


def test_header_says_what_is_tested(worktree: Worktree) -> None:
    empty_files(worktree.root, *(f"src/one_more_{number}/__init__.py" for number in range(3)))
    outcome = worktree.pytest()
    assert outcome.code == 0
    assert "1 passed" in outcome.out
    lines = outcome.out.splitlines()
    start = lines.index(f"devpy: overlay .venv on base {worktree.overlay.base}")
    assert lines[start + 1] == "  Alpha: src/alpha.py, src/one_more_0, src/one_more_1, 1 more"
    (plugins,) = (line for line in lines if line.startswith("plugins: "))
    assert "devpy-overlay-1.2.3" in plugins


def test_header_of_a_package_without_modules(worktree: Worktree) -> None:
    worktree.source.unlink()
    assert "\n  Alpha: NOT CHECKED, no module of it found in .\n" in worktree.pytest("--collect-only").out


def test_header_of_a_package_that_provides_programs_alone(worktree: Worktree) -> None:
    worktree.source.unlink()
    worktree.overlay.install("Alpha", worktree.root, pth=f"{worktree.root}/src\n", top_level="\n")
    assert "\n  Alpha: nothing to import\n" in worktree.pytest("--collect-only").out


@pytest.mark.parametrize("ahead", [[], ["other"]], ids=["own folder", "another's first"])
def test_pythonpath_with_the_worktrees_own_folder(worktree: Worktree, ahead: list[str]) -> None:
    folders = [str(worktree.root.parent / name / "src") for name in [*ahead, "main"]]
    outcome = worktree.pytest(PYTHONPATH=os.pathsep.join(folders))
    if ahead:
        problem = comes_from(worktree, worktree.rival, "PYTHONPATH leads there")
        assert outcome.refusal == [problem, f"  take {folders[0]} out of PYTHONPATH"]
    else:
        assert outcome.code == 0
        assert "\n  Alpha: src/alpha.py\n" in outcome.out


def test_quiet_run_says_nothing(worktree: Worktree) -> None:
    assert "devpy" not in worktree.pytest("-q").out


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_options_that_run_nothing_work_in_any_case(worktree: Worktree, option: str) -> None:
    assert worktree.pytest(option, PYTHONPATH=str(worktree.rival.parent)).code == 0


@pytest.mark.parametrize("option", ["--collect-only", "--fixtures", "--markers", "--setup-plan"])
def test_options_that_show_something_work(worktree: Worktree, option: str) -> None:
    outcome = worktree.pytest("-q", option)
    assert (outcome.code, outcome.err) == (0, "")


@pytest.mark.parametrize("way", ["PYTHONPATH", "setting", "rootdir", "conftest"])
def test_without_the_plugin_another_worktrees_code_passes(worktree: Worktree, way: str) -> None:
    """The other tests of these ways would show nothing if no wrong code ran there."""
    rival = str(worktree.rival)
    check = f"import os\ndef test_it():\n    import alpha\n    assert os.path.samefile(alpha.__file__, {rival!r})\n"
    for root in (worktree.root, worktree.other):
        write_files(root, {"tests/test_alpha.py": check})
    assert lead_elsewhere(worktree, way, "-p", "no:devpy").code == 0


def lead_elsewhere(worktree: Worktree, way: str, *args: str) -> Outcome:
    folder = worktree.rival.parent
    if way == "PYTHONPATH":
        return worktree.pytest(*args, PYTHONPATH=f"/nowhere:{folder}")
    if way == "setting":
        write_files(worktree.root, {"pytest.ini": "[pytest]\npythonpath = ../other/src\n"})
    if way == "conftest":
        line = f"sys.path.insert(0, {str(folder)!r})"
        write_files(worktree.root, {"conftest.py": f"import sys\n{line}\n"})
    if way == "rootdir":
        write_files(worktree.other, {"src/test_alpha.py": (worktree.other / "tests/test_alpha.py").read_text()})
        return worktree.pytest(*args, "../other/src/test_alpha.py")
    return worktree.pytest(*args)


REASONS = {
    "PYTHONPATH": ("PYTHONPATH leads there", "take {folder} out of PYTHONPATH"),
    "setting": ("pytest's setting `pythonpath` leads there", "take {folder} out of it ({root}/pytest.ini)"),
    "rootdir": (
        "pytest, or a conftest.py, has put {folder} first in sys.path",
        "test another worktree with its own overlay; in this one, --import-mode=importlib helps",
    ),
}
REASONS["conftest"] = REASONS["rootdir"]


@pytest.mark.parametrize("way", REASONS)
def test_another_worktrees_code_is_refused(worktree: Worktree, way: str) -> None:
    problem, mend = (text.format(folder=worktree.rival.parent, root=worktree.root) for text in REASONS[way])
    assert lead_elsewhere(worktree, way).refusal == [comes_from(worktree, worktree.rival, problem), f"  {mend}"]


def test_current_folder_of_another_worktree_is_refused(worktree: Worktree) -> None:
    """As `python -m pytest` has it first."""
    write_files(worktree.other, {"alpha.py": ALPHA, "conftest.py": "import sys\nsys.path.insert(0, '')\n"})
    outcome = worktree.pytest("--import-mode=importlib", cwd=worktree.other)
    other = worktree.other
    reason = f"this overlay is {worktree.root}'s, and {other} hides its alpha"
    problem = comes_from(worktree, other / "alpha.py", reason)
    mend = f"  to test {other}'s own: cd there, devpy pytest; else -p no:devpy"
    assert outcome.refusal == [problem, mend]


def test_tests_folder_with_the_name_of_the_package(worktree: Worktree) -> None:
    """pytest puts the folder around it first in `sys.path`."""
    tests = worktree.root / "tests" / "alpha"
    write_files(tests, {"__init__.py": "", "test_more.py": "def test_it(): pass\n"})
    problem = comes_from(worktree, tests / "__init__.py", f"a folder of tests has the package's name: {tests}")
    assert worktree.pytest().refusal == [problem, "  rename it, or remove its __init__.py"]
    (tests / "__init__.py").unlink()
    assert worktree.pytest().code == 0


def test_code_of_the_base_is_refused(worktree: Worktree) -> None:
    """A finder that nothing records as an editable's stands behind the search of `sys.path`, and so behind the base."""
    (worktree.overlay.site_packages / "__editable__.Alpha.pth").unlink()
    finder = "\n".join([
        "import sys",
        "from importlib.util import spec_from_file_location",
        "class Finder:",
        "    def find_spec(name, path=None, target=None):",
        f"        return spec_from_file_location(name, {str(worktree.source)!r}) if name == 'alpha' else None",
        "sys.meta_path.append(Finder)",
    ])  # fmt: skip
    worktree.overlay.install("Alpha", worktree.root, pth="import _finder\n")
    write_files(worktree.overlay.site_packages, {"_finder.py": finder})
    write_files(worktree.overlay.base, {"alpha.py": ALPHA})
    outcome = worktree.pytest()
    problem = comes_from(worktree, worktree.overlay.base / "alpha.py", f"{worktree.overlay.base}, the base, holds it")
    assert outcome.refusal == [problem, "  uninstall it there; `devpy doctor alpha` tells more"]


FINDER = """\
import sys
from importlib.util import spec_from_file_location
class MyFinder:
    def find_spec(name, path=None, target=None):
        return spec_from_file_location(name, {file!r}) if name == "alpha" else None
sys.meta_path.insert(0, MyFinder)
"""


def test_import_hook_is_refused(worktree: Worktree) -> None:
    write_files(worktree.root, {"conftest.py": FINDER.format(file=str(worktree.rival))})
    reason = "the finder MyFinder in sys.meta_path leads there"
    expected = [comes_from(worktree, worktree.rival, reason), "  `devpy doctor alpha` tells more"]
    assert worktree.pytest().refusal == expected


def test_import_that_took_place_before_is_refused(worktree: Worktree) -> None:
    write_files(worktree.root, {"conftest.py": "import sys\nsys.path.insert(0, '../other/src')\nimport alpha\n"})
    with (worktree.root / "conftest.py").open("a", encoding="utf-8") as stream:
        stream.write("del sys.path[0]\n")
    problem, mend = worktree.pytest().refusal
    reason = "sys.path, when it was imported, led there"
    assert problem == comes_from(worktree, worktree.rival, reason)
    assert mend == "  `devpy doctor alpha` tells more"


def test_module_that_cannot_be_imported_is_refused(worktree: Worktree) -> None:
    write_files(worktree.root, {"conftest.py": "import sys\nsys.modules['alpha'] = None\n"})
    problem, mend = worktree.pytest().refusal
    assert problem.startswith(f"alpha (Alpha) cannot be imported, though it is in {worktree.source}: ")
    assert mend == "  `devpy doctor alpha` tells more"


def test_several_errors_are_told_at_once(worktree: Worktree) -> None:
    for root in (worktree.root, worktree.other):
        write_files(root, {"src/beta/__init__.py": ""})
    lines = worktree.pytest(PYTHONPATH=str(worktree.rival.parent)).refusal
    assert [line.split()[0] for line in lines] == ["alpha", "take", "devpy:", "take"]


def test_declared_package_that_is_not_installed(worktree: Worktree) -> None:
    write_files(worktree.root, {"more/pyproject.toml": ""})
    worktree.declare(".", "more")
    problem = f"{worktree.root}/more is declared in {worktree.config} and not installed"
    assert worktree.pytest().refusal == [problem, "  run `devpy update-editables`"]


def test_installed_package_that_is_not_declared(worktree: Worktree) -> None:
    worktree.declare()
    problem = f"Alpha is installed from {worktree.root}, not declared in {worktree.config}"
    assert worktree.pytest().refusal == [problem, "  declare it there, or remove it: run `devpy update-editables`"]


def test_moved_overlay(worktree: Worktree) -> None:
    worktree.record({"version": "1", "venv": f"{worktree.other}/.venv", "base": "/base"})
    problem = f"{worktree.overlay.venv} was made as {worktree.other}/.venv, and may import the code there"
    assert worktree.pytest().refusal == [problem, "  run `devpy update-editables`"]


@pytest.mark.parametrize("content", [[], {}, {"venv": 1, "base": "/base"}, None])
def test_broken_record(worktree: Worktree, content: object) -> None:
    worktree.record(content)
    problem, mend = worktree.pytest().refusal
    assert problem.startswith(f"{worktree.overlay.venv}/devpy.json: ")
    assert mend == "  run `devpy update-editables`"


def test_python_of_another_overlay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PYTHONPATH may name the site-packages of one worktree's overlay for the Python of another one's."""
    one, other = tmp_path / "one" / ".venv", tmp_path / "other" / ".venv"
    for venv in (one, other):
        write_files(venv, {"devpy.json": json.dumps({"venv": str(venv), "base": "/base"})})
    monkeypatch.setattr(pytest_plugin, "OVERLAY", str(one))
    monkeypatch.setattr(sys, "prefix", str(other))
    with pytest.raises(DevpyError, match=f"this is the Python of {other}, but PYTHONPATH leads to {one}"):
        pytest_plugin.read_overlay()


def test_missing_record(worktree: Worktree) -> None:
    (worktree.overlay.venv / "devpy.json").unlink()
    assert worktree.pytest().refusal[0] == f"{worktree.overlay.venv}/devpy.json: missing or broken"


def test_broken_devpy_toml(worktree: Worktree) -> None:
    worktree.config.write_text("[python\n", encoding="utf-8")
    assert worktree.pytest().refusal[0].startswith(f"{worktree.config}: ")


def test_missing_devpy_toml(worktree: Worktree) -> None:
    worktree.config.unlink()
    assert worktree.pytest().refusal[0] == f"missing {worktree.config}"


def test_refused_in_time_even_if_collection_fails(worktree: Worktree) -> None:
    """Code of another version lacks what the tests import: that is the reason, and not what pytest would show."""
    text = f"import sys\nsys.path.insert(0, {str(worktree.rival.parent)!r})\nfrom alpha import nothing\n"
    write_files(worktree.root, {"tests/test_alpha.py": text})
    assert worktree.pytest().refusal[0].startswith("alpha (Alpha) comes from")


def test_import_inside_a_test(worktree: Worktree) -> None:
    lines = [
        "import sys",
        "def test_it():",
        f"    sys.path.insert(0, {str(worktree.rival.parent)!r})",
        "    import alpha",
    ]
    write_files(worktree.root, {"tests/test_alpha.py": "\n".join(lines)})
    assert worktree.pytest("-p", "no:devpy").code == 0
    outcome = worktree.pytest("-q")
    assert outcome.code == pytest.ExitCode.TESTS_FAILED
    assert f"\nERROR: devpy: {comes_from(worktree, worktree.rival, '')}" in outcome.out


@pytest.mark.parametrize(
    "line",
    ["sys.path.insert(0, {folder!r})", "sys.modules['alpha'] = None", "sys.modules['alpha'] = type(sys)('alpha')"],
)
def test_what_a_test_leaves_behind_without_an_import(worktree: Worktree, line: str) -> None:
    text = line.format(folder=str(worktree.rival.parent))
    write_files(worktree.root, {"tests/test_alpha.py": f"import sys\ndef test_it():\n    {text}\n"})
    outcome = worktree.pytest()
    assert (outcome.code, outcome.err) == (0, "")


def test_refused_once(worktree: Worktree) -> None:
    """And not at the end of the session as well."""
    write_files(worktree.root, {"conftest.py": "import sys\nsys.path.insert(0, '../other/src')\nimport alpha\n"})
    outcome = worktree.pytest()
    assert outcome.refusal
    assert "comes from" not in outcome.out


@pytest.mark.parametrize("plugin", ["devpy", "_devpy_guard.pytest_plugin"])
@pytest.mark.parametrize("disabled", ["", "1"], ids=["usual", "no autoload"])
def test_plugin_that_is_asked_for(worktree: Worktree, plugin: str, disabled: str) -> None:
    outcome = worktree.pytest("-p", plugin, PYTEST_DISABLE_PLUGIN_AUTOLOAD=disabled)
    assert (outcome.code, outcome.out.count("devpy: overlay ")) == (0, 1)
    variables = {"PYTHONPATH": str(worktree.rival.parent), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": disabled}
    assert worktree.pytest("-p", plugin, cwd=None, **variables).refusal


def test_without_autoload_there_is_no_proof(worktree: Worktree) -> None:
    outcome = worktree.pytest(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PYTHONPATH=str(worktree.rival.parent))
    assert (outcome.code, outcome.out.count("devpy: overlay ")) == (0, 0)


# Tests in another worktree of a repository that the overlay is for.


@pytest.fixture
def of_one_repository(worktree: Worktree) -> Worktree:
    write_files(worktree.root, {".git/HEAD": "ref: refs/heads/main\n", ".git/worktrees/other/commondir": "../..\n"})
    write_files(worktree.other, {".git": f"gitdir: {worktree.root}/.git/worktrees/other\n"})
    return worktree


@pytest.mark.parametrize(
    "args",
    [
        ["../other"],
        ["../other/tests/test_alpha.py::test_it", "tests"],
        ["--rootdir=.", "--import-mode=importlib", "../other"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("is_started_there", [False, True])
def test_tests_of_another_worktree_are_refused(
    of_one_repository: Worktree, args: list[str], is_started_there: bool
) -> None:
    root, other = of_one_repository.root, of_one_repository.other
    outcome = of_one_repository.pytest(*args, cwd=other if is_started_there else root)
    problem = f"this overlay is for {root} (package Alpha), but the tests are in {other}"
    assert outcome.refusal == [problem, f"  cd {other}, then: devpy pytest"]


def test_started_in_another_worktree(of_one_repository: Worktree) -> None:
    """As with an activated overlay, without any argument."""
    assert of_one_repository.pytest("-p", "no:devpy", cwd=of_one_repository.other).code == 0
    assert of_one_repository.pytest(cwd=of_one_repository.other).refusal[0].startswith("this overlay is for ")


def test_tests_of_another_worktree_that_only_collection_finds(of_one_repository: Worktree) -> None:
    (of_one_repository.root / "more").symlink_to(of_one_repository.other / "tests")
    text = (
        "def pytest_collection_modifyitems(items):\n    for item in items:\n        item.path = item.path.resolve()\n"
    )
    write_files(of_one_repository.root, {"conftest.py": text})
    outcome = of_one_repository.pytest("--import-mode=importlib", "more")
    assert outcome.refusal[0].endswith(f", but the tests are in {of_one_repository.other}")


@pytest.mark.parametrize("path", ["../unrelated", "."])
def test_tests_of_no_other_worktree(of_one_repository: Worktree, path: str) -> None:
    write_files(of_one_repository.root.parent / "unrelated", {**TESTS, ".git/HEAD": "ref: refs/heads/main\n"})
    outcome = of_one_repository.pytest(path)
    assert (outcome.code, outcome.err) == (0, "")


def test_other_worktree_of_a_declared_repository(of_one_repository: Worktree) -> None:
    """As in a stack: the overlay itself lies in neither."""
    root, other = of_one_repository.root.parent / "one", of_one_repository.root.parent / "two"
    write_files(root, {"src/beta/__init__.py": "", ".git/HEAD": "", ".git/worktrees/two/commondir": "../..\n"})
    write_files(other, {".git": f"gitdir: {root}/.git/worktrees/two\n", "test_beta.py": "def test_it(): pass\n"})
    of_one_repository.declare(".", "../one")
    of_one_repository.overlay.install("Beta", root, pth=f"{root}/src\n")
    problem = f"this overlay is for {root} (package Beta), but the tests are in {other}"
    assert of_one_repository.pytest("../two").refusal == [problem, f"  cd {other}, then: devpy pytest"]


# Who is offered the plugin.


def offered(context: DistributionFinder.Context) -> list[object]:
    """Ask as Python 3.8 does, which takes nothing but an iterator."""
    iterator = cast("Iterator[object]", devpy_pip_guard.find_distributions(context))
    first = next(iterator, None)
    return [] if first is None else [first, *iterator]


def test_offered_to_pytest() -> None:
    (distribution,) = offered(DistributionFinder.Context())
    assert isinstance(distribution, importlib.metadata.Distribution)
    (entry_point,) = distribution.entry_points
    assert (entry_point.group, entry_point.name) == ("pytest11", "devpy")
    assert entry_point.load().__module__ == "devpy_pip_guard.pytest_plugin"


def test_its_metadata_is_that_of_any_distribution() -> None:
    (distribution,) = offered(DistributionFinder.Context())
    assert isinstance(distribution, importlib.metadata.Distribution)
    headers = {"Metadata-Version": "2.1", "Name": "devpy-overlay", "Version": "0"}
    metadata = distribution.metadata
    assert (metadata["name"], metadata["Name"], distribution.version) == ("devpy-overlay", "devpy-overlay", "0")
    assert (metadata.get_all("Name"), metadata.get_all("Requires-Dist")) == (["devpy-overlay"], None)
    assert distribution.requires is None
    assert distribution.files is None
    assert {name: metadata[name] for name in metadata} == headers


def test_not_offered_to_who_searches_a_path() -> None:
    """As pip and setuptools do."""
    assert offered(DistributionFinder.Context(path=["/x"])) == []


def test_not_offered_to_who_asks_for_another() -> None:
    assert offered(DistributionFinder.Context(name="pytest")) == []
    assert len(offered(DistributionFinder.Context(name="devpy-overlay"))) == 1


def test_not_offered_outside_pytest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "_pytest")
    assert offered(DistributionFinder.Context()) == []


def test_not_offered_to_the_backport(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DistributionFinder.Context, "__module__", "importlib_metadata")
    assert offered(DistributionFinder.Context()) == []
