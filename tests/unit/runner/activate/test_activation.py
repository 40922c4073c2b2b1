from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devpy_pip_guard.errors import DevpyError
from devpy_runner.activate.activation import CondaSettings, activate

STATE = {"env_vars": {"A": "s", "low": "l", "N": 1, "HIDDEN": "***unset***", "PATH": "/never"}}
PACKAGE = {"A": "p", "B": "p", "HIDDEN": "p"}


@pytest.fixture
def prefix(tmp_path: Path) -> str:
    """Return an environment without anything in it."""
    (tmp_path / "env").mkdir()
    return str(tmp_path / "env")


def write(prefix: str, name: str, content: str | bytes = "") -> str:
    path = Path(prefix, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


SETTINGS = CondaSettings(root_prefix=None, envs_dirs=[])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a root prefix with the environments `t`, which has variables, and `o`."""
    root = str(tmp_path_factory.mktemp("conda"))
    write(root, "bin/conda", f"#!{root}/bin/python3.12\n")
    write(root, "envs/t/conda-meta/state", json.dumps(STATE))
    write(root, "envs/t/etc/conda/env_vars.d/p.json", json.dumps(PACKAGE))
    write(root, "envs/o/etc/conda/deactivate.d/1.sh")
    write(root, "envs/o/etc/conda/deactivate.d/2.sh")
    write(root, "envs/o/etc/conda/activate.d/1.sh")
    return root


def transition(
    environ: dict[str, str], entered: str, root: str, stack: int, declared: dict[str, str], *, upper: bool
) -> dict[str, str]:
    """Apply the rules of conda as they have been written down, for comparison."""
    level = int(environ.get("CONDA_SHLVL", "0").strip() or 0)
    active = environ["CONDA_PREFIX"]
    path = [os.path.normpath(x) for x in environ["PATH"].split(":")]
    exe = f"{root}/bin/conda"
    result = {**environ, "CONDA_EXE": exe, "_CONDA_EXE": exe, "CONDA_PYTHON_EXE": f"{root}/bin/python3.12"}
    result.update(_CONDA_ROOT=root, _CE_M="", _CE_CONDA="")
    if active == entered and level > 0:
        name = environ["CONDA_DEFAULT_ENV"]
        result.update(PATH=replaced(path, active, entered), CONDA_SHLVL=str(level), CONDA_PROMPT_MODIFIER=f"({name}) ")
        return result
    saved = {f"__CONDA_SHLVL_{level}_{name}": environ[name] for name in declared if name in environ}
    result.update({name.upper() if upper else name: value for name, value in {**declared, **saved}.items()})
    if level == 0:
        condabin = [] if any(x.endswith("condabin") for x in path) else [f"{root}/condabin"]
        result["PATH"] = ":".join([f"{entered}/bin", *condabin, *path])
    elif level <= stack:
        result.update({"PATH": ":".join([f"{entered}/bin", *path]), f"CONDA_STACKED_{level + 1}": "true"})
    else:
        result["PATH"] = replaced(path, active, entered)
    if level:
        result[f"CONDA_PREFIX_{level}"] = active
    name = "base" if entered == root else os.path.basename(entered)
    result.update(CONDA_PREFIX=entered, CONDA_SHLVL=str(level + 1), CONDA_DEFAULT_ENV=name)
    result["CONDA_PROMPT_MODIFIER"] = f"({name}) "
    return result


def replaced(path: list[str], active: str, entered: str) -> str:
    for index, entry in enumerate(path):
        if entry == f"{active}/bin":
            return ":".join([*path[:index], f"{entered}/bin", *path[index + 1 :]])
    return ":".join([f"{entered}/bin", *path])


VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)
FOREIGN = ["/usr/bin", "/bin", "", ".", "rel/", "//x//y", "/a/../b", "/o/condabin"]
CONDAS = ["{R}/bin", "{R}/condabin", "{R}/envs/t/bin", "{R}/envs/t/bin/", "{R}/envs/o/bin", "{R}/envs/o//bin"]
ENTRIES = st.sampled_from([*FOREIGN, *CONDAS, "{R}/envs/o/bin/../bin"])


@given(
    target=st.sampled_from(["{R}", "{R}/envs/t", "{R}/envs/o"]),
    active=st.sampled_from(["{R}", "{R}/envs/t", "{R}/envs/o", "/gone"]),
    level=st.sampled_from([None, "0", "1", "2", "3", " 2 "]),
    entries=st.lists(ENTRIES, min_size=1, max_size=6),
    variables=st.dictionaries(st.sampled_from(["A", "B", "low", "LOW", "N", "HIDDEN", "CONDA_PREFIX_1"]), VALUES),
    stack=st.integers(0, 3),
    upper=st.booleans(),
)
def test_any_caller(
    root: str,
    target: str,
    active: str,
    level: str | None,
    entries: list[str],
    variables: dict[str, str],
    stack: int,
    upper: bool,
) -> None:
    target, active = target.replace("{R}", root), active.replace("{R}", root)
    environ = {**variables, "PATH": ":".join(entries).replace("{R}", root), "CONDA_PREFIX": active}
    environ["CONDA_DEFAULT_ENV"] = "shown"
    if level is not None:
        environ["CONDA_SHLVL"] = level
    declared = {"A": "s", "B": "p", "low": "l", "N": "1"} if target.endswith("/t") else {}
    settings = CondaSettings(root, [], auto_stack=stack, envvars_force_uppercase=upper)

    activation = activate(environ, target, settings)

    expected = transition(environ, target, root, stack, declared, upper=upper)
    assert {**activation.caller, **activation.exports} == expected
    assert activation.caller == environ
    is_left = level not in (None, "0") and (target == active or not int(level or 0) <= stack)
    folder = f"{root}/envs/o/etc/conda"
    deactivate_scripts = [f"{folder}/deactivate.d/2.sh", f"{folder}/deactivate.d/1.sh"]
    assert activation.deactivate_scripts == (deactivate_scripts if is_left and active.endswith("/o") else [])
    assert activation.activate_scripts == ([f"{folder}/activate.d/1.sh"] if target.endswith("/o") else [])


@pytest.mark.parametrize(
    "stated",
    [
        {"CONDA_SHLVL": "", "CONDA_PREFIX": "/o"},
        {"CONDA_SHLVL": "many", "CONDA_PREFIX": "/o"},
        {"CONDA_SHLVL": "-1", "CONDA_PREFIX": "/o"},
        {"CONDA_SHLVL": "9" * 5000, "CONDA_PREFIX": "/o"},
        {"CONDA_SHLVL": "1"},
        {"CONDA_SHLVL": "2", "CONDA_PREFIX": ""},
    ],
    ids=["empty", "no-number", "negative", "too-long", "no-prefix", "empty-prefix"],
)
def test_a_level_that_makes_no_sense_counts_as_none_active(root: str, stated: dict[str, str]) -> None:
    target = f"{root}/envs/o"
    activation = activate({"PATH": "/o/bin:/bin", **stated}, target, CondaSettings(root, []))
    assert activation.exports["CONDA_SHLVL"] == "1"
    assert activation.exports["PATH"] == f"{target}/bin:{root}/condabin:/o/bin:/bin"
    assert not any(name.startswith("CONDA_PREFIX_") for name in activation.exports)


def test_a_stacked_environment_leaves_the_other_on_path(root: str) -> None:
    environ = {"PATH": f"/x:{root}/envs/o/bin:/bin", "CONDA_PREFIX": f"{root}/envs/o", "CONDA_SHLVL": "1"}
    activation = activate(environ, f"{root}/envs/t", CondaSettings(root, [], auto_stack=1))
    assert activation.exports["PATH"] == f"{root}/envs/t/bin:/x:{root}/envs/o/bin:/bin"
    assert activation.deactivate_scripts == []


def test_without_conda_on_the_machine(prefix: str) -> None:
    activation = activate({"PATH": "/bin"}, prefix, SETTINGS)
    assert {**activation.caller, **activation.exports} == {
        "PATH": f"{prefix}/bin:/bin",
        "CONDA_PREFIX": prefix,
        "CONDA_SHLVL": "1",
        "CONDA_DEFAULT_ENV": prefix,
        "CONDA_PROMPT_MODIFIER": f"({prefix}) ",
    }


def test_a_root_prefix_without_conda_names_no_conda(prefix: str, tmp_path: Path) -> None:
    exports = activate({"PATH": "/bin"}, prefix, CondaSettings(str(tmp_path), [])).exports
    assert "CONDA_EXE" not in exports
    assert exports["PATH"] == f"{prefix}/bin:{tmp_path}/condabin:/bin"


@pytest.mark.parametrize(
    ("header", "python"),
    [
        ("#!/opt/c/bin/python3.11", "/opt/c/bin/python3.11"),
        ("#!/usr/bin/env python", "{R}/bin/python"),
        ('#!/bin/sh\n\'\'\'exec\' "/long/bin/python" "$0" "$@"', "{R}/bin/python"),
        ("", "{R}/bin/python"),
    ],
)
def test_the_python_of_conda(prefix: str, tmp_path: Path, header: str, python: str) -> None:
    write(str(tmp_path), "bin/conda", header)
    exports = activate({}, prefix, CondaSettings(str(tmp_path), [])).exports
    assert exports["CONDA_PYTHON_EXE"] == python.replace("{R}", str(tmp_path))


def test_without_path_the_default_one_follows(prefix: str) -> None:
    assert activate({}, prefix, SETTINGS).exports["PATH"] == f"{prefix}/bin:{os.defpath}"


@pytest.mark.parametrize(
    ("environ", "stack", "shown"),
    [
        ({}, 0, "t|t"),
        ({"CONDA_SHLVL": "1", "CONDA_PREFIX": "/o"}, 0, "t|t"),
        ({"CONDA_SHLVL": "1", "CONDA_PREFIX": "/o"}, 1, "t|t,/o"),
        ({"CONDA_SHLVL": "2", "CONDA_PREFIX": "/o", "CONDA_PREFIX_1": "/p"}, 2, "t|t,/o"),
        ({"CONDA_SHLVL": "2", "CONDA_PREFIX": "/o", "CONDA_PREFIX_1": "/p", "CONDA_STACKED_2": "true"}, 2, "t|t,/o,/p"),
        ({"CONDA_SHLVL": "2", "CONDA_PREFIX": "/o", "CONDA_PREFIX_1": "/p", "CONDA_STACKED_2": "true"}, 0, "t|t,/p"),
        ({"CONDA_SHLVL": "1", "CONDA_PREFIX": "{T}", "CONDA_DEFAULT_ENV": "kept"}, 0, "kept|t"),
        ({"CONDA_SHLVL": "99999999999", "CONDA_PREFIX": "/o"}, 0, "t|t"),
    ],
)
def test_what_the_prompt_shows(root: str, environ: dict[str, str], stack: int, shown: str) -> None:
    environ = {name: value.replace("{T}", f"{root}/envs/t") for name, value in environ.items()}
    settings = CondaSettings(root, [], env_prompt="{default_env}|{stacked_env}", auto_stack=stack)
    assert activate(environ, f"{root}/envs/t", settings).exports["CONDA_PROMPT_MODIFIER"] == shown


@pytest.mark.parametrize("env_prompt", ["{", "{user}", "{0}", "{default_env.x}"])
def test_a_prompt_that_cannot_be_formatted(prefix: str, env_prompt: str) -> None:
    with pytest.raises(DevpyError, match="env_prompt"):
        activate({}, prefix, CondaSettings(None, [], env_prompt=env_prompt))


def test_config_variables_of_every_json_type(prefix: str) -> None:
    declared = {"I": 1, "F": 0.5, "T": True, "Z": None, "L": [1, "x"], "Q": 'it\'s "$Q"\n'}
    write(prefix, "conda-meta/state", json.dumps({"env_vars": declared}))
    exports = activate({}, prefix, SETTINGS).exports
    values = {name: exports[name] for name in declared}
    assert values == {"I": "1", "F": "0.5", "T": "True", "Z": "", "L": "[1, 'x']", "Q": 'it\'s "$Q"\n'}


def test_a_state_without_variables(prefix: str) -> None:
    write(prefix, "conda-meta/state", '{"version": 1}')
    assert "CONDA_PREFIX" in activate({}, prefix, SETTINGS).exports


BROKEN: list[str | bytes] = ["", "{", "[]", "null", "\ufeff{}", b"\xff{}", "[" * 100_000, '{"A": %s}' % ("9" * 10_000)]
NO_VARIABLES = ['{"": "x"}', '{"A=B": "x"}', '{"A": "\\u0000"}', '{"\\u0000": "x"}', '{"A": "\\ud800"}']


@pytest.mark.parametrize("name", ["conda-meta/state", "etc/conda/env_vars.d/p.json"])
@pytest.mark.parametrize("content", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_file_is_named(prefix: str, name: str, content: str | bytes) -> None:
    path = write(prefix, name, content)
    with pytest.raises(DevpyError) as raised:
        activate({}, prefix, SETTINGS)
    assert raised.value.problem.startswith(f"{path}: ")
    assert raised.value.mend


@pytest.mark.parametrize("declared", NO_VARIABLES)
@pytest.mark.parametrize(("name", "form"), [("conda-meta/state", '{"env_vars": %s}'), ("etc/conda/env_vars.d/p", "%s")])
def test_what_no_environment_can_hold(prefix: str, name: str, form: str, declared: str) -> None:
    path = write(prefix, name, form % declared)
    with pytest.raises(DevpyError, match="no environment variable") as raised:
        activate({}, prefix, SETTINGS)
    assert raised.value.problem.startswith(f"{path}: ")


@pytest.mark.parametrize("declared", ["[]", "null", '"A=1"'])
def test_variables_that_are_no_object(prefix: str, declared: str) -> None:
    path = write(prefix, "conda-meta/state", f'{{"env_vars": {declared}}}')
    with pytest.raises(DevpyError, match="must be a JSON object") as raised:
        activate({}, prefix, SETTINGS)
    assert raised.value.problem.startswith(f"{path}: ")


@pytest.mark.parametrize("name", ["conda-meta/state", "etc/conda/env_vars.d/sub"])
@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo], ids=["directory", "fifo"])
def test_what_is_no_file_is_named_and_never_waited_for(prefix: str, name: str, make: Callable[[str], None]) -> None:
    path = Path(prefix, name)
    path.parent.mkdir(parents=True)
    make(str(path))
    with pytest.raises(DevpyError) as raised:
        activate({}, prefix, SETTINGS)
    assert raised.value.problem.startswith(f"{path}: ")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
@pytest.mark.parametrize("name", ["conda-meta/state", "etc/conda/env_vars.d/p", "etc/conda/activate.d"])
def test_what_cannot_be_read_is_named(prefix: str, name: str) -> None:
    path = write(prefix, name, "{}") if not name.endswith("activate.d") else os.path.dirname(write(prefix, f"{name}/x"))
    Path(path).chmod(0)
    try:
        with pytest.raises(DevpyError) as raised:
            activate({}, prefix, SETTINGS)
    finally:
        Path(path).chmod(0o700)
    assert raised.value.problem.startswith(f"{path}: ")


def test_which_files_are_scripts(prefix: str) -> None:
    for name in ("10.sh", "2.sh", "a.sh", "B.sh", ".h.sh", "x.bash", "U.SH", "d.sh/x"):
        write(prefix, f"etc/conda/activate.d/{name}")
    link = Path(prefix, "etc/conda/activate.d/c.sh")
    link.symlink_to("a.sh")
    scripts = activate({}, prefix, SETTINGS).activate_scripts
    assert [os.path.basename(path) for path in scripts] == [".h.sh", "10.sh", "2.sh", "B.sh", "a.sh", "c.sh"]
    assert all(os.path.dirname(path) == str(link.parent) for path in scripts)


def test_the_environment_that_is_left_may_be_gone(prefix: str) -> None:
    environ = {"PATH": "/gone/bin:/bin", "CONDA_PREFIX": "/gone", "CONDA_SHLVL": "1"}
    activation = activate(environ, prefix, SETTINGS)
    assert activation.deactivate_scripts == []
    assert activation.exports["PATH"] == f"{prefix}/bin:/bin"
