"""The programs of the base in a worktree: its console scripts run on the overlay's Python, the others as they are."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from devpy_pip_guard import BASE_SCRIPTS

from .channel import Channel
from .commands import Devpy, Result, clean_environ, run
from .environments import CondaEnvironment, MakeCondaEnv
from .mounts import DevpyInMounts, namespace
from .projects import MakeRepository

Environ = dict[str, str]  # the variables of a process

CONFIG = '[python]\nbase_conda_env = "{}"\n'
WITH_EDITABLE = CONFIG + '[editables]\npackages = ["."]\n'

# What a launcher of distributed jobs does: processes of its own interpreter, which it names in each way that is usual.
LAUNCHER_MODULE = """\
import argparse, json, multiprocessing, os, subprocess, sys

def facts():
    return {"prefix": sys.prefix, "executable": sys.executable, "code": os.path.dirname(__file__)}

def tell(queue):
    queue.put(facts())

def children():
    module = [sys.executable, "-m", "sample_launcher", "child"]
    yield json.loads(subprocess.check_output(module))
    yield json.loads(subprocess.check_output([sys.executable, sys.argv[0], "child"]))
    yield json.loads(subprocess.check_output(["sample-launcher", "child"]))
    for method in ("spawn", "forkserver", "fork"):
        context = multiprocessing.get_context(method)
        queue = context.Queue()
        process = context.Process(target=tell, args=(queue,))
        process.start()
        yield queue.get(timeout=60)
        process.join()

def fail():
    raise ValueError("it failed")

def main():
    parser = argparse.ArgumentParser(description="Start workers.")
    parser.add_argument("what", choices=["argv", "child", "children", "exit", "fail"])
    what = parser.parse_args().what
    if what == "argv":
        print(json.dumps([sys.argv, sys.path[0], sys.modules["__main__"].__file__]))
    elif what == "child":
        print(json.dumps(facts()))
    elif what == "children":
        print(json.dumps([facts(), *children()]))
    elif what == "fail":
        fail()
    return 7 if what == "exit" else 0

if __name__ == "__main__":
    sys.exit(main())
"""

# Spawned children import the main module again, which here is the script itself.
SPAWNING = """\
import multiprocessing, sys

def prefix(number):
    return number, sys.prefix, __name__

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        print(pool.map(prefix, [1, 2]))
"""

PREFIX = "import sys\nprint(sys.prefix)\n"
TOOLS = {
    "bin/tool-env-python": "#!/usr/bin/env python\n" + PREFIX,
    "bin/tool-env-python3": "#!/usr/bin/env python3\n" + PREFIX,
    "bin/tool-env-options": "#!/usr/bin/env -S python -u\n" + PREFIX,
    "bin/tool-spawning": "#!/usr/bin/env python\n" + SPAWNING,
    "bin/tool-latin": "#!/usr/bin/env python\n# -*- coding: latin-1 -*-\n" + PREFIX + "# \\u00e9\n",
    "bin/tool-shell": "#!/bin/sh\necho \"$0\"; tool-env-python\n",
}  # fmt: skip


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory, pip_cache: Path, conda_root: Path) -> Environ:
    """One for the whole module, whose tests share a worktree."""
    home = tmp_path_factory.mktemp("home")
    return {**clean_environ(home, pip_cache), "CONDA_ENVS_DIRS": str(conda_root / "envs")}


@pytest.fixture(scope="module")
def base(
    tmp_path_factory: pytest.TempPathFactory, conda_channel: Channel, make_conda_env: MakeCondaEnv
) -> CondaEnvironment:
    """An environment of this module's own, with scripts whose first lines are of each kind, and a native program."""
    wheel = write_wheel(tmp_path_factory.mktemp("wheel"), "sample-launcher", LAUNCHER_MODULE)
    conda_channel.add_package("sample-tools", "1.0", TOOLS)
    packages = ["pip", "setuptools", "wheel", "pytest", f"sample-launcher @ {wheel.as_uri()}", "sample-tools"]
    base = make_conda_env.clone(make_conda_env("scripts", packages=packages), "scripts-shared")
    shutil.copy("/bin/echo", base.prefix / "bin" / "tool-native")
    return base


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, base: CondaEnvironment, environ: Environ) -> Path:
    """A worktree whose overlay is current."""
    files = {
        "devpy.toml": CONFIG.format(base.name),
        "test_prefix.py": f"import sys\ndef test_prefix(): assert sys.prefix != {str(base.prefix)!r}\n",
        "Makefile": "test:\n\t@pytest -q test_prefix.py && sample-launcher child\n",
    }
    path = MakeRepository(environ)(tmp_path_factory.mktemp("scripts") / "main", files=files)
    assert Devpy(environ)("update-editables", cwd=path).code == 0
    return path


@pytest.fixture
def devpy(environ: Environ) -> Devpy:
    return Devpy(environ)


@pytest.fixture
def own_base(make_conda_env: MakeCondaEnv, base: CondaEnvironment, tmp_path: Path) -> CondaEnvironment:
    """A base for one test alone."""
    return make_conda_env.clone(base, f"scripts-{tmp_path.name}")


@pytest.fixture
def own_root(tmp_path: Path, own_base: CondaEnvironment, environ: Environ, devpy: Devpy) -> Path:
    """A worktree on that base, which is an editable package with a console script, though none that is declared."""
    files = {"devpy.toml": CONFIG.format(own_base.name)}
    path = MakeRepository(environ)(tmp_path / "main", root="console-script", files=files)
    assert devpy("update-editables", cwd=path).code == 0
    return path


def write_wheel(folder: Path, name: str, code: str) -> Path:
    """Write the wheel of a distribution that is one module with a function `main`, which its console script calls."""
    module = name.replace("-", "_")
    files = {
        f"{module}.py": code,
        f"{module}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{module}-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{module}-1.0.dist-info/entry_points.txt": f"[console_scripts]\n{name} = {module}:main\n",
        f"{module}-1.0.dist-info/RECORD": "",
    }
    path = folder / f"{module}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
    return path


def add_script(base: CondaEnvironment, name: str, text: str) -> Path:
    script = base.prefix / "bin" / name
    script.write_text(text, encoding="utf-8")
    script.chmod(0o755)
    return script


def printed(result: Result) -> str:
    assert (result.code, result.err) == (0, "")
    return result.out.rstrip("\n")


def json_of(result: Result) -> Any:
    return json.loads(printed(result))


def frames(result: Result) -> list[str]:
    return [line for line in result.err.splitlines() if line.startswith("  File ")]


# Which Python they run on.


@pytest.mark.parametrize("tool", ["tool-env-python", "tool-env-python3", "tool-env-options", "tool-latin"])
def test_header_that_looks_python_up(root: Path, devpy: Devpy, tool: str) -> None:
    assert printed(devpy(tool, cwd=root)) == f"{root}/.venv"


@pytest.mark.parametrize("tool", ["tool-env-python", "tool-env-python3", "tool-env-options", "tool-latin"])
def test_header_that_looks_python_up_without_devpy(root: Path, base: CondaEnvironment, tool: str) -> None:
    """Even where another `python`, such as the base's, is first on PATH."""
    result = run([root / ".venv/bin" / tool], cwd=root, environ={"PATH": f"{base.prefix}/bin:/usr/bin:/bin"})
    assert printed(result) == f"{root}/.venv"


def test_every_console_script_has_its_link(root: Path, base: CondaEnvironment) -> None:
    links = {path.name for path in (root / ".venv" / "bin").iterdir() if path.is_symlink()}
    version = next(root.glob(".venv/lib/python3.*")).name
    pythons = {"python", "python3", version}
    programs = {path.name for path in (base.prefix / "bin").iterdir() if not path.is_symlink()}
    native = {version, "tool-native", "tool-shell"}
    assert {"pip", "pytest", "py.test", "sample-launcher", "tool-env-python"} <= programs
    assert links - pythons == programs - native


@pytest.mark.parametrize("script", ["pytest", "py.test"])
def test_pytest(root: Path, devpy: Devpy, script: str) -> None:
    result = devpy(script, "-q", "test_prefix.py", cwd=root)
    assert result.code == 0
    assert "1 passed" in result.out


def test_pip(root: Path, devpy: Devpy, base: CondaEnvironment) -> None:
    assert f"from {base.site_packages}/pip (python " in printed(devpy("pip", "--version", cwd=root))
    debug = devpy("pip", "debug", cwd=root).out
    assert f"sys.executable: {root}/.venv/bin/python\n" in debug


@pytest.mark.parametrize("how", ["devpy", "plain"])
def test_children_of_a_launcher(root: Path, base: CondaEnvironment, devpy: Devpy, environ: Environ, how: str) -> None:
    if how == "devpy":
        result = devpy("sample-launcher", "children", cwd=root)
    else:
        on_path = {**environ, "PATH": f"{root}/.venv/bin:{environ['PATH']}"}
        result = run([root / ".venv/bin/sample-launcher", "children"], cwd=root, environ=on_path)
    told = json_of(result)
    assert len(told) == 7
    assert all(facts["prefix"] == f"{root}/.venv" for facts in told)
    assert all(facts["executable"] == f"{root}/.venv/bin/python" for facts in told)
    assert all(facts["code"] == str(base.site_packages) for facts in told)


def test_spawned_children_of_a_script(root: Path, devpy: Devpy) -> None:
    venv = f"{root}/.venv"
    assert printed(devpy("tool-spawning", cwd=root)) == str([(1, venv, "__mp_main__"), (2, venv, "__mp_main__")])


def test_long_headers(tmp_path: Path, make_conda_env: MakeCondaEnv, base: CondaEnvironment, environ: Environ) -> None:
    """Of the base's scripts and of the overlay's launcher, in folders with long names."""
    long_base = make_conda_env.clone(base, "s" * 130)
    assert (long_base.prefix / "bin" / "sample-launcher").read_text("utf-8").startswith("#!/bin/sh\n")
    files = {"devpy.toml": CONFIG.format(long_base.name)}
    root = MakeRepository(environ)(tmp_path / ("w" * 130) / "main", files=files)
    devpy = Devpy(environ)
    assert devpy("true", cwd=root).code == 0
    assert all(facts["prefix"] == f"{root}/.venv" for facts in json_of(devpy("sample-launcher", "children", cwd=root)))


# The others.


def test_native_programs_run_as_they_are(root: Path, base: CondaEnvironment, devpy: Devpy) -> None:
    assert printed(devpy("tool-native", "a  b", cwd=root)) == "a  b"
    assert printed(devpy("sh", "-c", "command -v tool-native", cwd=root)) == f"{base.prefix}/bin/tool-native"
    assert printed(devpy("tool-shell", cwd=root)) == f"{base.prefix}/bin/tool-shell\n{root}/.venv"


# From within other programs.


@pytest.mark.parametrize(
    "command",
    [
        ["make", "--silent", "test"],
        ["sh", "-c", "pytest -q test_prefix.py && sample-launcher child"],
        ["bash", "-c", "env -u VIRTUAL_ENV pytest -q test_prefix.py && exec sample-launcher child"],
        ["xargs", "sample-launcher"],
        ["env", "sample-launcher", "child"],
    ],
    ids=lambda command: command[0],
)
def test_nested(root: Path, devpy: Devpy, command: list[str]) -> None:
    result = devpy(*command, cwd=root, stdin="child\n")
    assert result.code == 0
    assert f'"prefix": "{root}/.venv"' in result.out


def test_nested_in_python(root: Path, devpy: Devpy) -> None:
    code = "import subprocess; subprocess.run(['sample-launcher', 'child'], check=True)"
    assert f'"prefix": "{root}/.venv"' in printed(devpy("python", "-c", code, cwd=root))


# As usual.


REMOVED = "rm .venv/bin/sample-launcher; sample-launcher child"


@pytest.mark.parametrize(
    "command",
    [
        ["devpy", "sh", "-c", REMOVED],
        ["bash", "-c", f"source .venv/bin/activate && {REMOVED}"],
        [".venv/bin/python", "-c", f"import subprocess; subprocess.run(['sh', '-c', {REMOVED!r}])"],
    ],
    ids=["nested", "activated", "plain"],
)
def test_script_that_is_removed_meanwhile_still_runs_on_the_overlays_python(
    root: Path, base: CondaEnvironment, devpy: Devpy, environ: Environ, command: list[str]
) -> None:
    """What comes next on PATH is the base's own."""
    if command[0] == "devpy":
        result = devpy(*command[1:], cwd=root)
    else:
        result = run(command, cwd=root, environ={**environ, "PATH": f"{environ['PATH']}:{base.prefix}/bin"})
    assert json_of(result)["prefix"] == f"{root}/.venv"
    note = f"devpy: linked the base's sample-launcher in {root}/.venv again\n"
    assert devpy("sh", "-c", "command -v sample-launcher", cwd=root) == Result(
        0, f"{root}/.venv/bin/sample-launcher\n", note
    )


def test_folder_of_links_that_is_removed_is_made_again(root: Path, devpy: Devpy) -> None:
    shutil.rmtree(root / ".venv" / BASE_SCRIPTS)
    (root / ".venv" / "bin" / "sample-launcher").unlink()
    assert json.loads(devpy("sample-launcher", "child", cwd=root).out)["prefix"] == f"{root}/.venv"
    assert (root / ".venv" / BASE_SCRIPTS / "sample-launcher").is_symlink()


def test_scripts_without_permission_to_run_are_mended(root: Path, devpy: Devpy) -> None:
    (root / ".venv" / "bin" / "sample-launcher").chmod(0o644)  # that of what it leads to
    refused = devpy("--no-sync", "sample-launcher", "child", cwd=root)
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.endswith("\n  devpy update-editables\n")
    assert json.loads(devpy("sample-launcher", "child", cwd=root).out)["prefix"] == f"{root}/.venv"


def test_disk_that_runs_nothing_is_named(root: Path, environ: Environ) -> None:
    """The base's script would run, on the base's Python."""
    with namespace() as mounts:
        if mounts is None:
            pytest.skip("no mount namespaces")
        mounts.mount("--rbind", root, root)
        mounts.mount("-o", "remount,bind,noexec", root)
        result = DevpyInMounts(mounts, environ)("sample-launcher", "child", cwd=root)
    assert (result.code, result.out) == (2, "")
    assert f"devpy: {root}/.venv/lib/devpy/base-script cannot be executed where it lies\n" in result.err
    assert result.err.endswith("to another folder\n")


def test_argv_and_paths(root: Path, base: CondaEnvironment, devpy: Devpy) -> None:
    script = f"{root}/.venv/bin/sample-launcher"
    argv, first_path, file = json_of(devpy("sample-launcher", "argv", cwd=root))
    assert argv == [script, "argv"]
    assert first_path == os.path.dirname(script)
    assert Path(file).read_text("utf-8") == (base.prefix / "bin/sample-launcher").read_text("utf-8")


def test_usage(root: Path, devpy: Devpy) -> None:
    assert devpy("sample-launcher", "--help", cwd=root).out.startswith("usage: sample-launcher [-h]")
    wrong = devpy("sample-launcher", "no-such-thing", cwd=root)
    assert wrong.code == 2
    assert wrong.err.splitlines()[-1].startswith("sample-launcher: error: argument what: invalid choice")
    assert devpy("pytest", "--help", cwd=root).out.startswith("usage: pytest ")


def test_exit_code(root: Path, devpy: Devpy) -> None:
    assert devpy("sample-launcher", "exit", cwd=root).code == 7


def test_traceback(root: Path, base: CondaEnvironment, devpy: Devpy) -> None:
    """What follows the launcher's own line is what the base's script would have shown."""
    shown = devpy("sample-launcher", "fail", cwd=root)
    usual = run([base.prefix / "bin/sample-launcher", "fail"], cwd=root, environ={})
    assert (shown.code, usual.code) == (1, 1)
    assert frames(shown)[-3:] == frames(usual)
    assert len(frames(shown)) <= len(frames(usual)) + 1
    assert shown.err.endswith("\nValueError: it failed\n")


def test_run_by_the_interpreter_and_by_a_link(root: Path, tmp_path: Path, devpy: Devpy) -> None:
    script = root / ".venv/bin/sample-launcher"
    assert f'"prefix": "{root}/.venv"' in printed(devpy("python", str(script), "child", cwd=root))
    (tmp_path / "sample-launcher").symlink_to(script)
    assert f'"prefix": "{root}/.venv"' in printed(run([tmp_path / "sample-launcher", "child"], cwd=root, environ={}))


def test_run_by_a_link_of_another_name(root: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").symlink_to(root / ".venv/bin/sample-launcher")
    assert f'"prefix": "{root}/.venv"' in printed(run([tmp_path / "mine", "child"], cwd=root, environ={}))


def test_they_cost_next_to_no_disk(root: Path) -> None:
    scripts = [root / ".venv" / "bin" / name for name in ("pip", "pytest", "sample-launcher", "tool-latin")]
    assert all(script.is_symlink() for script in scripts)
    assert len({script.resolve() for script in scripts}) == 1
    assert scripts[0].stat().st_size < 4096


# They follow the base.


def test_script_comes_and_goes(own_root: Path, own_base: CondaEnvironment, devpy: Devpy) -> None:
    text = f"#!{own_base.python}\n{PREFIX}"
    script = add_script(own_base, "new-tool", text)
    assert devpy("new-tool", cwd=own_root).out == f"{own_root}/.venv\n"
    link = own_root / ".venv" / "bin" / "new-tool"
    script.unlink()
    direct = run([link], cwd=own_root, environ={})
    assert direct.code == 2
    assert f"devpy: {script}: " in direct.err
    assert devpy("new-tool", cwd=own_root).code == 127
    assert not link.is_symlink()
    add_script(own_base, "new-tool", "#!/bin/sh\necho native\n")
    assert devpy("new-tool", cwd=own_root).out == "native\n"
    script.unlink()
    add_script(own_base, "new-tool", text)
    assert devpy("new-tool", cwd=own_root).out == f"{own_root}/.venv\n"


def test_script_that_is_edited_in_place(own_root: Path, own_base: CondaEnvironment, devpy: Devpy) -> None:
    script = add_script(own_base, "new-tool", f"#!{own_base.python}\nprint(1)\n")
    assert devpy("new-tool", cwd=own_root).out == "1\n"
    script.write_text(f"#!{own_base.python}\nprint(2)\n", encoding="utf-8")
    assert devpy("new-tool", cwd=own_root).out == "2\n"


def test_distribution_that_the_base_gets_by_pip(
    own_root: Path, own_base: CondaEnvironment, tmp_path: Path, devpy: Devpy, environ: Environ
) -> None:
    pip = [str(own_base.python), "-m", "pip", "--quiet"]
    install = [*pip, "install", "--no-deps", "--no-index"]
    wheel = write_wheel(tmp_path, "sample-second", LAUNCHER_MODULE)
    assert run([*install, str(wheel)], cwd=tmp_path, environ=environ).code == 0
    assert f'"prefix": "{own_root}/.venv"' in devpy("sample-second", "child", cwd=own_root).out
    assert run([*pip, "uninstall", "--yes", "sample-second"], cwd=tmp_path, environ=environ).code == 0
    assert devpy("sample-second", "child", cwd=own_root).code == 127


def test_overlays_own_script_wins_as_long_as_it_is_there(
    own_root: Path, own_base: CondaEnvironment, devpy: Devpy
) -> None:
    """It takes the place of the base's without changing the launcher, to which all the others lead."""
    add_script(own_base, "sample-console-script", f"#!{own_base.python}\nprint('of the base')\n")
    assert devpy("sample-console-script", cwd=own_root).out == "of the base\n"
    (own_root / "devpy.toml").write_text(WITH_EDITABLE.format(own_base.name), encoding="utf-8")
    assert devpy("sample-console-script", cwd=own_root).out.startswith(f"{own_root}/src/")
    add_script(own_base, "another-tool", f"#!{own_base.python}\nprint('another')\n")  # has the links made again
    assert devpy("another-tool", cwd=own_root).out == "another\n"
    assert devpy("sample-console-script", cwd=own_root).out.startswith(f"{own_root}/src/")
    (own_root / "devpy.toml").write_text(CONFIG.format(own_base.name), encoding="utf-8")
    assert devpy("sample-console-script", cwd=own_root).out == "of the base\n"
    link = own_root / ".venv" / "bin" / "sample-console-script"
    assert run([link], cwd=own_root, environ={}).out == "of the base\n"
    assert printed(devpy("tool-env-python", cwd=own_root)) == f"{own_root}/.venv"


def test_package_of_the_overlay_that_is_uninstalled_again(own_root: Path, tmp_path: Path, devpy: Devpy) -> None:
    """Such as a newer version of one which the base has."""
    newer = LAUNCHER_MODULE.replace('"prefix": ', '"newer": 1, "prefix": ')
    wheel = write_wheel(tmp_path, "sample-launcher", newer)
    install = ["pip", "--quiet", "install", "--no-deps", "--no-index", "--ignore-installed"]
    assert devpy(*install, str(wheel), cwd=own_root).code == 0
    assert '"newer": 1' in devpy("sample-launcher", "child", cwd=own_root).out
    assert devpy("pip", "--quiet", "uninstall", "--yes", "sample-launcher", cwd=own_root).code == 0
    result = devpy("sample-launcher", "child", cwd=own_root)
    assert '"newer": 1' not in result.out
    assert f'"prefix": "{own_root}/.venv"' in result.out
