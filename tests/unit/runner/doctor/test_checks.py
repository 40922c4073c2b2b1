"""The checks of `devpy doctor` on made-up findings, and what becomes of the checks of plugins."""

from __future__ import annotations

import inspect
import json
import os
import select
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from devpy_pip_guard.config import load
from devpy_pip_guard.errors import DevpyError
from devpy_runner import programs
from devpy_runner.base import condarc, installations
from devpy_runner.doctor import checkup, module_origin
from devpy_runner.doctor.checks import base, base_editables, dependencies, git, imports, pythonpath, siblings, variables
from devpy_runner.doctor.interpreter import Entry, Module, Package, State
from devpy_runner.doctor.setup import WorktreeSetup
from devpy_runner.overlay.editables import Editable
from devpy_runner.overlay.state import ABSENT, CURRENT, FOREIGN, Overlay
from devpy_runner.plugin import FAILED, OK, SKIPPED, WARNING, Skipped, Verdict, hooks
from devpy_runner.programs import Ran
from devpy_virtualenv_plugin.record import Record

Install = Callable[[str], None]

RECORD = Record(
    version="1",
    complete=True,
    built=True,
    venv="/v",
    config="/devpy.toml",
    base_name="base",
    base="/base",
    base_stamp="",
    python="python3.11",
    editables={},
    has_deps=False,
    site_stamp="",
)
IMPORTS = """\
from devpy_runner.plugin import FAILED, OK, Skipped, Verdict, hookimpl
"""
CHECK = IMPORTS + "@hookimpl\ndef devpy_check(setup):\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A worktree without a devpy.toml."""
    (tmp_path / "main").mkdir()
    (tmp_path / "main" / ".git").write_text("gitdir: elsewhere")
    return tmp_path / "main"


@pytest.fixture
def setup(root: Path, monkeypatch: pytest.MonkeyPatch) -> WorktreeSetup:
    monkeypatch.setattr(condarc, "_SYSTEM_FOLDERS", ())
    monkeypatch.setattr(installations, "_USUAL_ROOTS", ())
    return WorktreeSetup(str(root), {"HOME": str(root), "PATH": os.defpath})


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a plugin: a module `my_plugin`, and its entry point `mine`."""

    def install(code: str) -> None:
        info = tmp_path / "site" / "my_dist-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-dist\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[devpy]\nmine = my_plugin\n")
        (tmp_path / "site" / "my_plugin.py").write_text(code)
        monkeypatch.syspath_prepend(str(tmp_path / "site"))

    monkeypatch.delitem(sys.modules, "my_plugin", raising=False)
    return install


def verdicts_of_plugins(setup: WorktreeSetup) -> list[Verdict]:
    return list(checkup.examine(setup, []))[len(checkup.BUILT_IN) :]


def test_without_devpy_toml_one_check_fails_and_the_others_say_why_they_cannot_be_made(setup: WorktreeSetup) -> None:
    first, *others = checkup.examine(setup, [])
    assert (first.check, first.state, first.text) == ("config", FAILED, f"missing {setup.root}/devpy.toml")
    assert 'base_conda_env = "my-conda-env"' in first.mend
    assert {(verdict.state, verdict.text) for verdict in others} == {(SKIPPED, "no valid devpy.toml")}
    assert len(others) == len(checkup.BUILT_IN) - 1


def test_a_plugins_check_comes_last(setup: WorktreeSetup, install: Install) -> None:
    install(CHECK + "    yield Verdict('data', FAILED, f'{setup.root}/data is missing', 'dvc pull')\n")
    assert verdicts_of_plugins(setup) == [Verdict("data", FAILED, f"{setup.root}/data is missing", "dvc pull")]


def test_a_plugin_may_have_nothing_to_say(setup: WorktreeSetup, install: Install) -> None:
    install(CHECK + "    return None\n")
    assert verdicts_of_plugins(setup) == []


def test_a_plugin_may_leave_the_asking_for_what_is_not_there_to_devpy(setup: WorktreeSetup, install: Install) -> None:
    install(CHECK + "    yield Verdict('data', OK, setup.config.file)\n")
    assert verdicts_of_plugins(setup) == [Verdict("mine", SKIPPED, "no valid devpy.toml")]


def test_a_plugins_own_message_is_shown(setup: WorktreeSetup, install: Install) -> None:
    install(CHECK + "    from devpy_pip_guard.errors import DevpyError\n    raise DevpyError('it rains', 'umbrella')\n")
    assert verdicts_of_plugins(setup) == [Verdict("mine", FAILED, "it rains", "umbrella")]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("    raise RuntimeError('in\\n two lines')\n", "RuntimeError: in two lines"),
        ("    raise KeyError('x')\n    yield\n", "KeyError: 'x'"),
        ("    yield 'fine'\n", "'fine' is no Verdict"),
        ("    yield Verdict('data', 'good', 'text')\n", "state='good'"),
        ("    yield Verdict('data', OK, 3)\n", "text=3"),
        ("    return 3\n", "TypeError: 'int' object is not iterable"),
    ],
)
def test_a_plugin_that_fails_is_named_and_spoils_nothing(
    setup: WorktreeSetup, install: Install, body: str, problem: str
) -> None:
    install(CHECK + body)
    (verdict,) = verdicts_of_plugins(setup)
    assert (verdict.check, verdict.state) == ("mine", FAILED)
    assert verdict.text.startswith("the check of plugin mine failed: ")
    assert problem in verdict.text
    assert "DEVPY_DISABLE_PLUGINS=1" in verdict.mend


def test_what_a_plugin_said_before_it_failed_counts(setup: WorktreeSetup, install: Install) -> None:
    install(CHECK + "    yield Verdict('data', OK, 'there')\n    raise RuntimeError('broken')\n")
    assert [verdict.state for verdict in verdicts_of_plugins(setup)] == [OK, FAILED]


def test_a_plugin_that_cannot_be_imported_is_named(setup: WorktreeSetup, install: Install) -> None:
    install("import no_such_module")
    first, *others = checkup.examine(setup, [])
    assert (first.check, first.state) == ("plugins", FAILED)
    assert first.text.startswith("plugin mine = my_plugin of my-dist: ModuleNotFoundError: ")
    assert len(others) == len(checkup.BUILT_IN)


def test_plugins_can_be_left_out(setup: WorktreeSetup, install: Install) -> None:
    install("raise RuntimeError('broken')")
    setup.environ = {**setup.environ, "DEVPY_DISABLE_PLUGINS": "1"}
    assert verdicts_of_plugins(setup) == []


def test_the_example_of_the_hook_is_a_plugin(setup: WorktreeSetup, install: Install, root: Path) -> None:
    documented = inspect.getdoc(hooks.devpy_check) or ""
    install(textwrap.dedent(documented.partition("::\n")[2].partition("A check changes nothing.")[0]))
    assert verdicts_of_plugins(setup) == [Verdict("data", FAILED, f"{root}/data is missing", "dvc pull")]
    (root / "data").mkdir()
    assert verdicts_of_plugins(setup) == [Verdict("data", OK, f"{root}/data")]


@pytest.mark.parametrize(
    ("program", "failure"),
    [
        ("import sys; sys.exit('one\\ntwo')", "ended with exit code 1: two"),
        ("import os; os._exit(3)", "ended with exit code 3"),
        ("import os; os.kill(os.getpid(), 11)", "was ended by SIGSEGV"),
    ],
)
def test_how_a_program_ended(program: str, failure: str, tmp_path: Path) -> None:
    assert programs.run([sys.executable, "-c", program], os.environ, str(tmp_path)).failure == failure


def test_a_program_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    """Once nobody has the FIFO open for writing, reading comes to its end."""
    os.mkfifo(tmp_path / "fifo")
    reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    command = ["/bin/sh", "-c", "exec >fifo; echo started; sleep 300 & wait"]
    ran = programs.run(command, os.environ, str(tmp_path), seconds=2.0)
    assert ran.code is None
    assert ran.failure == "took longer than 2 seconds"
    assert os.read(reader, 100) == b"started\n"
    assert select.select([reader], [], [], 30)[0]
    assert os.read(reader, 100) == b""
    os.close(reader)


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    assert "No such file" in programs.run([missing], os.environ, str(tmp_path)).failure


@pytest.fixture
def worktree(setup: WorktreeSetup, root: Path) -> WorktreeSetup:
    """A worktree `main` that declares itself, with the siblings `feature` and, inside its own folder, `inner`."""
    (root / "devpy.toml").write_text('[python]\nbase_conda_env = "/base"\n[editables]\npackages = ["."]\n')
    for name, folder in {"main": root, "feature": root.parent / "feature", "inner": root / "inner"}.items():
        (folder / "src").mkdir(parents=True)
        (folder / ".git").write_text(f"gitdir: /project/.git/worktrees/{name}")
    parts = {
        "config": load(str(root / "devpy.toml")),
        "base": "/base",
        "overlay": Overlay(CURRENT, [], False, RECORD),
        "siblings": [str(root.parent / "feature"), str(root / "inner")],
    }
    setup.__dict__.update(parts)
    return setup


def put_in_state(
    setup: WorktreeSetup, *entries: Entry, packages: Sequence[Package] = (), environ: Mapping[str, str] | None = None
) -> None:
    setup.__dict__["_asked_state"] = State(dict(environ or {}), list(entries), list(packages))


def entry(path: Path, kind: str = "pth", pth: str = "/base/lib/x.pth") -> Entry:
    return Entry(str(path), [str(path)], kind, pth)


@pytest.mark.parametrize(
    ("path", "sibling"),
    [("src", None), ("../feature/src", "../feature"), ("inner/src", "inner"), ("../featured", None), ("..", None)],
)
def test_worktree_that_a_path_lies_in(worktree: WorktreeSetup, root: Path, path: str, sibling: str | None) -> None:
    expected = None if sibling is None else os.path.normpath(root / sibling)
    assert worktree.sibling_of(os.path.normpath(root / path)) == expected


def test_finder_that_leads_into_a_sibling(worktree: WorktreeSetup, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(siblings, "installed", lambda _: [])
    monkeypatch.setattr(WorktreeSetup, "base_site_packages", "/base/lib")
    feature = root.parent / "feature"
    finder = Entry(
        "__editable___x_finder._EditableFinder", [str(root / "src"), str(feature / "x.py")], "pth", "/b/x.pth"
    )
    put_in_state(worktree, entry(root / "src"), finder)
    (verdict,) = siblings.devpy_check(worktree)
    assert verdict == Verdict(
        "siblings",
        FAILED,
        f"the finder {finder.name}, from /b/x.pth, leads into the worktree {feature}",
        "take it out of /b/x.pth",
    )


def test_nothing_leads_into_a_sibling(worktree: WorktreeSetup, root: Path) -> None:
    """A base that lies in one does not."""
    prefix = root.parent / "feature" / "env"
    worktree.__dict__["overlay"] = Overlay(CURRENT, [], False, RECORD._replace(base=str(prefix)))
    put_in_state(worktree, entry(root / "src"), entry(prefix / "lib"), entry(root.parent / "feature", "PYTHONPATH", ""))
    assert list(siblings.devpy_check(worktree)) == [
        Verdict("siblings", OK, "nothing leads into any of the 2 other worktrees")
    ]


def test_pythonpath_that_activation_has_set(worktree: WorktreeSetup, root: Path) -> None:
    """It cannot be unset by the caller."""
    feature = root.parent / "feature" / "src"
    module = Module("mine", str(root / "src" / "mine.py"), str(feature / "mine.py"))
    package = Package("mine", str(root), [module])
    put_in_state(worktree, entry(feature, "PYTHONPATH", ""), packages=[package], environ={"PYTHONPATH": str(feature)})
    (verdict,) = pythonpath.devpy_check(worktree)
    assert verdict.state == FAILED
    assert verdict.text == f"PYTHONPATH: {feature} shadows mine: {feature}/mine.py instead of {root}/src/mine.py"
    assert verdict.mend == f"see what sets it: [env] in {root}/devpy.toml, or the base's activation scripts"


def add_metadata(site_packages: Path, name: str, version: str, *requires: str, project: Path | None = None) -> None:
    info = site_packages / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version}",
        *(f"Requires-Dist: {r}" for r in requires),
    ]
    (info / "METADATA").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if project is not None:
        origin = {"url": project.as_uri(), "dir_info": {"editable": True}}
        (info / "direct_url.json").write_text(json.dumps(origin), encoding="utf-8")


def test_unmet_requirements(worktree: WorktreeSetup, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is told once, with all packages that have it, and with one command for all."""
    overlay, base = root / "overlay", root / "base"
    for name, requires in {
        "One": [
            "six",
            "Numpy>=2,<3",
            "here>=1",
            "wild==1.*",
            "other; python_version < '3'",
            "more; extra == 'x'",
            "odd; platform_release >= '4.15-x'",
        ],
        "two": ["six", "numpy >= 2, < 3", "numpy!=2.5", "two[x]"],
        "three": ["six"],
    }.items():
        add_metadata(overlay, name, "1.0", *requires, project=root / name)
    add_metadata(overlay, "no-editable", "1.0", "gone")
    for name, version in {"numpy": "1.26", "here": "1.0", "wild": "custom"}.items():
        add_metadata(base, name, version)
    monkeypatch.setattr(WorktreeSetup, "site_packages", str(overlay))
    monkeypatch.setattr(WorktreeSetup, "base_site_packages", str(base))
    verdicts = list(dependencies.devpy_check(worktree))
    assert [verdict.text for verdict in verdicts] == [
        "One, three and two require six, which is not installed",
        "One and two require numpy<3,>=2, 1.26 is installed",
    ]
    assert {(verdict.state, verdict.mend) for verdict in verdicts} == {
        (FAILED, "conda install -p /base six 'numpy<3,>=2'")
    }


def test_requirements_that_are_only_missing(
    worktree: WorktreeSetup, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_metadata(root / "overlay", "one", "1.0", "six>=1", project=root)
    monkeypatch.setattr(WorktreeSetup, "site_packages", str(root / "overlay"))
    monkeypatch.setattr(WorktreeSetup, "base_site_packages", str(root / "gone"))
    (verdict,) = dependencies.devpy_check(worktree)
    assert verdict.text == "one requires six>=1, which is not installed"
    assert verdict.mend == (
        f"conda install -p /base 'six>=1', or install_deps = true in {root}/devpy.toml: devpy update-editables"
    )


@pytest.mark.parametrize("name", ["base editables", "base-editables", "base_editables"])
def test_a_check_that_is_left_out(setup: WorktreeSetup, root: Path, name: str) -> None:
    toml = '[python]\nbase_conda_env = "/base"\n[doctor]\nskip = ["dependencies"]\n'
    (root / "devpy.toml").write_text(toml, encoding="utf-8")
    verdicts = {verdict.check: verdict for verdict in checkup.examine(setup, [name])}
    assert verdicts["base editables"][1:3] == (SKIPPED, "left out by --skip")
    assert verdicts["dependencies"][1:3] == (SKIPPED, f"left out by doctor.skip in {root}/devpy.toml")
    assert "left out" not in verdicts["overlay"].text


def test_a_check_that_devpy_toml_leaves_out_and_that_is_not_there(setup: WorktreeSetup, root: Path) -> None:
    """A plugin may be installed on one machine and not on another."""
    toml = '[python]\nbase_conda_env = "/base"\n[doctor]\nskip = ["data"]\n'
    (root / "devpy.toml").write_text(toml, encoding="utf-8")
    *_, last = checkup.examine(setup, [])
    assert last[:3] == ("doctor", WARNING, f"doctor.skip in {root}/devpy.toml: data: no such check")


def test_a_plugins_check_that_is_left_out(setup: WorktreeSetup, install: Install) -> None:
    install(CHECK + "    raise RuntimeError\n")
    assert list(checkup.examine(setup, ["mine"]))[-1] == Verdict("mine", SKIPPED, "left out by --skip")


def test_no_such_check(setup: WorktreeSetup) -> None:
    with pytest.raises(DevpyError, match="--skip: nonsense: no such check") as caught:
        list(checkup.examine(setup, ["nonsense"]))
    assert "base editables" in caught.value.mend


def test_the_example_of_contributing_is_a_plugin(setup: WorktreeSetup, install: Install, root: Path) -> None:
    text = (Path(__file__).parents[4] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    install(text.partition("devpy_check_data.py`:\n\n```python\n")[2].partition("```")[0])
    assert verdicts_of_plugins(setup) == [
        Verdict("data", FAILED, f"{root}/data is missing", "dvc pull"),
        Verdict("mine", SKIPPED, "no valid devpy.toml"),
    ]


@pytest.fixture
def made_base(worktree: WorktreeSetup, root: Path) -> Path:
    """A base whose `python` and `python3.11` tell the same."""
    prefix = root.parent / "base"
    for name in ("conda-meta/history", "conda-meta/python-3.11.7-0.json", "lib/python3.11/os.py"):
        (prefix / name).parent.mkdir(parents=True, exist_ok=True)
        (prefix / name).touch()
    (prefix / "bin").mkdir()
    for name in ("python", "python3.11"):
        (prefix / "bin" / name).write_text('#!/bin/sh\necho \'["CPython", "3.11.7", "python3.11", "26.0"]\'\n')
        (prefix / "bin" / name).chmod(0o755)
    worktree.__dict__["config"] = worktree.config._replace(base=str(prefix))
    return prefix


def test_the_python_that_an_overlay_uses_is_the_one_that_counts(worktree: WorktreeSetup, made_base: Path) -> None:
    python = made_base / "bin" / "python3.11"
    assert list(base.devpy_check(worktree)) == [Verdict("base", OK, f"{made_base}: Python 3.11.7, pip 26.0")]
    python.unlink()
    del worktree.__dict__["_asked_base"]
    with pytest.raises(DevpyError, match=f"{python}: no such file"):
        list(base.devpy_check(worktree))


@pytest.mark.parametrize(("state", "reason"), [(ABSENT, "no overlay"), (FOREIGN, "{root}/.venv is not devpy's")])
def test_git_may_track_what_is_not_devpys(
    worktree: WorktreeSetup, root: Path, monkeypatch: pytest.MonkeyPatch, state: str, reason: str
) -> None:
    worktree.__dict__["overlay"] = Overlay(state, [], True, None)
    monkeypatch.setattr(worktree, "git", lambda *_: Ran(0, "src/mine.py\n", ""))
    with pytest.raises(Skipped, match=reason.format(root=root)):
        list(git.devpy_check(worktree))


def test_declared_package_of_a_sibling(worktree: WorktreeSetup, root: Path) -> None:
    feature = str(root.parent / "feature")
    worktree.__dict__["config"] = worktree.config._replace(editables=[feature])
    put_in_state(worktree, entry(root.parent / "feature" / "src"))
    (verdict,) = siblings.devpy_check(worktree)
    assert (verdict.state, verdict.check) == (WARNING, "siblings")
    assert verdict.text == f"{feature} is declared, but is the code of the worktree {feature}"
    assert verdict.mend.endswith(f"or run devpy in {feature}")


def test_package_that_a_stack_declares_in_a_sibling(worktree: WorktreeSetup, root: Path) -> None:
    """A pointer that is committed leads every worktree to the first one's code."""
    feature = str(root.parent / "feature")
    worktree.__dict__["config"] = worktree.config._replace(editables=[feature], is_stack=True)
    put_in_state(worktree, entry(root.parent / "feature" / "src"))
    (verdict,) = siblings.devpy_check(worktree)
    assert (verdict.state, verdict.check) == (FAILED, "siblings")
    assert verdict.text == f"the stack declares {feature}, but you are in {root}: that worktree's code runs, not yours"
    assert verdict.mend.endswith(f"or run devpy in {feature}")


def test_no_git(setup: WorktreeSetup, tmp_path: Path) -> None:
    setup.environ = {"PATH": str(tmp_path)}
    with pytest.raises(Skipped, match="git is not on PATH"):
        assert setup.siblings == []


def test_owner_of_an_editable_in_the_base_without_git(
    worktree: WorktreeSetup, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editable = Editable("mine", str(root), is_pure=True)
    monkeypatch.setattr(base_editables, "installed", lambda _: [editable])
    for folder in ("site_packages", "base_site_packages"):
        monkeypatch.setattr(WorktreeSetup, folder, "/lib")
    worktree.environ = {"PATH": str(tmp_path)}
    (verdict,) = base_editables.devpy_check(worktree)
    assert verdict.text == f"mine in /base is {root} (of {root}): a copy of a declared package"


def test_worktrees_without_code(setup: WorktreeSetup, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare repository, and one whose folder is gone."""
    listed = f"""\
worktree {root.parent}/project.git
bare

worktree {root}
HEAD 1234
branch refs/heads/main

worktree {root.parent}/feature
HEAD 1234
detached

worktree {root.parent}/gone
HEAD 1234
branch refs/heads/gone
prunable gitdir file points to non-existent location
"""
    monkeypatch.setattr(setup, "git", lambda *_: Ran(0, listed, ""))
    assert setup.siblings == [f"{root.parent}/feature"]


@pytest.mark.parametrize(
    ("by_devpy", "plain", "missed"),
    [
        ({"CUDA_HOME": "/cuda"}, {"CUDA_HOME": "/cuda"}, None),
        ({"CUDA_HOME": "/cuda"}, {"CUDA_HOME": "/other"}, "CUDA_HOME"),
        ({"B": "1", "A": "1"}, {}, "A, B"),
        ({}, {"A": "1"}, "A"),
        ({"SHLVL": "2", "CONDA_SHLVL": "1", "__CONDA_SHLVL_0_A": "", "CONDA_PREFIX_1": "/b"}, {}, None),
        ({"PATH": "/v/bin:/x:/b/bin"}, {"PATH": "/v/bin:/b/bin:/old:/x"}, None),
        ({"PATH": "/v/bin:/b/bin"}, {"PATH": "/x:/v/bin:/b/bin"}, "PATH"),
        ({"PATH": "/v/bin:/b/bin"}, {"PATH": "/v/bin"}, "PATH"),
        (dict.fromkeys("ABCDEFG", ""), {}, "A, B, C, D, E and 2 more"),
    ],
)
def test_variables_that_plain_python_does_not_get(
    worktree: WorktreeSetup,
    monkeypatch: pytest.MonkeyPatch,
    by_devpy: dict[str, str],
    plain: dict[str, str],
    missed: str | None,
) -> None:
    put_in_state(worktree, environ=by_devpy)
    monkeypatch.setattr(WorktreeSetup, "python", "/v/bin/python")
    monkeypatch.setattr(WorktreeSetup, "activate", lambda _: None)
    monkeypatch.setattr(variables, "_start_variables_verdicts", lambda _: [])
    monkeypatch.setattr(worktree, "run_plainly", lambda _: Ran(0, json.dumps({"environ": plain}), ""))
    (verdict,) = variables.devpy_check(worktree)
    if missed is None:
        assert verdict == Verdict("variables", OK, "the same for devpy and for plain /v/bin/python")
    else:
        assert verdict.state == WARNING
        assert verdict.text == f"plain /v/bin/python does not get what devpy gives it in {missed}"
        assert verdict.mend.endswith(f"source {worktree.config.venv}/bin/activate")


def test_reason_of_a_copy_that_is_left_out(worktree: WorktreeSetup, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not on sys.path."""
    copy = {"file": "/base/lib/mine.py", "portions": [], "entry": "/base/lib", "kind": "pth", "pth": "/base/x.pth"}
    answer = {"name": "mine", "expected": "", "copies": [copy], "left_out": [copy], "error": ""}
    monkeypatch.setattr(worktree, "ask", lambda *_: {"packages": [], "modules": [answer]})
    (origin,) = module_origin.find(worktree, ["mine"])
    assert [each.reason for each in origin.copies] == ["/base/lib on sys.path, from /base/x.pth"]
    assert [each.reason for each in origin.left_out] == ["/base/lib, from /base/x.pth"]
    assert origin.copies[0].owner == "in the base"


@pytest.mark.parametrize("is_without_modules", [False, True])
def test_package_in_which_no_module_is_found(worktree: WorktreeSetup, root: Path, is_without_modules: bool) -> None:
    put_in_state(worktree, packages=[Package("mine", str(root), [], is_without_modules)])
    (verdict,) = imports.devpy_check(worktree)
    if is_without_modules:
        assert verdict == Verdict("imports", OK, f"mine ({root}) provides nothing to import")
    else:
        text = f"no importable module of mine found in {root}, so its origin is not checked"
        assert verdict == Verdict("imports", WARNING, text, "if it has one: devpy doctor MODULE")
