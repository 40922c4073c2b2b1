"""`.venv/bin/python` without devpy: as if the environment were activated."""

from __future__ import annotations

import ast
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest

from .commands import Devpy, Result, run
from .environments import CondaEnvironment, MakeCondaEnv
from .projects import MakeRepository

Environ = dict[str, str]  # the variables of a process

CONFIG = """\
[python]
base_conda_env = "{base}"

[env]
SAMPLE_ROOT = "{{root}}/data"
"""
SHOW = "import os; print(dict(os.environ))"
RECORD = Path(".venv", "devpy-start")
BY_A_SHELL = {"PWD", "OLDPWD", "SHLVL", "_"}


@pytest.fixture(scope="module")
def environment(make_conda_env: MakeCondaEnv) -> CondaEnvironment:
    """One with activation scripts and variables."""
    return make_conda_env("plain", packages=["pip", "activation-scripts"])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, environment: CondaEnvironment, devpy_environ: Environ) -> Path:
    """A worktree whose overlay is current; tests leave it as it is."""
    path = tmp_path_factory.mktemp("plain") / "main"
    MakeRepository(devpy_environ)(path, files={"devpy.toml": CONFIG.format(base=environment.name)})
    assert Devpy(devpy_environ)("update-editables", cwd=path).code == 0
    return path


@pytest.fixture
def own_base(make_conda_env: MakeCondaEnv, environment: CondaEnvironment, tmp_path: Path) -> Path:
    """The prefix of an environment that the test may change."""
    return make_conda_env.clone(environment, f"plain-{tmp_path.name}").prefix


@pytest.fixture
def own_root(tmp_path: Path, own_base: Path, repository: MakeRepository, devpy: Devpy) -> Path:
    """A worktree with an overlay on that environment."""
    path = repository(tmp_path / "own", files={"devpy.toml": CONFIG.format(base=own_base.name)})
    assert devpy("true", cwd=path).code == 0
    return path


def python(root: Path, *arguments: str, environ: Environ | None = None) -> Result:
    return run([root / ".venv" / "bin" / "python", *arguments], cwd=root, environ=environ or {})


def variables(root: Path, *options: str, environ: Environ | None = None, code: str = SHOW) -> Environ:
    """Return what Python gets to see, or what the code prints of it."""
    result = python(root, *options, "-c", code, environ=environ)
    assert (result.code, result.err) == (0, "")
    got: Environ = ast.literal_eval(result.out)
    return got


def script(base: Path) -> Path:
    return base / "etc" / "conda" / "activate.d" / "activation-scripts.sh"


# What is supplied


def test_from_an_empty_environment(root: Path, environment: CondaEnvironment) -> None:
    got = variables(root)
    prefix = environment.prefix
    assert got["DEVPY_TEST_ACTIVATED"] == str(prefix)  # by the activation script
    assert got["LD_LIBRARY_PATH"] == f"{prefix}/lib"
    assert got["DEVPY_TEST_CONFIG"] == "from env_vars.d"
    assert got["CONDA_PREFIX"] == str(prefix)
    assert got["CONDA_DEFAULT_ENV"] == environment.name
    assert got["CONDA_SHLVL"] == "1"
    assert got["SAMPLE_ROOT"] == f"{root}/data"
    assert got["VIRTUAL_ENV"] == f"{root}/.venv"
    assert got["PYTHONNOUSERSITE"] == got["PIP_REQUIRE_VIRTUALENV"] == "1"
    assert got["PATH"].split(":")[:3] == [f"{root}/.venv/bin", f"{root}/.venv/lib/devpy/bin", f"{prefix}/bin"]
    assert got["PATH"].endswith(os.defpath)


@pytest.mark.parametrize("more", [{}, {"LD_LIBRARY_PATH": "/mine:/yours", "DEVPY_TEST_CONFIG": "mine"}])
def test_the_same_as_with_devpy(root: Path, devpy: Devpy, devpy_environ: Environ, more: Environ) -> None:
    callers = {"HOME": devpy_environ["HOME"], "LANG": "C.UTF-8", "PATH": "/usr/local/bin:/usr/bin:/bin", **more}
    result = devpy("env", "-0", cwd=root, environ=callers)
    expected = dict(entry.partition("=")[::2] for entry in result.out.split("\0") if entry)
    got = variables(root, environ=callers)
    ignored = {*BY_A_SHELL, "__CONDA_SHLVL_0_DEVPY_TEST_CONFIG"}
    assert {name: got[name] for name in {*got} - ignored} == {name: expected[name] for name in {*expected} - ignored}


def test_callers_value_counts_where_activation_lets_it(root: Path, environment: CondaEnvironment) -> None:
    names = ("LD_LIBRARY_PATH", "DEVPY_TEST_ACTIVATED", "DEVPY_TEST_CONFIG", "SAMPLE_ROOT", "UNRELATED", "CONDA_PREFIX")
    got = variables(root, environ=dict.fromkeys(names, "mine"))
    assert got["LD_LIBRARY_PATH"] == f"{environment.prefix}/lib:mine"
    assert got["DEVPY_TEST_ACTIVATED"] == str(environment.prefix)
    assert got["DEVPY_TEST_CONFIG"] == "from env_vars.d"
    assert got["SAMPLE_ROOT"] == f"{root}/data"
    assert got["UNRELATED"] == "mine"
    assert got["CONDA_PREFIX"] == str(environment.prefix)


def test_path_holds_everything_once(root: Path, environment: CondaEnvironment) -> None:
    ours = [f"{root}/.venv/bin", f"{root}/.venv/lib/devpy/bin", f"{environment.prefix}/bin"]
    path = variables(root, environ={"PATH": ":".join(["/first", *reversed(ours), "/last"])})["PATH"].split(":")
    assert path[:3] == ours
    assert path[-2:] == ["/first", "/last"]
    assert [path.count(entry) for entry in ours] == [1, 1, 1]


def test_where_the_base_is_active_the_overlays_programs_come_first(root: Path, environment: CondaEnvironment) -> None:
    base = {"CONDA_PREFIX": str(environment.prefix), "LD_LIBRARY_PATH": f"{environment.prefix}/lib:/mine"}
    callers = {**base, "DEVPY_TEST_CONFIG": "changed since", "PATH": f"{environment.prefix}/bin:/usr/bin:/bin"}
    got = variables(root, environ=callers)
    path = f"{root}/.venv/bin:{root}/.venv/lib/devpy/bin:{callers['PATH']}"
    own = {"PATH": path, "VIRTUAL_ENV": f"{root}/.venv", "UV_SYSTEM_PYTHON": "0"}
    given = {"PYTHONNOUSERSITE": "1", "PIP_REQUIRE_VIRTUALENV": "1", "SAMPLE_ROOT": f"{root}/data"}
    assert {name: got[name] for name in {*got} - {"LC_CTYPE"}} == {**callers, **own, **given}


def test_a_started_program_finds_the_overlays_although_the_base_is_active(
    root: Path, environment: CondaEnvironment
) -> None:
    callers = {"CONDA_PREFIX": str(environment.prefix), "PATH": f"{environment.prefix}/bin:/usr/bin:/bin"}
    code = "import shutil; print(repr({'python': shutil.which('python')}))"
    assert variables(root, environ=callers, code=code) == {"python": f"{root}/.venv/bin/python"}


def test_a_child_of_plain_python_changes_nothing_more(root: Path, environment: CondaEnvironment) -> None:
    callers = {"CONDA_PREFIX": str(environment.prefix), "PATH": f"{environment.prefix}/bin:/usr/bin:/bin"}
    code = (
        f"import os, subprocess, sys; os.environ['PATH'] = '/mine'; subprocess.call([sys.executable, '-c', {SHOW!r}])"
    )
    assert variables(root, environ=callers, code=code)["PATH"] == "/mine"


def test_another_environment_on_the_active_base_adds_nothing_twice(
    root: Path, environment: CondaEnvironment, tmp_path: Path
) -> None:
    lib = f"{environment.prefix}/lib:/mine"
    got = variables(root, environ={**variables(root), "VIRTUAL_ENV": str(tmp_path), "LD_LIBRARY_PATH": lib})
    assert (got["LD_LIBRARY_PATH"], got["VIRTUAL_ENV"]) == (lib, f"{root}/.venv")


def test_nothing_is_changed_under_devpy(root: Path, devpy: Devpy) -> None:
    bare, plain = (devpy("python", *options, "-c", SHOW, cwd=root) for options in (["-S"], []))
    assert bare.out == plain.out


# In which Pythons


def test_programs_that_it_starts_see_all(root: Path) -> None:
    code = "import subprocess; print(subprocess.run(['env', '-0'], capture_output=True, text=True).stdout.split('\\0'))"
    printed = python(root, "-c", code, environ={"LANG": "C.UTF-8"}).out
    got = dict(entry.partition("=")[::2] for entry in ast.literal_eval(printed) if entry)
    assert got == variables(root, environ={"LANG": "C.UTF-8"})


@pytest.mark.parametrize("option", ["-I", "-E", "-s", "-OO"])
def test_options(root: Path, option: str) -> None:
    assert variables(root, option) == variables(root)


def test_without_site_there_is_nothing(root: Path) -> None:
    assert variables(root, "-S", environ={"LANG": "C.UTF-8"}) == {"LANG": "C.UTF-8"}


@pytest.mark.parametrize("minor", ["3.8", "3.13"])
def test_older_and_newer_pythons(
    tmp_path: Path, make_conda_env: MakeCondaEnv, repository: MakeRepository, devpy: Devpy, minor: str
) -> None:
    environment = make_conda_env(f"plain-{minor}", python=minor, packages=["activation-scripts"])
    root = repository(tmp_path / "tree", files={"devpy.toml": CONFIG.format(base=environment.name)})
    assert devpy("true", cwd=root).code == 0
    got = variables(root, "-I", environ={"LD_LIBRARY_PATH": "/mine"})
    assert got["DEVPY_TEST_ACTIVATED"] == str(environment.prefix)
    assert got["LD_LIBRARY_PATH"] == f"{environment.prefix}/lib:/mine"


def test_warnings_as_errors(root: Path, environment: CondaEnvironment) -> None:
    got = variables(root, "-X", "dev", "-W", "error")
    assert got["CONDA_PREFIX"] == str(environment.prefix)


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_multiprocessing(root: Path, environment: CondaEnvironment, method: str) -> None:
    program = root.parent / f"{method}.py"
    program.write_text(
        "import multiprocessing, os\n"
        "if __name__ == '__main__':\n"
        f"    with multiprocessing.get_context({method!r}).Pool(1) as pool:\n"
        "        print(*pool.map(os.getenv, ['DEVPY_TEST_ACTIVATED', 'VIRTUAL_ENV']))\n",
        encoding="utf-8",
    )
    assert python(root, str(program)).out == f"{environment.prefix} {root}/.venv\n"


def test_console_scripts_of_the_base(root: Path, environment: CondaEnvironment) -> None:
    result = run([root / ".venv" / "bin" / "pip", "--version"], cwd=root, environ={})
    assert (result.code, result.err) == (0, "")
    assert str(environment.prefix) in result.out


def test_through_a_symlink(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    result = run([tmp_path / "link" / ".venv" / "bin" / "python", "-c", SHOW], cwd=tmp_path, environ={})
    assert ast.literal_eval(result.out) == variables(root)


def test_the_bases_own_python_is_left_alone(root: Path, environment: CondaEnvironment) -> None:
    code = f"import site; site.addsitedir({str(next(root.glob('.venv/lib/*/site-packages')))!r}); {SHOW}"
    result = run([environment.python, "-c", code], cwd=root, environ={"LANG": "C.UTF-8"})
    assert ast.literal_eval(result.out) == {"LANG": "C.UTF-8"}


# The record


def test_an_edited_script_counts_after_the_next_command(own_root: Path, own_base: Path, devpy: Devpy) -> None:
    time.sleep(2.1)  # what has just changed is not trusted
    assert devpy("true", cwd=own_root).code == 0
    with script(own_base).open("a", encoding="utf-8") as stream:
        stream.write("export DEVPY_TEST_NEW=1\n")
    assert "DEVPY_TEST_NEW" not in variables(own_root)
    assert "activation record: out of date, " in devpy("info", cwd=own_root).out
    assert devpy("true", cwd=own_root).code == 0
    assert variables(own_root)["DEVPY_TEST_NEW"] == "1"


def test_a_new_script_counts_after_the_next_command(own_root: Path, own_base: Path, devpy: Devpy) -> None:
    time.sleep(2.1)
    assert devpy("true", cwd=own_root).code == 0
    (script(own_base).parent / "zz.sh").write_text("export DEVPY_TEST_NEW=${DEVPY_TEST_NEW:-1}\n", encoding="utf-8")
    assert devpy("true", cwd=own_root).code == 0
    assert variables(own_root)["DEVPY_TEST_NEW"] == "1"
    assert variables(own_root, environ={"DEVPY_TEST_NEW": "2"})["DEVPY_TEST_NEW"] == "2"


def test_update_editables_refreshes_it(own_root: Path, own_base: Path, devpy: Devpy) -> None:
    (own_root / RECORD).unlink()
    assert "activation record: none\n" in devpy("info", cwd=own_root).out
    assert devpy("update-editables", cwd=own_root).code == 0
    assert variables(own_root)["CONDA_PREFIX"] == str(own_base)


@pytest.mark.parametrize(
    "line", ["exit 0", "exit 3", "return 3", "kill -9 $$", "syntax (error", "set -eu; false", "echo x"]
)
def test_a_script_that_does_wrong(own_root: Path, own_base: Path, devpy: Devpy, line: str) -> None:
    with script(own_base).open("a", encoding="utf-8") as stream:
        stream.write(line + "\n")
    result = devpy("update-editables", cwd=own_root)
    assert (result.code, result.out) == (0, f"No editable packages are declared in {own_root}/devpy.toml\n")
    got = variables(own_root)
    assert got["CONDA_PREFIX"] == str(own_base)
    assert got["DEVPY_TEST_CONFIG"] == "from env_vars.d"


BROKEN = {
    "empty": b"",
    "zeros": b"\0" * 64,
    "no text": bytes(range(256)),
    "not its length": b"99\0a\0b\0c\0end",
    "nothing in it": b"6\0\0\0\0\0end",
    "names that cannot be": b"9\0{venv}\0{base}\0\x000\0A=B\0x\0\0end",
    "no name": b"9\0{venv}\0{base}\0\x000\0\0x\0\0end",
    "written by devpy 0.2": b"8\0{venv}\0{base}\0\0A\0x\0\0end",
    "of another overlay": b"9\0/elsewhere\0{base}\0\x000\0A\0x\0\0end",
    "of another base": b"9\0{venv}\0/elsewhere\0\x000\0A\0x\0\0end",
}


@pytest.fixture
def place(root: Path) -> Iterator[Path]:
    """The record's place, vacant; what is put there is removed afterwards."""
    path, aside = root / RECORD, root / "aside"
    path.rename(aside)
    yield path
    if path.is_dir():
        path.rmdir()
    aside.replace(path)


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_record_does_no_harm(root: Path, environment: CondaEnvironment, place: Path, content: bytes) -> None:
    content = content.replace(b"{venv}", os.fsencode(root / ".venv"))
    place.write_bytes(content.replace(b"{base}", os.fsencode(environment.prefix)))
    assert_nothing_is_supplied(root)


def test_a_torn_record_does_no_harm(root: Path, place: Path) -> None:
    content = (root / "aside").read_bytes()
    for length in range(0, len(content), len(content) // 20):
        place.write_bytes(content[:length])
        assert_nothing_is_supplied(root)


@pytest.mark.parametrize(
    "put",
    [
        Path.exists,
        Path.mkdir,
        os.mkfifo,
        lambda path: path.symlink_to("nowhere"),
        lambda path: path.symlink_to("/dev/zero"),
    ],
    ids=["nothing", "folder", "fifo", "dangling link", "endless"],
)
def test_no_record_does_no_harm(root: Path, place: Path, put: Callable[[Path], object]) -> None:
    put(place)
    assert_nothing_is_supplied(root)


def test_a_copied_overlay_is_not_the_records(root: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(root, tmp_path / "copy", symlinks=True))
    result = run([copy / ".venv" / "bin" / "python", "-c", SHOW], cwd=copy, environ={})
    assert "CONDA_PREFIX" not in ast.literal_eval(result.out)
    assert f"{copy}/.venv was made as {root}/.venv" in result.err


def assert_nothing_is_supplied(root: Path) -> None:
    callers = {"LANG": "C.UTF-8", "PATH": "/bin"}
    assert variables(root, environ=callers) == callers
