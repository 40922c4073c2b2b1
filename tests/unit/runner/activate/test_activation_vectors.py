"""The states and files in which conda's own behaviour was recorded, and what `conda activate` gave for each.

Every row is run for real: files on disk, the shell that sources the scripts, and `env -0` as the command.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pytest

from devpy_runner.activate import execution
from devpy_runner.activate.activation import CondaSettings, activate
from devpy_runner.activate.execution import prepare

SYSTEM = "/usr/bin:/bin"
SAVE_AND_RESTORE = {
    "etc/conda/activate.d/x.sh": '[ -z "${X+x}" ] || export OLD_X="$X"\nexport X="$CONDA_PREFIX/x"\n',
    "etc/conda/deactivate.d/x.sh": 'unset X\nif [ -n "${OLD_X+x}" ]; then export X="$OLD_X"; unset OLD_X; fi\n',
}
PREPEND = {"etc/conda/activate.d/ld.sh": 'export LD="$CONDA_PREFIX/lib${LD:+:$LD}"\n'}


@dataclass(frozen=True)
class Row:
    """One vector; `{R}`, `{T}`, `{O}` and `{CB}` stand for root, target, other environment and condabin."""

    number: int
    start: dict[str, str]
    """The caller's variables beside HOME, LANG and PATH."""
    result: dict[str, str]
    """The variables beside HOME, LANG, PWD and those that every activation sets."""
    files: dict[str, str] = field(default_factory=dict)
    """Files of the target."""
    other_files: dict[str, str] = field(default_factory=dict)
    active: str = ""
    """The names of the environments that conda had activated before, as letters."""
    changeps1: bool = True
    prefix: str = "{T}"
    level: str = "1"
    default_env: str = "t"
    path: str = "{T}/bin:{CB}:" + SYSTEM
    status: int = 0


ACTIVE_T = {"PATH": "{T}/bin:{CB}:" + SYSTEM, "CONDA_PREFIX": "{T}", "CONDA_SHLVL": "1", "CONDA_DEFAULT_ENV": "t"}
ACTIVE_O = {"PATH": "{O}/bin:{CB}:" + SYSTEM, "CONDA_PREFIX": "{O}", "CONDA_SHLVL": "1", "CONDA_DEFAULT_ENV": "o"}
BASE = {"PATH": "{R}/bin:{CB}:" + SYSTEM, "CONDA_PREFIX": "{R}", "CONDA_SHLVL": "1", "CONDA_DEFAULT_ENV": "base"}
O_OVER_BASE = {**ACTIVE_O, "CONDA_SHLVL": "2", "CONDA_PREFIX_1": "{R}"}
T_OVER_BASE = {**ACTIVE_T, "CONDA_SHLVL": "2", "CONDA_PREFIX_1": "{R}"}

ROWS = [
    Row(1, {}, {}),
    Row(2, {"CONDA_SHLVL": "0", "CONDA_EXE": "{R}/bin/conda", "_CE_M": "", "PATH": "{CB}:" + SYSTEM}, {}),
    Row(3, BASE, {"CONDA_PREFIX_1": "{R}"}, active="R", level="2"),
    Row(4, ACTIVE_O, {"CONDA_PREFIX_1": "{O}"}, active="O", level="2"),
    Row(5, O_OVER_BASE, {"CONDA_PREFIX_1": "{R}", "CONDA_PREFIX_2": "{O}"}, active="RO", level="3"),
    Row(6, ACTIVE_T, {}, active="T"),
    Row(7, T_OVER_BASE, {"CONDA_PREFIX_1": "{R}"}, active="RT", level="2"),
    Row(
        8,
        {"PATH": "/v/bin:" + SYSTEM, "VIRTUAL_ENV": "/v"},
        {"VIRTUAL_ENV": "/v"},
        path="{T}/bin:{CB}:/v/bin:" + SYSTEM,
    ),
    Row(9, {"CONDA_AUTO_ACTIVATE": "false"}, {"CONDA_AUTO_ACTIVATE": "false"}),
    Row(10, {}, {}, prefix="{R}", default_env="base", path="{R}/bin:{CB}:" + SYSTEM),
    Row(11, {}, {}, prefix="{tmp}/x/px", default_env="{tmp}/x/px", path="{tmp}/x/px/bin:{CB}:" + SYSTEM),
    Row(12, {"PATH": "{R}/bin:" + SYSTEM}, {}, path="{T}/bin:{CB}:{R}/bin:" + SYSTEM),
    Row(
        13,
        {"PATH": "/usr//bin/:/bin/../bin::rel/:/tmp/./y:" + SYSTEM},
        {},
        path="{T}/bin:{CB}:/usr/bin:/bin:.:rel:/tmp/y:" + SYSTEM,
    ),
    Row(14, {"CONDA_PREFIX": "{O}", "PATH": "{O}/bin:" + SYSTEM}, {}, path="{T}/bin:{CB}:{O}/bin:" + SYSTEM),
    Row(
        15,
        {**ACTIVE_O, "PATH": "/opt/x:{O}/bin/:/usr/bin:{O}/bin:/bin"},
        {"CONDA_PREFIX_1": "{O}"},
        level="2",
        path="/opt/x:{T}/bin:/usr/bin:{O}/bin:/bin",
    ),
    Row(16, {"LD": "/l"}, {"LD": "{T}/lib:/l"}, files=PREPEND),
    Row(17, {**ACTIVE_T, "LD": "{T}/lib:/l"}, {"LD": "{T}/lib:{T}/lib:/l"}, files=PREPEND),
    Row(18, {"X": "1"}, {"X": "{T}/x", "OLD_X": "1"}, files=SAVE_AND_RESTORE),
    Row(19, {**ACTIVE_T, "X": "{T}/x", "OLD_X": "1"}, {"X": "{T}/x", "OLD_X": "1"}, files=SAVE_AND_RESTORE),
    Row(
        20,
        {**ACTIVE_O, "X": "{O}/x", "OLD_X": "1"},
        {"X": "1", "CONDA_PREFIX_1": "{O}"},
        other_files=SAVE_AND_RESTORE,
        level="2",
    ),
    Row(
        21,
        {"C": "callers"},
        {"A": "s", "B": "p2", "C": "callers", "LOW": "l", "N": "1", "T": "True", "E": ""},
        files={
            "etc/conda/env_vars.d/10.json": '{"A": "p", "B": "p", "C": "p"}',
            "etc/conda/env_vars.d/20.txt": '{"B": "p2"}',
            "conda-meta/state": '{"env_vars": {"A": "s", "C": "***unset***", "low": "l", "N": 1, "T": true, "E": "",'
            ' "PATH": "/never"}}',
        },
    ),
    Row(
        22,
        {"A": "mine", "low": "z"},
        {"A": "s", "LOW": "l", "low": "z", "__CONDA_SHLVL_0_A": "mine", "__CONDA_SHLVL_0_LOW": "z"},
        files={"conda-meta/state": '{"env_vars": {"A": "s", "low": "l"}}'},
    ),
    Row(
        23,
        {**ACTIVE_O, "A": "o"},
        {"A": "o", "CONDA_PREFIX_1": "{O}"},
        other_files={"conda-meta/state": '{"env_vars": {"A": "o"}}'},
        level="2",
    ),
    Row(
        24,
        {**ACTIVE_O, "PATH": "{O}/extra:{O}/bin:{CB}:" + SYSTEM},
        {"CONDA_PREFIX_1": "{O}"},
        other_files={"etc/conda/deactivate.d/p.sh": 'export PATH="${PATH#*/extra:}"\n'},
        level="2",
        path="{O}/extra:{T}/bin:{CB}:" + SYSTEM,
    ),
    Row(
        26,
        {},
        {"ORDER": " .h 10 2 B a"},
        files={
            f"etc/conda/activate.d/{name}": f'export ORDER="$ORDER {name[:-3]}"\n'
            for name in ("10.sh", "2.sh", "B.sh", "a.sh", ".h.sh", "n.bash", "n.txt", "U.SH", "d.sh/x")
        },
    ),
    Row(
        27,
        {},
        {"ONE": "1", "TWO": "2", "THREE": "3", "FOUR": "4"},
        files={
            "etc/conda/activate.d/1.sh": "export ONE=1\nreturn 7\nexport ONE=no\n",
            "etc/conda/activate.d/2.sh": "export TWO=2\nif ]; (\nexport TWO=no\n",
            "etc/conda/activate.d/3.sh": "export THREE=3\necho $UNDEFINED\nfalse\n",
            "etc/conda/activate.d/4.sh": "export FOUR=4\n",
        },
    ),
    Row(28, {}, {}, files={"etc/conda/activate.d/x.sh": "exit 7\n"}, status=7),
    Row(29, {}, {}, files={"etc/conda/activate.d/x.sh": "echo hi\n"}),
    Row(30, {}, {}, prefix="{tmp}/sp ace/envs/é ü", default_env="é ü", path="{tmp}/sp ace/envs/é ü/bin:{CB}:" + SYSTEM),
    Row(31, {}, {}, prefix="{tmp}/d2/t1", default_env="{tmp}/d2/t1", path="{tmp}/d2/t1/bin:{CB}:" + SYSTEM),
    Row(
        32,
        {},
        {"CONDA_PROMPT_MODIFIER": ""},
        prefix="{tmp}/rc/envs/t",
        changeps1=False,
        path="{tmp}/rc/envs/t/bin:{CB}:" + SYSTEM,
    ),
    Row(33, {"CONDA_SHLVL": "0", "PATH": "/o/condabin:" + SYSTEM}, {}, path="{T}/bin:/o/condabin:" + SYSTEM),
    Row(34, {**ACTIVE_T, "A": "stale"}, {"A": "stale"}, files={"conda-meta/state": '{"env_vars": {"A": "s"}}'}),
    # conda fails in the last two; devpy does what is meant.
    Row(
        35,
        {},
        {"Q": 'it\'s "$HOME" `x` \\ \n!'},
        files={
            "conda-meta/state": json.dumps({"env_vars": {"Q": 'it\'s "$HOME" `x` \\ \n!'}}),
            "etc/conda/activate.d/x.sh": ":\n",
        },
    ),
    Row(36, {**ACTIVE_O, "PATH": SYSTEM + ":{O}/bin"}, {"CONDA_PREFIX_1": "{O}"}, level="2", path=SYSTEM + ":{T}/bin"),
]


class Tree(NamedTuple):
    """The environments of one row on disk."""

    tmp: Path

    @property
    def places(self) -> dict[str, str]:
        root = self.tmp / "conda"
        places = {"R": root, "T": root / "envs/t", "O": root / "envs/o", "CB": root / "condabin", "tmp": self.tmp}
        return {name: str(path) for name, path in places.items()}

    def fill(self, text: str) -> str:
        for name, place in self.places.items():
            text = text.replace("{" + name + "}", place)
        return text

    def fill_all(self, variables: dict[str, str]) -> dict[str, str]:
        return {name: self.fill(value) for name, value in variables.items()}

    def settings(self, *, changeps1: bool = True) -> CondaSettings:
        return CondaSettings(root_prefix=self.places["R"], envs_dirs=[], changeps1=changeps1)

    def run(self, start: dict[str, str], prefix: str, settings: CondaSettings) -> subprocess.CompletedProcess[bytes]:
        activation = activate(start, prefix, settings)
        # The folder first on PATH is tested elsewhere; here it is the one that activation puts first anyway.
        first = activation.exports["PATH"].split(":")[0]
        arguments, environ = prepare(
            ["/usr/bin/env", "-0"], activation, first_on_path=first, additions={}, cwd=str(self.tmp)
        )
        return subprocess.run(arguments, env=environ, cwd=self.tmp, capture_output=True, check=False)


def write(prefix: str, files: dict[str, str]) -> None:
    for name, text in {"conda-meta/history": "", "bin/conda": f"#!{prefix}/bin/python\n", **files}.items():
        path = Path(prefix, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def parse(output: bytes) -> dict[str, str]:
    pairs = (entry.partition(b"=") for entry in output.split(b"\0") if entry)
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}


def about_conda(root: str) -> dict[str, str]:
    conda = f"{root}/bin/conda"
    return {
        "CONDA_EXE": conda,
        "_CONDA_EXE": conda,
        "CONDA_PYTHON_EXE": f"{root}/bin/python",
        "_CONDA_ROOT": root,
        "_CE_M": "",
        "_CE_CONDA": "",
    }


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def start_of(row: Row, tree: Tree) -> dict[str, str]:
    return {"HOME": "/h", "LANG": "C.UTF-8", "PATH": SYSTEM, "PWD": str(tree.tmp), **tree.fill_all(row.start)}


@pytest.fixture(params=["without-shell", "bash", "sh"])
def scripts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Files that make activation go through a certain shell, whatever the row itself has."""
    if request.param == "without-shell":
        return {}
    if request.param == "sh":
        monkeypatch.setattr(execution, "_shell", lambda _path: "/bin/sh")
    return {"etc/conda/activate.d/zz.sh": ":\n"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row.number))
def test_what_conda_activate_gives(row: Row, tree: Tree, scripts: dict[str, str]) -> None:
    prefix = tree.fill(row.prefix)
    write(tree.places["R"], {})
    write(tree.places["O"], row.other_files)
    write(prefix, {**scripts, **row.files})
    completed = tree.run(start_of(row, tree), prefix, tree.settings(changeps1=row.changeps1))
    assert completed.returncode == row.status
    if row.status:
        assert completed.stdout == b""
        return
    default_env = tree.fill(row.default_env)
    assert parse(completed.stdout) == {
        "HOME": "/h",
        "LANG": "C.UTF-8",
        "PWD": str(tree.tmp),
        **about_conda(tree.places["R"]),
        "PATH": tree.fill(row.path),
        "CONDA_PREFIX": prefix,
        "CONDA_SHLVL": row.level,
        "CONDA_DEFAULT_ENV": default_env,
        "CONDA_PROMPT_MODIFIER": f"({default_env}) ",
        **tree.fill_all(row.result),
    }


@pytest.mark.parametrize("row", [row for row in ROWS if row.active], ids=lambda row: str(row.number))
def test_the_recorded_starts_are_what_activation_leaves(row: Row, tree: Tree) -> None:
    environ = {"PATH": SYSTEM}
    for letter in row.active:
        write(tree.places[letter], {})
        activation = activate(environ, tree.places[letter], tree.settings())
        environ = {**activation.caller, **activation.exports}
    assert {name: environ[name] for name in row.start} == tree.fill_all(row.start)


def test_the_scripts_of_base_do_not_run(tree: Tree) -> None:
    """Row 25: `conda run` goes through base, `conda activate` does not."""
    write(
        tree.places["R"],
        {
            "etc/conda/activate.d/b.sh": "export BV=1\n_loc=2\nexport PATH=/fromb:$PATH\n",
            "etc/conda/deactivate.d/b.sh": "export BD=$BV$_loc\nunset BV\n",
            "conda-meta/state": '{"env_vars": {"BASEVAR": "b"}}',
        },
    )
    write(tree.places["T"], {})
    completed = tree.run({"PATH": SYSTEM}, tree.places["T"], tree.settings())
    environ = parse(completed.stdout)
    assert environ["PATH"] == tree.fill("{T}/bin:{CB}:" + SYSTEM)
    assert not {"BV", "BD", "BASEVAR"} & set(environ)


def test_what_scripts_print_goes_to_stderr(tree: Tree) -> None:
    """Row 29, of which devpy differs from conda knowingly."""
    write(tree.places["T"], {"etc/conda/activate.d/x.sh": "echo hi\n"})
    completed = tree.run({"PATH": SYSTEM}, tree.places["T"], tree.settings())
    assert b"hi" not in completed.stdout
    assert completed.stderr == b"hi\n"
