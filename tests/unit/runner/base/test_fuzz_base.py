"""Whatever the files of conda hold, devpy takes what they mean or refuses in a way that reads well."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from devpy_runner.activate.activation import CondaSettings, activate
from devpy_runner.base import condarc, installations, lookup
from devpy_runner.base.condarc import read_settings
from devpy_runner.base.lookup import find_base

from ...fuzzing import NASTY_TEXTS, contents, fuzzed, json_values, listing, only_refusals, texts

CONDARC = """\
# comment
root_prefix: ~/roots/mine
envs_dirs:  #!final
  - ~/envs  #!top
  - $HOME/other
  - /opt/envs  #!bottom
changeps1: false
env_prompt: '({name}) '
auto_stack: 1
envvars_force_uppercase: yes
channels: [defaults, {a: b}]
"""
ANCHORED = "a: &a [/x]\nenvs_dirs: *a\nother: {<<: {b: c}, d: &d [*a, *a]}\nenv_prompt: !!str '{prefix}'\n"

SETTINGS = ("root_prefix", "root_dir", "envs_dirs", "envs_path", "changeps1", "env_prompt", "auto_stack")
YAML_VALUES = (
    "~",
    ".nan",
    ".inf",
    "2026-11-22",
    "2026-02-30T99:99:99Z",
    "0x" + "f" * 5000,
    "9" * 5000,
    "1_0",
    "1:30",
    "!!binary aGk=",
    "!!python/name:os.system",
    "!!int x",
    "!!set {a}",
    "&a [*a]",
    "&a {*a : *a}",
    "{a: b}",
    "{? [a] : b}",
    "[[a]]",
    "[~, 1, .nan]",
    "|\n  block\n  text",
    ">-\n  folded\n",
    "\t- a",
    "'{'",
    "'{default_env.__class__.__mro__[x]}'",
    "'{name.__class__:d}'",
    "'{default_env:>99999999999}'",
    "'{prefix!z}'",
    "'{0}'",
    "[" * 500 + "]" * 500,
)
BOMB = "a: &a [x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefghijklmnopqrs", "bcdefghijklmnopqrst")
)

yaml_lines = st.dictionaries(
    st.sampled_from(SETTINGS) | st.sampled_from(("1", ".nan", "~", "? [a]\n", "!!python/tuple [a]", "2026-11-22")),
    st.sampled_from(YAML_VALUES) | texts.map(lambda text: json.dumps(text)) | texts,
    max_size=4,
).map(lambda lines: "".join(f"{key}: {value}\n" for key, value in lines.items()).encode("utf-8", "surrogatepass"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(condarc, "_SYSTEM_FOLDERS", (str(tmp_path / "etc/conda"),))
    monkeypatch.setattr(installations, "_USUAL_ROOTS", ("~/miniforge3",))
    for name in ("home/.conda", "envs/torch/conda-meta", "envs/torch/etc/conda/env_vars.d"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "envs/torch/conda-meta/history").touch()
    return tmp_path / "home"


@pytest.fixture
def prefix(home: Path) -> Path:
    return home.parent / "envs" / "torch"


def settings_are_sound(home: Path) -> None:
    environ = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
    tree = listing(home.parent)
    with only_refusals():
        settings = read_settings(environ)
        assert settings.root_prefix is None or os.path.isabs(settings.root_prefix)
        assert all(path == "" or os.path.isabs(path) for path in settings.envs_dirs)
        assert isinstance(settings.auto_stack, int)
        activation = activate({**environ, "CONDA_PREFIX": "/old", "CONDA_SHLVL": "1"}, str(home), settings)
        assert "\0" not in "".join([*activation.exports, *activation.exports.values()])
    assert listing(home.parent) == tree


@fuzzed
@given(content=contents(CONDARC, ANCHORED, BOMB))
@example(content=BOMB.encode() + b"envs_dirs: *t\n")
@example(content=b"envs_dirs: " + b"[" * 3000)
@example(content=b"envs_dirs: " + b"- " * 3000)
@example(content=b"envs_dirs:\n\t- a")
@example(content=b'env_prompt: "\\UFFFFFFFF"')
@example(content=b"--- a\n--- {envs_dirs: []}\n")
def test_any_condarc(home: Path, content: bytes) -> None:
    (home / ".condarc").write_bytes(content)
    settings_are_sound(home)


@fuzzed
@given(content=yaml_lines)
@example(content=b"env_prompt: '{default_env.__class__.__mro__[x]}'")
@example(content=b"env_prompt: '{name.__class__:d}'")
@example(content=b"env_prompt: '{name:>99999999999}'")
@example(content=b"auto_stack: " + b"9" * 5000)
@example(content=b"changeps1: " + b"9" * 5000)
@example(content=b"root_prefix: ''\nenvs_dirs: ['']")
def test_any_value_of_a_setting(home: Path, content: bytes) -> None:
    (home / ".condarc").write_bytes(content)
    settings_are_sound(home)


@pytest.mark.parametrize("target", ["/dev/zero", "/dev/null", "loop", "gone", ".", "fifo", "huge"])
def test_condarc_that_is_no_text_file(home: Path, target: str) -> None:
    os.mkfifo(home / "fifo")
    (home / "loop").symlink_to("loop")
    (home / "huge").touch()
    os.truncate(home / "huge", 1 << 40)  # takes no room, unless somebody reads it
    (home / ".condarc").symlink_to(target)
    settings_are_sound(home)


def variables_are_sound(prefix: Path) -> None:
    tree = listing(prefix)
    with only_refusals():
        activation = activate({"PATH": "/bin"}, str(prefix), CondaSettings(None, []))
        for name, value in activation.exports.items():
            assert name
            assert "=" not in name
            assert b"\0" not in os.fsencode(name + value)
        assert activation.exports["PATH"].startswith(str(prefix))
    assert listing(prefix) == tree


STATE = '{"env_vars": {"A": "1", "B_ü": "a\\u00e9", "N": null, "L": [1, {"x": true}], "F": 1.5}, "version": 1}'


@fuzzed
@given(content=contents(STATE, '{"env_vars": {}}', "{}"))
@example(content=b'{"env_vars": ' + b'{"a":' * 100_000)
@example(content=b'{"env_vars": {"A": ' + b"9" * 5000 + b"}}")
@example(content=b'{"env_vars": {"A": ' + b"[" * 900 + b"]" * 900 + b"}}")
@example(content=b'{"env_vars": {"A": 1e999, "B": NaN}}')
def test_any_state(prefix: Path, content: bytes) -> None:
    (prefix / "conda-meta" / "state").write_bytes(content)
    variables_are_sound(prefix)


@fuzzed
@given(variables=st.dictionaries(texts, json_values, max_size=4) | json_values)
@example(variables={"a=b": "1"})
@example(variables={"a\0b": "1"})
@example(variables={"A": "\ud800"})
@example(variables={"\udc80": "\udcff"})
@example(variables={"a\n\x1b[31m=": "1"})
@example(variables={"x" * 100_000 + "=": "1"})
def test_any_variables(prefix: Path, variables: object) -> None:
    with only_refusals():  # a number that the interpreter does not print is no example
        text = json.dumps({"env_vars": variables})
        (prefix / "conda-meta" / "state").write_text(text, encoding="utf-8")
        (prefix / "etc/conda/env_vars.d" / "package.json").write_text(json.dumps(variables), encoding="utf-8")
    variables_are_sound(prefix)


@fuzzed
@given(content=contents('{"A": "1"}', '{"A": null, "B": 2}'), name=st.sampled_from(("a.json", "b\n\x1b[2J.json", "c")))
def test_any_file_of_a_package(prefix: Path, content: bytes, name: str) -> None:
    for file in (prefix / "etc/conda/env_vars.d").iterdir():
        file.unlink()
    (prefix / "etc/conda/env_vars.d" / name).write_bytes(content)
    variables_are_sound(prefix)


@pytest.mark.parametrize(
    "folder", ["conda-meta/state", "env_vars.d/x.json", "activate.d/x.sh", "env_vars.d", "activate.d"]
)
@pytest.mark.parametrize("target", ["/dev/zero", "/dev/null", "loop", "gone", ".", "fifo", "huge"])
def test_base_file_that_is_no_text_file(prefix: Path, folder: str, target: str) -> None:
    os.mkfifo(prefix / "fifo")
    (prefix / "loop").symlink_to("loop")
    (prefix / "huge").touch()
    os.truncate(prefix / "huge", 1 << 40)  # takes no room, unless somebody reads it
    place = prefix / ("" if folder.startswith("conda-meta") else "etc/conda") / folder
    if place.is_dir():
        place.rmdir()
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target if target.startswith("/") else prefix / target)
    variables_are_sound(prefix)


def test_a_script_that_is_no_file_is_refused_before_a_shell_waits_for_it(prefix: Path) -> None:
    scripts = prefix / "etc" / "conda" / "activate.d"
    scripts.mkdir()
    (scripts / "masked.sh").symlink_to(os.devnull)
    (scripts / "folder.sh").mkdir()
    (scripts / "plain.sh").touch()
    scripts_to_source = activate({}, str(prefix), CondaSettings(None, [])).activate_scripts
    assert [os.path.basename(path) for path in scripts_to_source] == ["masked.sh", "plain.sh"]
    os.mkfifo(scripts / "waits.sh")
    with only_refusals():
        pytest.fail(str(activate({}, str(prefix), CondaSettings(None, [])).activate_scripts))


@fuzzed
@given(
    content=contents("/opt/conda\n/home/x/envs/torhc\n", "\n\n"),
    name=st.sampled_from(("torhc", "a\x1b[31m\n", "t" * 300)),
)
def test_any_environments_txt(home: Path, content: bytes, name: str) -> None:
    (home / ".conda" / "environments.txt").write_bytes(content)
    tree = listing(home.parent)
    with only_refusals():
        pytest.fail(f"found {find_base(name, {'HOME': str(home), 'PATH': ''})}")
    assert listing(home.parent) == tree


@pytest.mark.parametrize("kind", ["fifo", "folder", "zero", "names"])
def test_environments_txt_that_is_no_list(home: Path, kind: str) -> None:
    file = home / ".conda" / "environments.txt"
    named = home / "torhc\n\x1b[31m"
    if kind == "fifo":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    elif kind == "zero":
        file.symlink_to("/dev/zero")
    else:
        (named / "conda-meta").mkdir(parents=True)
        (named / "conda-meta" / "history").touch()
        file.write_text(f"{home}/torhc\x1b\0\n{home}\n" + NASTY_TEXTS[-3], encoding="utf-8")
    with only_refusals():
        pytest.fail(f"found {lookup.find_base('torch', {'HOME': str(home), 'PATH': ''})}")
