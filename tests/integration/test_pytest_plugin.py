"""pytest never passes on another worktree's code, however it is started and whatever leads it there."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from .commands import Devpy, Result, run
from .environments import CondaEnvironment, MakeCondaEnv
from .projects import MakeRepository, import_name

PACKAGE = "self-built"
CONFIG = f'[python]\nbase_conda_env = "{{base}}"\n[editables]\npackages = ["{PACKAGE}"]\n'
MODULE = import_name(PACKAGE)
TEST = f"def test_origin():\n    import {MODULE}\n    print(); print('tested', {MODULE}.origin())\n"
HEADER = f"\n  sample-self-built: {PACKAGE}/src/{MODULE}\n"
NO_PLUGIN = ("-p", "no:devpy")


class Worktrees(NamedTuple):
    """Two worktrees of one repository; the first has an overlay with its own code installed."""

    root: Path
    other: Path
    environ: dict[str, str]

    def devpy(self, *args: str, **variables: str) -> Result:
        return Devpy({**self.environ, **variables})(*args, cwd=self.root)

    def pytest(self, *args: str, **variables: str) -> Result:
        return self.devpy("--no-sync", "pytest", "-s", "-p", "no:cacheprovider", *args, **variables)

    def plain(self, program: str, *args: str) -> Result:
        """Run a program of the overlay as an IDE does, with nothing in its environment."""
        return run([self.root / ".venv" / "bin" / program, *args], cwd=self.root, environ={"PYTHONPATH": ""})


def source(root: Path) -> Path:
    return root / PACKAGE / "src" / MODULE / "__init__.py"


@pytest.fixture
def base(conda_env: CondaEnvironment) -> CondaEnvironment:
    return conda_env


@pytest.fixture
def worktrees(
    tmp_path: Path, base: CondaEnvironment, repository: MakeRepository, devpy_environ: dict[str, str]
) -> Worktrees:
    files = {"devpy.toml": CONFIG.format(base=base.name), "tests/test_origin.py": TEST, "pytest.ini": "[pytest]\n"}
    root = repository(tmp_path / "main", PACKAGE, files=files)
    worktrees = Worktrees(root, repository.worktree(root, "other"), devpy_environ)
    assert worktrees.devpy("update-editables").code == 0
    return worktrees


def assert_passed(result: Result, code_of: Path) -> None:
    assert result.code == 0
    assert "1 passed" in result.out
    assert f"\ntested {source(code_of)}\n" in result.out


def assert_refused(result: Result, *words: str) -> None:
    assert result.code == pytest.ExitCode.USAGE_ERROR
    assert "passed" not in result.out
    assert "tested" not in result.out
    assert "Traceback" not in result.out + result.err
    assert "INTERNALERROR" not in result.out + result.err
    problem = next(line for line in result.err.splitlines() if line.startswith("ERROR: devpy: "))
    assert [word for word in words if word not in problem] == []


@pytest.mark.parametrize("command", [["pytest"], ["python", "-m", "pytest"]], ids=" ".join)
@pytest.mark.bounds
def test_active_however_pytest_is_started(worktrees: Worktrees, command: list[str]) -> None:
    for result in (worktrees.devpy(*command, "-s"), worktrees.plain(*command, "-s")):
        assert_passed(result, worktrees.root)
        assert HEADER in result.out


@pytest.mark.bounds
def test_base_holds_another_worktrees_editable(
    worktrees: Worktrees, conda_env: CondaEnvironment, make_conda_env: MakeCondaEnv
) -> None:
    """The overlay has lost its own: without the plugin, the base's passes."""
    base = make_conda_env.clone(conda_env, "of-another-worktree")
    (base.site_packages / "other.pth").write_text(f"{source(worktrees.other).parents[1]}\n", encoding="utf-8")
    (worktrees.root / "devpy.toml").write_text(CONFIG.format(base=base.name), encoding="utf-8")
    assert worktrees.devpy("update-editables").code == 0
    assert_passed(worktrees.pytest(), worktrees.root)
    assert worktrees.plain("pip", "uninstall", "--yes", "sample-self-built").code == 0
    assert_passed(worktrees.pytest(*NO_PLUGIN), worktrees.other)
    package = str(worktrees.root / PACKAGE)
    assert_refused(worktrees.pytest(), package, f"is declared in {worktrees.root}/devpy.toml and not installed")


def test_pythonpath_leads_to_another_worktree(worktrees: Worktrees) -> None:
    folder = str(source(worktrees.other).parents[1])
    assert_passed(worktrees.pytest(*NO_PLUGIN, PYTHONPATH=folder), worktrees.other)
    refused = worktrees.pytest(PYTHONPATH=folder)
    assert_refused(refused, str(source(worktrees.root)), str(source(worktrees.other)), "PYTHONPATH")


def test_pytests_setting_leads_to_another_worktree(worktrees: Worktrees) -> None:
    (worktrees.root / "pytest.ini").write_text(f"[pytest]\npythonpath = ../other/{PACKAGE}/src\n", encoding="utf-8")
    assert f"/other/{PACKAGE}/src" in worktrees.pytest(*NO_PLUGIN).out
    assert_refused(worktrees.pytest(), str(source(worktrees.root)), str(source(worktrees.other)), "`pythonpath`")


def test_test_file_of_another_worktree(worktrees: Worktrees) -> None:
    """pytest puts its folder first in `sys.path`, after the session has started."""
    test = source(worktrees.other).parents[1] / "test_origin.py"
    test.write_text(TEST, encoding="utf-8")
    assert_passed(worktrees.pytest(str(test), *NO_PLUGIN), worktrees.other)
    words = f"this overlay is for {worktrees.root} (", f"but the tests are in {worktrees.other}"
    assert_refused(worktrees.pytest(str(test)), *words)


def test_overlay_that_is_active_in_another_worktree(worktrees: Worktrees) -> None:
    command = ["-s", "-p", "no:cacheprovider"]
    pytest = worktrees.root / ".venv" / "bin" / "pytest"
    assert_passed(run([pytest, *command, *NO_PLUGIN], cwd=worktrees.other, environ={}), worktrees.root)
    refused = run([pytest, *command], cwd=worktrees.other, environ={})
    assert_refused(refused, str(worktrees.root), f"but the tests are in {worktrees.other}")


OLD_PYTEST = {"3.8": ["pytest==6.2.5"]}


class TestOnOtherPythons:
    """With an old pytest and a new one, and pytest-xdist."""

    @pytest.fixture(params=["3.8", "3.13"])
    def base(self, request: pytest.FixtureRequest, make_conda_env: MakeCondaEnv) -> CondaEnvironment:
        packages = ["pip", "setuptools<81", "pytest-xdist", *OLD_PYTEST.get(request.param, ["pytest"])]
        return make_conda_env(f"pytest-on-{request.param}", python=request.param, packages=packages)

    @pytest.mark.bounds
    def test_works(self, worktrees: Worktrees) -> None:
        result = worktrees.pytest()
        assert_passed(result, worktrees.root)
        assert HEADER in result.out
        assert_refused(worktrees.pytest(PYTHONPATH=str(source(worktrees.other).parents[1])), "PYTHONPATH")

    def test_nobody_else_is_offered_it(self, worktrees: Worktrees) -> None:
        listed = [worktrees.plain("pip", *command) for command in (("list",), ("freeze", "--all"), ("check",))]
        code = "import pkg_resources, importlib.metadata as it; print(*pkg_resources.working_set, it.version('pytest'))"
        listed.append(worktrees.plain("python", "-W", "ignore", "-c", code))
        listed.append(
            worktrees.plain("python", "-c", "import importlib.metadata as it; print(list(it.entry_points()))")
        )
        assert [result.code for result in listed] == [0] * len(listed)
        assert [result.out for result in listed if "devpy" in result.out.replace(str(worktrees.root), "")] == []

    def test_workers_pass(self, worktrees: Worktrees) -> None:
        result = worktrees.pytest("-n2")
        assert result.code == 0
        assert result.out.count(HEADER) == 1

    def test_workers_alone_see_the_wrong_code(self, worktrees: Worktrees) -> None:
        """The controller collects nothing."""
        folder = source(worktrees.other).parents[1]
        text = f"import sys\nsys.path.insert(0, {str(folder)!r})\n{TEST}"
        (worktrees.root / "tests" / "test_origin.py").write_text(text, encoding="utf-8")
        assert worktrees.pytest("-n2", *NO_PLUGIN).code == 0
        refused = worktrees.pytest("-n2")
        assert_refused(refused, str(source(worktrees.root)), str(source(worktrees.other)))

    def test_worker_in_which_a_test_loads_the_wrong_code(self, worktrees: Worktrees) -> None:
        """No other look sees it."""
        lines = [
            "def test_origin():",
            "    import sys",
            f"    sys.path.insert(0, {str(source(worktrees.other).parents[1])!r})",
        ]
        test = "\n".join([*lines, f"    import {MODULE}\n"])
        (worktrees.root / "tests" / "test_origin.py").write_text(test, encoding="utf-8")
        assert worktrees.pytest("-n2", *NO_PLUGIN).code == 0
        for workers in ("-n2", "-n0"):
            refused = worktrees.pytest(workers)
            assert refused.code not in (0, None)
            assert f"ERROR: devpy: {MODULE} (sample-self-built) comes from" in refused.out + refused.err
            assert "Traceback" not in refused.out + refused.err
