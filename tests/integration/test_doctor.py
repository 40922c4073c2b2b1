"""`devpy doctor` on a healthy set-up, and on each kind of broken one: it names what is wrong and what mends it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devpy_virtualenv_plugin import layout
from devpy_virtualenv_plugin.lock import locked

from . import commands
from .commands import Devpy, Result, clean_environ, run
from .environments import CondaEnvironment, MakeCondaEnv
from .projects import MakeRepository, copy_package

Environ = dict[str, str]  # the variables of a process

CONFIG = """\
[python]
base_conda_env = "{base}"

[editables]
packages = ["self-built", "with-dependency"]

[env]
SAMPLE_PATH = "{{root}}/data"
"""
MODULE = "sample_self_built"
CHECKS = [
    "config",
    "base",
    "overlay",
    "imports",
    "undeclared",
    "base editables",
    "scripts",
    "variables",
    "siblings",
    "pythonpath",
    "dependencies",
    "git",
]
RUN = "import sys; sys.path.append({!r}); from devpy_runner.cli import main; sys.exit(main())"
PLUGIN = """\
from devpy_runner.plugin import FAILED, Verdict, hookimpl

@hookimpl
def devpy_check(setup):
    yield Verdict("data", FAILED, f"{setup.root}/data is missing", "dvc pull")
    raise RuntimeError("out of ideas")
"""


class SetUp:
    """A repository with two worktrees, `main` and `feature`, whose base holds all that they require."""

    def __init__(self, main: Path, feature: Path, base: CondaEnvironment, environ: Environ) -> None:
        self.main = main
        self.feature = feature
        self.base = base
        self.environ = environ

    @property
    def venv(self) -> Path:
        return self.main / ".venv"

    @property
    def site_packages(self) -> Path:
        return next(self.venv.glob("lib/python3.*/site-packages"))

    @property
    def source(self) -> Path:
        return self.main / "self-built" / "src" / MODULE / "__init__.py"

    def devpy(self, *args: str, **environ: str) -> Result:
        return Devpy({**self.environ, **environ})(*args, cwd=self.main)

    def unhealthy(self, **environ: str) -> list[tuple[str, str, str, str]]:
        """Return what doctor finds but what is well, after checking what is true of all that it finds."""
        result = self.devpy("doctor", "--json", **environ)
        verdicts = json.loads(result.out)["verdicts"]
        assert result.code == any(verdict["state"] == "failed" for verdict in verdicts)
        assert result.err == ""
        for verdict in verdicts:
            assert "\n" not in verdict["text"]
            assert bool(verdict["mend"]) == (verdict["state"] in ("warning", "failed"))
        found = [(each["state"], each["check"], each["text"], each["mend"]) for each in verdicts]
        return [verdict for verdict in found if verdict[0] != "ok"]


@contextlib.contextmanager
def edited(path: Path, text: str | None) -> Iterator[None]:
    """Give a file another text, or none at all, for a while."""
    before = path.read_bytes() if path.exists() else None
    if text is None:
        path.unlink()
    else:
        path.write_text(text, encoding="utf-8")
    try:
        yield
    finally:
        if before is None:
            path.unlink()
        else:
            path.write_bytes(before)


@contextlib.contextmanager
def away(path: Path) -> Iterator[None]:
    """Take a file or folder away for a while."""
    elsewhere = path.rename(path.with_name(f"{path.name}.away"))
    try:
        yield
    finally:
        elsewhere.rename(path)


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size in bytes and modification time in nanoseconds of everything in a folder."""
    status = {str(path.relative_to(folder)): path.lstat() for path in folder.rglob("*")}
    return {name: (each.st_size, each.st_mtime_ns) for name, each in status.items()}


@pytest.fixture(scope="module")
def devpy_environ(tmp_path_factory: pytest.TempPathFactory, pip_cache: Path, conda_root: Path) -> Environ:
    """One for the whole module, whose tests share a worktree."""
    home = tmp_path_factory.mktemp("home")
    environ = clean_environ(home, pip_cache)
    return {**environ, "CONDA_ENVS_DIRS": str(conda_root / "envs"), "MAMBA_ROOT_PREFIX": str(conda_root)}


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory, make_conda_env: MakeCondaEnv, devpy_environ: Environ) -> SetUp:
    """A healthy one; what a test breaks, it mends again, in the base as well."""
    packages = ["pip", "setuptools", "wheel", "six"]
    base = make_conda_env.clone(make_conda_env("with-six", packages=packages), "doctored")
    repository = MakeRepository(devpy_environ)
    files = {"devpy.toml": CONFIG.format(base=base.name), ".gitignore": "*.egg-info\nbuilds.txt\n__pycache__\n"}
    main = repository(tmp_path_factory.mktemp("doctor") / "main", "self-built", "with-dependency", files=files)
    found = SetUp(main, repository.worktree(main, "feature"), base, devpy_environ)
    assert found.devpy("update-editables").code == 0
    return found


@pytest.mark.bounds
def test_healthy(setup: SetUp) -> None:
    before = tree(setup.main)
    result = setup.devpy("doctor")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert [line[9:23].strip() for line in lines[:4]] == CHECKS[:4]
    assert f"ok       config          {setup.main}/devpy.toml: 2 packages declared" in lines
    assert f"ok       imports         {MODULE} from {setup.source}" in lines
    assert f"ok       git             {setup.venv} is ignored" in lines
    assert lines[-1] == "13 ok"
    assert tree(setup.main) == before
    assert [verdict["check"] for verdict in json.loads(setup.devpy("doctor", "--json").out)["verdicts"]] == [
        *CHECKS[:4],
        *CHECKS[3:],
    ]


def test_from_a_subfolder(setup: SetUp) -> None:
    assert Devpy(setup.environ)("doctor", cwd=setup.source.parent) == setup.devpy("doctor")


def test_lines_say_what_json_says(setup: SetUp) -> None:
    with away(setup.venv):
        lines = setup.devpy("doctor").out.splitlines()
        found = setup.unhealthy()
    assert all(f"{state:8} {check:14}  {text}" in lines for state, check, text, _ in found)
    assert lines[-1] == "2 ok, 1 failed, 9 skipped"


def test_no_devpy_toml(setup: SetUp) -> None:
    with away(setup.main / "devpy.toml"):
        first, *others = setup.unhealthy()
    assert first[:3] == ("failed", "config", f"missing {setup.main}/devpy.toml")
    assert [verdict[:3] for verdict in others] == [("skipped", check, "no valid devpy.toml") for check in CHECKS[1:]]


def test_broken_devpy_toml(setup: SetUp) -> None:
    with edited(setup.main / "devpy.toml", CONFIG.replace("[editables]", "[editable]")):
        first, *_ = setup.unhealthy()
    assert first == ("failed", "config", f"{setup.main}/devpy.toml: [editable]: unknown", "did you mean [editables]?")


def test_declared_package_that_is_missing(setup: SetUp) -> None:
    with away(setup.main / "with-dependency"):
        config, *others = setup.unhealthy()
    assert config[:2] == ("failed", "config")
    assert config[2].endswith(f'editables.packages = "{setup.main}/with-dependency" is not a directory')
    assert ("skipped", "imports", f"{setup.main}/with-dependency is not a directory", "") in others


def test_declared_package_that_cannot_be_built(setup: SetUp) -> None:
    project = setup.main / "self-built" / "pyproject.toml"
    with edited(project, "[project\n"):
        config, *_ = setup.unhealthy()
    assert config[:2] == ("failed", "config")
    assert config[2].startswith(f"{project}: ")
    assert config[3] == "correct the TOML syntax there"


def test_base_that_is_missing(setup: SetUp) -> None:
    with edited(setup.main / "devpy.toml", CONFIG.format(base="doctord")):
        base, overlay, *_ = setup.unhealthy()
    assert base[:2] == ("failed", "base")
    assert base[2].startswith("conda environment doctord: not found in ")
    assert base[3].startswith("did you mean doctored")
    assert overlay[:2] == ("warning", "overlay")
    assert overlay[3] == "mend the base first, then: devpy update-editables"


def test_base_without_pip(setup: SetUp) -> None:
    with away(setup.base.site_packages / "pip"):
        assert setup.unhealthy() == [
            ("failed", "base", f"{setup.base.prefix} has no pip", f"conda install -p {setup.base.prefix} pip")
        ]


def test_base_whose_python_is_gone(setup: SetUp) -> None:
    with away(setup.base.prefix / "bin"):
        found = setup.unhealthy()
    assert ("failed", "base", f"{setup.base.prefix}: the conda environment has no bin/python") == found[0][:3]
    assert found[0][3] == f"conda install -p {setup.base.prefix} python"
    assert found[1][:2] == ("failed", "overlay")
    assert ("skipped", "imports", "the overlay's Python is gone", "") in found


def test_no_overlay(setup: SetUp) -> None:
    with away(setup.venv):
        first, *others = setup.unhealthy()
        modules = setup.devpy("doctor", MODULE)
    assert first == ("failed", "overlay", f"{setup.venv}: there is none yet", "devpy update-editables")
    assert [verdict[:3] for verdict in others] == [("skipped", check, "no overlay") for check in CHECKS[3:]]
    assert (modules.code, modules.out) == (2, "")
    assert modules.err == f"devpy: {setup.venv}: no overlay\n  devpy update-editables\n"


def test_overlay_that_somebody_else_made(setup: SetUp) -> None:
    with away(setup.venv):
        setup.venv.mkdir()
        (setup.venv / "pyvenv.cfg").write_text("home = /usr/bin\n", encoding="utf-8")
        found = setup.unhealthy()
        shutil.rmtree(setup.venv)
    assert found[0][:3] == ("failed", "overlay", f"{setup.venv} was not made by devpy")
    assert found[0][3].startswith("rename or remove it, or set python.venv in ")
    assert {verdict[0] for verdict in found[1:]} == {"skipped"}


def test_stale_overlay(setup: SetUp) -> None:
    """It is looked at as it is, and stays so."""
    project = setup.main / "self-built" / "pyproject.toml"
    with edited(project, project.read_text("utf-8") + "\n# edited\n"):
        reason = f"build files changed: {project.parent}"
        expected = ("warning", "overlay", f"{setup.venv}: stale: {reason}", "devpy update-editables")
        assert setup.unhealthy() == [expected] == setup.unhealthy()
    assert setup.unhealthy() == []


def test_interrupted_overlay(setup: SetUp) -> None:
    record = setup.venv / "devpy.json"
    with edited(record, record.read_text("utf-8").replace('"complete": true', '"complete": false')):
        found = setup.unhealthy()
    assert found[0][:2] == ("failed", "overlay")
    assert "incomplete: its making or its last change was interrupted" in found[0][2]
    assert found[1] == ("skipped", "imports", "the overlay is incomplete", "")


def test_overlay_that_is_being_made(setup: SetUp) -> None:
    record = setup.venv / "devpy.json"
    text = record.read_text("utf-8").replace('"complete": true', '"complete": false')
    with edited(record, text), locked(str(setup.venv)):
        found = setup.unhealthy()
    reason = "another devpy is changing the overlay"
    assert found[0] == ("failed", "overlay", f"{setup.venv}: {reason}", "once it has finished: devpy doctor")
    assert found[1] == ("skipped", "imports", reason, "")


def test_overlay_without_its_bridge(setup: SetUp) -> None:
    """Nobody is told that the base has no pip."""
    with away(setup.site_packages / layout.bridge(str(setup.site_packages))):
        first, *others = setup.unhealthy()
    assert setup.devpy("true").code == 0  # takes note that nothing else has changed
    assert first[:2] == ("warning", "overlay")
    assert "a part of it is missing" in first[2]
    assert {verdict[:3:2] for verdict in others} == {("skipped", "a part of the overlay is missing")}
    assert "imports" in [verdict[1] for verdict in others]


def test_overlay_of_another_devpy(setup: SetUp) -> None:
    """One that cannot answer yet."""
    with edited(setup.site_packages / "_devpy_guard" / "rest.zip", ""):
        assert ("skipped", "imports", "the overlay was made by another devpy", "") in setup.unhealthy()


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import no_such_module\n", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("x = (\n", "SyntaxError: "),
        ("raise SystemExit('leaving')\n", "SystemExit: leaving"),
        ("print('noise')\nraise ValueError('one\\ntwo')\n", "ValueError: one two"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n", "was ended by SIGKILL"),
    ],
)
def test_package_whose_import_fails(setup: SetUp, code: str, problem: str) -> None:
    with edited(setup.source, code):
        ((state, check, text, mend),) = setup.unhealthy()
    assert (state, check) == ("failed", "imports")
    assert f"({setup.main}/self-built)" in text
    assert problem in text
    assert f"devpy python -c 'import {MODULE}'" in mend


def test_python_that_does_not_start(setup: SetUp) -> None:
    """The verdict must not be good for want of an answer."""
    with edited(setup.site_packages / "ends.pth", "import os; os._exit(3)\n"):
        (failed,) = [found for found in setup.unhealthy() if found[:2] == ("failed", "imports")]
    assert "nothing can be told" in failed[2]


def test_undeclared_editable(setup: SetUp, tmp_path: Path) -> None:
    """As `conda develop` leaves it."""
    stranger = copy_package("legacy-setup-py", tmp_path / "stranger")
    with edited(setup.site_packages / "conda.pth", f"{stranger}\n"):
        found = setup.unhealthy()
    text = f"{stranger}: an editable in {setup.venv} that {setup.main}/devpy.toml does not declare"
    assert ("warning", "undeclared", text, "declare it, or have it removed: devpy update-editables") in found
    setup.devpy("true")  # takes note that it is gone


def test_module_of_an_undeclared_editable(setup: SetUp) -> None:
    """As another tool has installed it, or devpy itself before its declaration was dropped."""
    toml = CONFIG.format(base=setup.base.name).replace('"self-built", ', "")
    with edited(setup.main / "devpy.toml", toml):
        result = setup.devpy("doctor", MODULE)
    assert result.code == 1
    lines = [line.strip() for line in result.out.splitlines()]
    folder = f"{setup.main}/self-built"
    assert lines[0] == f"{MODULE}: from {folder}, an editable that {setup.main}/devpy.toml does not declare"
    assert lines[3] == f"undeclared editable sample-self-built ({folder})"
    reason = f"no longer declared: {folder}"
    assert result.err == f"devpy: {setup.venv} is stale: {reason}\n  devpy update-editables\n"


def test_module_in_a_copied_worktree(setup: SetUp) -> None:
    """It comes from the original until devpy has brought the copy up to date."""
    copy = Path(shutil.copytree(setup.main, setup.main.with_name("copy"), symlinks=True))
    result = Devpy(setup.environ)("doctor", MODULE, cwd=copy)
    shutil.rmtree(copy)
    assert result.code == 1
    first, mend = result.err.splitlines()
    assert first.startswith(f"devpy: {copy}/.venv is stale: moved or copied from {setup.venv}")
    assert mend == "  devpy update-editables"
    assert f"undeclared editable sample-self-built ({setup.main}/self-built)" in result.out


@pytest.fixture
def sibling_in_base(setup: SetUp) -> Iterator[SetUp]:
    """The classic: somebody has installed his worktree into the shared environment."""
    pip: list[str | Path] = [setup.base.python, "-m", "pip"]
    project = setup.feature / "self-built"
    options = ["--no-deps", "--no-build-isolation", "--no-warn-script-location", "--editable"]
    assert run([*pip, "install", *options, project], cwd=setup.feature, environ=setup.environ).code == 0
    yield setup
    assert run([*pip, "uninstall", "--yes", "sample-self-built"], cwd=setup.feature, environ=setup.environ).code == 0
    assert setup.devpy("true").code == 0


def test_copy_of_a_declared_package_in_the_base(sibling_in_base: SetUp) -> None:
    """It is named, and does no harm."""
    setup = sibling_in_base
    found = {check: (state, text, mend) for state, check, text, mend in setup.unhealthy()}
    uninstall = f"{setup.base.python} -m pip uninstall sample-self-built"
    owner = f"{setup.feature}/self-built (branch feature of {setup.feature})"
    text = f"sample-self-built in {setup.base.prefix} is {owner}: a copy of a declared package"
    assert found["base editables"] == ("warning", text, uninstall)
    assert "imports" not in found

    result = setup.devpy("doctor", MODULE)
    assert result.code == 0
    lines = [line.strip() for line in result.out.splitlines()]
    assert lines[:2] == [MODULE, f"from     {setup.source}"]
    assert lines[2].startswith(f"by {setup.source.parent.parent} on sys.path, from {setup.site_packages}/")
    assert lines[3] == f"declared: sample-self-built ({setup.main}/self-built)"
    role, copy = lines[4].rsplit(maxsplit=1)
    assert role in ("shadows", "left out")
    assert copy == f"{setup.feature}/self-built/src/{MODULE}/__init__.py"
    assert f"from {setup.base.site_packages}/" in lines[5]
    assert lines[6] == f"in another worktree, {setup.feature}"


def test_code_of_a_sibling_worktree_in_the_base(setup: SetUp) -> None:
    """Of a package that this worktree does not declare, or does not even have."""
    tools = setup.feature / "tools"
    tools.mkdir()
    pth = setup.base.site_packages / "conda.pth"
    with edited(pth, f"{tools}\n"):
        found = {check: (state, text, mend) for state, check, text, mend in setup.unhealthy()}
    tools.rmdir()
    uninstall = f"conda develop --uninstall -p {setup.base.prefix} {tools}"
    owner = f"{tools} (branch feature of {setup.feature})"
    text = f"a path in {setup.base.prefix} is {owner}: a sibling worktree's code"
    assert found["base editables"] == ("warning", text, uninstall)
    text = f"{tools} on sys.path, from {pth}, leads into the worktree {setup.feature}"
    assert found["siblings"] == ("failed", text, uninstall)


def test_editable_of_another_project_in_the_base(setup: SetUp, tmp_path: Path) -> None:
    """Nothing is wrong with it, but it is told."""
    shared = copy_package("legacy-setup-py", tmp_path / "shared")
    with edited(setup.base.site_packages / "conda.pth", f"{shared}\n"):
        result = setup.devpy("doctor")
    assert result.code == 0
    assert f"a path in {setup.base.prefix} is {shared}; all worktrees share it" in result.out


def test_sibling_in_pythonpath(setup: SetUp) -> None:
    other = f"{setup.feature}/self-built/src"
    found = setup.unhealthy(PYTHONPATH=other)
    wrong = f"{other}/{MODULE}/__init__.py"
    assert (
        "failed",
        "imports",
        f"{MODULE} comes from {wrong}, not from {setup.source}",
        f"see why: devpy doctor {MODULE}",
    ) in found
    shadowed = f"PYTHONPATH: {other} shadows {MODULE}: {wrong} instead of {setup.source}"
    assert ("failed", "pythonpath", shadowed, "unset PYTHONPATH") in found

    result = setup.devpy("doctor", MODULE, PYTHONPATH=other)
    assert result.code == 1
    lines = [line.strip() for line in result.out.splitlines()]
    assert lines[0].endswith(f"declares it, so it should come from {setup.source}")
    assert lines[1:4] == [
        f"from     {wrong}",
        f"by {other} on sys.path, from PYTHONPATH",
        f"in another worktree, {setup.feature}",
    ]
    assert f"shadows  {setup.source}" in lines


def test_pythonpath_into_a_sibling_that_shadows_nothing(setup: SetUp) -> None:
    other = f"{setup.feature}/with-dependency"
    text = f"PYTHONPATH: {other} leads into another worktree, {setup.feature}, but shadows nothing"
    assert setup.unhealthy(PYTHONPATH=other) == [("warning", "pythonpath", text, "unset PYTHONPATH")]


def test_unmet_dependency(setup: SetUp) -> None:
    with contextlib.ExitStack() as stack:
        for path in [*setup.base.site_packages.glob("six*"), *setup.base.site_packages.glob("__pycache__/six*")]:
            stack.enter_context(away(path))
        found = {check: (state, text, mend) for state, check, text, mend in setup.unhealthy()}
    state, text, mend = found["dependencies"]
    assert (state, text) == ("failed", "sample-with-dependency requires six, which is not installed")
    assert mend.startswith(f"conda install -p {setup.base.prefix} six, or install_deps = true in ")


def test_overlay_that_git_does_not_ignore(setup: SetUp) -> None:
    with edited(setup.venv / ".gitignore", None):
        (verdict,) = setup.unhealthy()
        assert verdict[:3] == ("warning", "git", f"{setup.venv} is not ignored by git")
        assert verdict[3] == f"echo '*' > {setup.venv}/.gitignore"
        run(["/bin/sh", "-c", verdict[3]], cwd=setup.main, environ=setup.environ)
        assert setup.unhealthy() == []


def test_overlay_that_git_tracks(setup: SetUp) -> None:
    git = ["git", "-C", str(setup.main)]
    run([*git, "add", "--force", ".venv/pyvenv.cfg"], cwd=setup.main, environ=setup.environ)
    found = setup.unhealthy()
    assert [verdict[:3] for verdict in found] == [("failed", "git", f"{setup.venv} is tracked by git: 1 file")]
    run(["/bin/sh", "-c", found[0][3].partition(",")[0]], cwd=setup.main, environ=setup.environ)
    assert setup.unhealthy() == []


def test_plain_python_without_the_variables(setup: SetUp) -> None:
    start_variables = setup.venv / "devpy-start"
    with edited(start_variables, None):
        ((state, check, text, mend),) = setup.unhealthy()
    assert (state, check) == ("warning", "variables")
    assert str(start_variables) in text
    assert mend == "any devpy command writes it anew: devpy true"


def test_shell_of_another_environment(setup: SetUp, tmp_path: Path) -> None:
    (verdict,) = setup.unhealthy(VIRTUAL_ENV=str(tmp_path))
    assert verdict[:2] == ("warning", "variables")
    assert verdict[2].startswith(f"VIRTUAL_ENV={tmp_path}: ")
    assert verdict[3] == "deactivate"


def test_shell_of_the_environment_that_devpy_is_in(setup: SetUp) -> None:
    assert setup.unhealthy(VIRTUAL_ENV=sys.prefix) == []


def test_shell_that_sends_python_elsewhere(setup: SetUp) -> None:
    home = sys.base_prefix
    verdicts = setup.unhealthy(PYTHONHOME=home)
    assert {verdict[:2] for verdict in verdicts} == {("warning", "variables")}
    text = f"PYTHONHOME={home} sends plain {setup.venv}/bin/python to that standard library; devpy leaves it out"
    assert ("warning", "variables", text, "unset PYTHONHOME") in verdicts


@pytest.mark.bounds
def test_check_of_a_plugin(setup: SetUp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "my_dist-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-dist\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[devpy]\nmine = my_plugin\n", encoding="utf-8")
    (tmp_path / "my_plugin.py").write_text(PLUGIN, encoding="utf-8")
    # In the place of an installation beside devpy.
    monkeypatch.setattr(commands, "DEVPY", [sys.executable, "-c", RUN.format(str(tmp_path))])
    data, broken = setup.unhealthy()
    assert data == ("failed", "data", f"{setup.main}/data is missing", "dvc pull")
    assert broken[:3] == ("failed", "mine", "the check of plugin mine failed: RuntimeError: out of ideas")
    assert setup.unhealthy(DEVPY_DISABLE_PLUGINS="1") == []


def test_modules_of_the_base_and_of_python(setup: SetUp) -> None:
    result = setup.devpy("doctor", "--json", "six", "json.decoder", "nowhere")
    assert result.code == 1
    six, decoder, nowhere = json.loads(result.out)["modules"]
    assert six["from"]["files"] == [f"{setup.base.site_packages}/six.py"]
    assert (six["from"]["owner"], six["shadows"], six["problem"]) == ("in the base", [], "")
    assert os.path.basename(decoder["from"]["files"][0]) == "decoder.py"
    assert (nowhere["from"], nowhere["problem"]) == (None, "not found")


@pytest.mark.parametrize("minor", ["3.8", "3.13"])
def test_pythons_of_every_age(minor: str, tmp_path: Path, make_conda_env: MakeCondaEnv, devpy_environ: Environ) -> None:
    base = make_conda_env(f"python-{minor}", python=minor, packages=["pip==24.3.1", "pytest"])
    toml = f'[python]\nbase_conda_env = "{base.name}"\n[editables]\npackages = ["."]\n'
    root = MakeRepository(devpy_environ)(tmp_path / "main", root="self-built", files={"devpy.toml": toml})
    devpy = Devpy(devpy_environ)
    assert devpy("update-editables", cwd=root).code == 0
    result = devpy("doctor", cwd=root)
    assert (result.code, result.err, result.out.splitlines()[-1]) == (0, "", "12 ok")
    assert f"{MODULE} from {root}/src/{MODULE}/__init__.py" in result.out
    found = devpy("doctor", MODULE, "email.message", "sys", cwd=root)
    assert (found.code, found.err) == (0, "")
    assert f"  from     {root}/src/{MODULE}/__init__.py\n" in found.out


@pytest.mark.slow
def test_readme_shows_what_is_printed(tmp_path: Path, devpy_environ: Environ) -> None:
    """But for the place, and the versions of Python and pip."""
    text = Path(__file__).parents[2].joinpath("README.md").read_text(encoding="utf-8")
    session = text.partition("## When something is wrong")[2].partition("## Troubleshooting")[0]
    examples = "".join(re.findall(r"^```console\n(.*?)^```$", session, re.MULTILINE | re.DOTALL))
    devpy = Devpy(devpy_environ)
    assert devpy("demo", "--keep", "demo", cwd=tmp_path).code == 0
    main, broken = tmp_path / "demo" / "main", {**devpy_environ, "PYTHONPATH": "../feature/src"}
    wrong = devpy("doctor", cwd=main, environ=broken).out
    expected = [
        "$ devpy doctor\n",
        devpy("doctor", cwd=main).out,
        "$ export PYTHONPATH=../feature/src\n$ devpy doctor | grep -v ^ok\n",
        "".join(line for line in wrong.splitlines(keepends=True) if not line.startswith("ok")),
        "$ devpy doctor greeter\n",
        devpy("doctor", "greeter", cwd=main, environ=broken).out,
    ]
    shown = "".join(expected).replace(str(tmp_path), "/tmp")  # noqa: S108 - the place that the README names
    versions = re.compile(r"(?<=Python )[\d.]+|(?<=pip )[\d.]+|(?<=/python3\.)\d+")
    assert versions.sub("*", shown) == versions.sub("*", examples)
