"""`virtualenv --creator devpy`: what it writes, and that it is in nobody's way."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devpy_virtualenv_plugin import layout

from .commands import Devpy, Result, clean_environ, run
from .environments import CondaEnvironment, MakeCondaEnv
from .interpreters import find
from .projects import MakeRepository

pytestmark = pytest.mark.bounds

Environ = dict[str, str]  # the variables of a process

TOML = '[python]\nbase_conda_env = "{}"\n'


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory, pip_cache: Path, conda_root: Path) -> Environ:
    home = tmp_path_factory.mktemp("home")
    return {**clean_environ(home, pip_cache), "CONDA_ENVS_DIRS": str(conda_root / "envs")}


@pytest.fixture(scope="module")
def base(make_conda_env: MakeCondaEnv, conda_env: CondaEnvironment) -> CondaEnvironment:
    """An environment of this module's own, with a `sitecustomize`, `.pth` files and a script that tells on itself."""
    base = make_conda_env.clone(conda_env, "plugin-base")
    (base.prefix / "extra").mkdir()
    (base.prefix / "extra" / "from_path_pth.py").write_text("", encoding="utf-8")
    files = {
        "sitecustomize.py": "import builtins\nbuiltins.customized = getattr(builtins, 'customized', 0) + 1\n",
        "paths.pth": f"{base.prefix / 'extra'}\n",
        "counts.pth": "import builtins; builtins.executed = getattr(builtins, 'executed', 0) + 1\n",
        "space-nspkg.pth": "import sys, types; m = sys.modules.setdefault('space', types.ModuleType('space')); "
        "m.__dict__.setdefault('__path__', []).append(sys._getframe(1).f_locals['sitedir'] + '/space')\n",
        "space/member.py": "",
        "base_only.py": "",
    }
    for name, text in files.items():
        (base.site_packages / name).parent.mkdir(exist_ok=True)
        (base.site_packages / name).write_text(text, encoding="utf-8")
    return base


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, base: CondaEnvironment, environ: Environ) -> Path:
    """A worktree with an overlay which virtualenv has made."""
    files = {"devpy.toml": TOML.format(base.name)}
    root = MakeRepository(environ)(tmp_path_factory.mktemp("plugin") / "worktree", files=files)
    assert virtualenv("--creator", "devpy", "--discovery", "devpy", ".venv", cwd=root, environ=environ).code == 0
    return root


def virtualenv(*args: str | Path, cwd: Path, environ: Environ) -> Result:
    return run([sys.executable, "-m", "virtualenv", *args], cwd=cwd, environ=environ)


def python(root: Path, code: str, *options: str, environ: Environ | None = None) -> str:
    """Return what the overlay's Python prints, without devpy."""
    result = run([root / ".venv/bin/python", *options, "-c", code], cwd=root.parent, environ=environ or {})
    assert result.code == 0
    return result.out.strip()


# What is in it.


def test_interpreter_is_a_link_to_the_versioned_one(root: Path, base: CondaEnvironment) -> None:
    target = Path(os.readlink(root / ".venv/bin/python"))
    assert target.parent == base.prefix / "bin"
    assert target.name.startswith("python3.")
    prefix, base_prefix = python(root, "import sys; print(sys.prefix, sys.base_prefix, sep='\\n')").splitlines()
    assert (prefix, base_prefix) == (str(root / ".venv"), str(base.prefix))
    for name in ("python3", target.name):
        assert run([root / ".venv/bin" / name, "--version"], cwd=root, environ={}).code == 0


def test_devpy_takes_it_for_its_own(root: Path, environ: Environ) -> None:
    facts = json.loads(Devpy(environ)("info", "--json", cwd=root).out)
    assert (facts["overlay state"], facts["overlay reasons"]) == ("current", [])
    result = Devpy(environ)("python", "-c", "import base_only, pytest", cwd=root)
    assert result.code == 0
    assert result.err == ""


def test_no_second_pip_and_hardly_any_disk(root: Path, base: CondaEnvironment) -> None:
    (site_packages,) = root.glob(".venv/lib/python3*/site-packages")
    names = {path.name for path in site_packages.iterdir()}
    assert names == {layout.bridge(str(site_packages)), "_devpy_guard", "sitecustomize.py", "__pycache__"}
    pip = run([root / ".venv/bin/pip", "--version"], cwd=root, environ={})
    assert str(base.site_packages / "pip") in pip.out
    assert sum(path.lstat().st_blocks * 512 for path in (root / ".venv").rglob("*")) < 300_000


def test_user_site_stays_out(root: Path, tmp_path: Path) -> None:
    assert python(root, "import site; print(site.ENABLE_USER_SITE)") == "False"
    minor = python(root, "import sys; print('python%d.%d' % sys.version_info[:2])")
    user_site = tmp_path / ".local" / "lib" / minor / "site-packages"
    user_site.mkdir(parents=True)
    (user_site / "base_only.py").write_text("raise SystemExit('the user site was used')", encoding="utf-8")
    python(root, "import base_only", environ={"HOME": str(tmp_path)})


def test_git_does_not_see_it(root: Path, environ: Environ) -> None:
    status = run(["git", "status", "--porcelain"], cwd=root, environ=environ)
    assert status.out == ""


def test_activate_script(root: Path, environ: Environ) -> None:
    script = 'source .venv/bin/activate && echo "$VIRTUAL_ENV" && command -v python && python -c "import base_only"'
    result = run(["bash", "-c", script + " && deactivate && ! command -v base-tool"], cwd=root, environ=environ)
    assert result.code == 0
    assert result.out.splitlines() == [str(root / ".venv"), str(root / ".venv/bin/python")]


# What the base imports, the overlay imports.


def test_overlay_imports_what_the_base_imports(root: Path, base: CondaEnvironment) -> None:
    modules = [path.stem for path in base.site_packages.iterdir() if path.suffix == ".py" or is_package(path)]
    assert {"base_only", "pip", "pytest", "setuptools"} <= set(modules)
    code = f"import importlib, sys\nfor name in {modules!r}: importlib.import_module(name)"
    python(root, code, "-W", "ignore")


def is_package(path: Path) -> bool:
    return (path / "__init__.py").is_file()


def test_base_distributions_are_listed(root: Path, base: CondaEnvironment) -> None:
    code = "from importlib.metadata import distributions as d; print(sorted(x.metadata['Name'] for x in d()))"
    of_base = run([base.python, "-c", code], cwd=root, environ={})
    assert python(root, code) == of_base.out.strip()


@pytest.mark.parametrize("options", [[], ["-I"], ["-E"], ["-s"]], ids=lambda options: "".join(options) or "plain")
def test_pth_files_and_sitecustomize_of_the_base_run_once(root: Path, options: list[str]) -> None:
    code = "import builtins, from_path_pth, space.member; print(builtins.executed, builtins.customized)"
    assert python(root, code, *options) == "1 1"
    assert python(root, "import sitecustomize; print(sitecustomize.__file__)", *options).startswith(
        os.path.dirname(os.path.realpath(root / ".venv/bin/python"))[: -len("/bin")]
    )


def test_each_folder_is_on_the_path_once(root: Path) -> None:
    path = json.loads(python(root, "import json, sys; print(json.dumps(sys.path))"))
    assert len(path) == len(set(path))


def test_distutils_as_in_a_base_with_setuptools(tmp_path: Path, make_conda_env: MakeCondaEnv, environ: Environ) -> None:
    base = make_env_with_pip(make_conda_env, "3.13", "26.0")
    root = make_overlay(tmp_path / "worktree", base, environ)
    code = "import distutils; print(distutils.__file__)"
    of_base = run([base.python, "-c", code], cwd=tmp_path, environ={})
    assert of_base.code == 0
    assert python(root, code) == of_base.out.strip()


def make_env_with_pip(make_conda_env: MakeCondaEnv, python_minor: str, pip: str) -> CondaEnvironment:
    return make_conda_env(f"pip-{pip}", python=python_minor, packages=[f"pip=={pip}", "setuptools==75.3.0"])


def make_overlay(root: Path, base: CondaEnvironment, environ: Environ) -> Path:
    MakeRepository(environ)(root, files={"devpy.toml": TOML.format(base.name)})
    assert virtualenv("--creator", "devpy", "--discovery", "devpy", ".venv", cwd=root, environ=environ).code == 0
    return root


def test_environment_without_pip(tmp_path: Path, make_conda_env: MakeCondaEnv, environ: Environ) -> None:
    root = make_overlay(tmp_path / "worktree", make_conda_env("without-pip", packages=[]), environ)
    assert python(root, "import json; print('works')") == "works"
    assert not (root / ".venv/bin/pip").exists()


# Nothing of the base leaks into an isolated build.

SPY = """\
import importlib.util, os, sys
leaked = [name for name in ("base_only", "pytest", "setuptools", "from_path_pth") if importlib.util.find_spec(name)]
if leaked:
    raise SystemExit("leaked into the build: %s %s" % (leaked, sys.path))
"""


@pytest.mark.parametrize(("python_minor", "pip"), [("3.8", "20.3.4"), ("3.13", "26.0"), (None, None)])
def test_nothing_leaks_into_an_isolated_build(
    tmp_path: Path, make_conda_env: MakeCondaEnv, base: CondaEnvironment, environ: Environ, python_minor: str, pip: str
) -> None:
    if pip:
        base = make_env_with_pip(make_conda_env, python_minor, pip)
    root = make_overlay(tmp_path / "worktree", base, environ)
    project = shutil.copytree(Path(__file__).parent.parent / "packages" / "self-built", root / "self-built")
    backend = project / "backend.py"
    text = backend.read_text("utf-8").replace("from __future__ import annotations\n", "")
    backend.write_text(text + SPY, encoding="utf-8")
    result = run([root / ".venv/bin/pip", "install", "--no-deps", project], cwd=root, environ=environ)
    assert result.code == 0
    python(root, "import sample_self_built, setuptools")


# How it is asked for.


def test_python_of_a_conda_environment_by_path(tmp_path: Path, base: CondaEnvironment, environ: Environ) -> None:
    root = MakeRepository(environ)(tmp_path / "worktree", files={"devpy.toml": TOML.format(base.name)})
    result = virtualenv("--creator", "devpy", "--python", base.python, ".venv", cwd=root, environ=environ)
    assert result.code == 0
    assert python(root, "import base_only, sys; print(sys.base_prefix)") == str(base.prefix)
    assert Devpy(environ)("true", cwd=root).err == ""


def test_python_of_another_environment_than_devpy_toml_names(
    tmp_path: Path, base: CondaEnvironment, conda_env: CondaEnvironment, environ: Environ
) -> None:
    root = MakeRepository(environ)(tmp_path / "worktree", files={"devpy.toml": TOML.format(conda_env.name)})
    made = virtualenv("--creator", "devpy", "--python", base.python, ".venv", cwd=root, environ=environ)
    if made.code != 0:  # refusing is fine, too
        assert base.name in made.err + made.out
    used = Devpy(environ)("python", "-c", "import sys; print(sys.base_prefix)", cwd=root)
    assert used.out.strip() == str(conda_env.prefix)


@pytest.mark.parametrize("relative", [False, True])
def test_other_config_file(tmp_path: Path, base: CondaEnvironment, environ: Environ, relative: bool) -> None:
    files = {"OTHER.toml": '[devpy]\nkind = "stack"\n' + TOML.format(base.name)}
    root = MakeRepository(environ)(tmp_path / "worktree", files=files)
    config = "OTHER.toml" if relative else str(root / "OTHER.toml")
    options = ["--creator", "devpy", "--discovery", "devpy", "--devpy-config", config]
    assert virtualenv(*options, ".venv", cwd=root, environ=environ).code == 0
    assert f"devpy-config = {root / 'OTHER.toml'}\n" in (root / ".venv/pyvenv.cfg").read_text("utf-8")
    assert python(root, "import base_only; print('works')") == "works"


def test_from_a_folder_below_and_through_a_symlink(tmp_path: Path, base: CondaEnvironment, environ: Environ) -> None:
    files = {"devpy.toml": TOML.format(base.name), "below/file": ""}
    root = MakeRepository(environ)(tmp_path / "worktree", files=files)
    (tmp_path / "link").symlink_to(root)
    venv = tmp_path / "link" / ".venv"
    options = ["--creator", "devpy", "--discovery", "devpy"]
    assert virtualenv(*options, venv, cwd=root / "below", environ=environ).code == 0
    assert python(root, "import base_only; print('works')") == "works"
    facts = json.loads(Devpy(environ)("info", "--json", cwd=root).out)
    assert (facts["overlay state"], facts["overlay reasons"]) == ("current", [])


def test_made_again_in_place(root: Path, environ: Environ) -> None:
    options = ["--creator", "devpy", "--discovery", "devpy"]
    for more in ([], ["--clear"]):
        assert virtualenv(*options, *more, ".venv", cwd=root, environ=environ).code == 0
        assert python(root, "import base_only; print('works')") == "works"
        assert Devpy(environ)("true", cwd=root).err == ""


# What it refuses.


def assert_refused(result: Result, *words: str) -> None:
    assert result.code != 0
    told = [line for line in (result.err + result.out).splitlines() if line]
    assert len(told) <= 2
    assert all(word in " ".join(told) for word in words)
    assert "Traceback" not in result.err


def test_python_that_is_not_condas(tmp_path: Path, base: CondaEnvironment, environ: Environ) -> None:
    root = MakeRepository(environ)(tmp_path / "worktree", files={"devpy.toml": TOML.format(base.name)})
    result = virtualenv("--creator", "devpy", "--python", find("3.11").program, ".venv", cwd=root, environ=environ)
    assert_refused(result, "not a conda environment", "--discovery devpy")
    assert not (root / ".venv").exists()


@pytest.mark.parametrize("discovery", [True, False])
def test_without_devpy_toml(tmp_path: Path, base: CondaEnvironment, environ: Environ, discovery: bool) -> None:
    root = MakeRepository(environ)(tmp_path / "worktree")
    found = ["--discovery", "devpy"] if discovery else ["--python", str(base.python)]
    result = virtualenv("--creator", "devpy", *found, ".venv", cwd=root, environ=environ)
    assert result.code != 0
    assert str(root / "devpy.toml") in result.err + result.out
    assert "base_conda_env" in result.err + result.out, "the template to paste"
    assert "Traceback" not in result.err
    assert not (root / ".venv").exists()


@pytest.mark.parametrize(
    ("toml", "word"),
    [
        ("[python", "devpy.toml"),
        ('[python]\nbase_conda_env = "no-such-env"\n', "no-such-env"),
        ('[python]\nbase_conda_env = "/nonexistent/prefix"\n', "/nonexistent/prefix"),
    ],
)
def test_broken_devpy_toml(tmp_path: Path, environ: Environ, toml: str, word: str) -> None:
    root = MakeRepository(environ)(tmp_path / "worktree", files={"devpy.toml": toml})
    result = virtualenv("--creator", "devpy", "--discovery", "devpy", ".venv", cwd=root, environ=environ)
    assert result.code != 0
    assert word in result.err + result.out
    assert "Traceback" not in result.err
    assert not (root / ".venv").exists()


def test_missing_other_config_file(tmp_path: Path, environ: Environ) -> None:
    root = MakeRepository(environ)(tmp_path / "worktree")
    options = ["--creator", "devpy", "--discovery", "devpy", "--devpy-config", "absent.toml"]
    result = virtualenv(*options, ".venv", cwd=root, environ=environ)
    assert result.code != 0
    assert "absent.toml" in result.err + result.out
    assert not (root / ".venv").exists()


def test_folder_that_is_not_devpys(tmp_path: Path, base: CondaEnvironment, environ: Environ) -> None:
    files = {"devpy.toml": TOML.format(base.name), "precious/file": "kept\n"}
    root = MakeRepository(environ)(tmp_path / "worktree", files=files)
    result = virtualenv("--creator", "devpy", "--discovery", "devpy", "precious", cwd=root, environ=environ)
    assert_refused(result, str(root / "precious"), "not made by devpy")
    assert os.listdir(root / "precious") == ["file"]


def test_clear_removes_nothing_of_somebody_else(tmp_path: Path, base: CondaEnvironment, environ: Environ) -> None:
    files = {"devpy.toml": TOML.format(base.name), "precious/file": "kept\n"}
    root = MakeRepository(environ)(tmp_path / "worktree", files=files)
    result = virtualenv("--creator", "devpy", "--discovery", "devpy", "--clear", "precious", cwd=root, environ=environ)
    assert os.listdir(root / "precious") == ["file"]
    assert_refused(result, str(root / "precious"), "not made by devpy")


# Everybody else's virtualenv.

# Runs virtualenv as if devpy were not installed, then tells what an import of devpy's plugin loads beyond that.
LOADED = """
import importlib.metadata, sys
from collections import OrderedDict
from virtualenv.run import session_via_cli
from virtualenv.run.plugin.base import PluginLoader

def others(cls, group):
    found = importlib.metadata.entry_points()
    found = found.select(group=group) if hasattr(found, "select") else found[group]
    return OrderedDict((entry.name, entry.load()) for entry in found if not entry.value.startswith("devpy"))

PluginLoader.entry_points_for = classmethod(others)
session_via_cli(["x", "--creator", "venv"])
before = set(sys.modules)
import {module}
print(*before)
print(*set(sys.modules) - before)
"""


@pytest.mark.parametrize("module", ["devpy_virtualenv_plugin.creator", "devpy_runner.discovery"])
def test_importing_the_plugin_loads_nothing_that_virtualenv_does_not(
    tmp_path: Path, environ: Environ, module: str
) -> None:
    result = run([sys.executable, "-c", LOADED.replace("{module}", module)], cwd=tmp_path, environ=environ)
    before, added = (set(line.split()) for line in result.out.splitlines())
    assert not [name for name in before if name.startswith("devpy")]
    assert module in added
    own = {"devpy_pip_guard", "devpy_pip_guard.errors", "devpy_virtualenv_plugin", "devpy_virtualenv_plugin.creator"}
    assert added <= own | {"devpy_runner", "devpy_runner.discovery"}


@pytest.mark.parametrize("toml", ["[python", TOML.format("no-such-env")])
def test_plain_virtualenv_knows_nothing_of_devpy(tmp_path: Path, environ: Environ, toml: str) -> None:
    (tmp_path / "devpy.toml").write_text(toml, encoding="utf-8")
    result = virtualenv("--no-seed", "other", cwd=tmp_path, environ=environ)
    assert result.code == 0
    assert "creator CPython3Posix" in result.out
    assert "devpy" not in (tmp_path / "other" / "pyvenv.cfg").read_text("utf-8").replace(str(tmp_path), "")
    assert not list((tmp_path / "other").rglob("*devpy*"))


def test_default_creator_on_a_conda_environment_is_unchanged(
    tmp_path: Path, base: CondaEnvironment, environ: Environ
) -> None:
    result = virtualenv("--no-seed", "--python", base.python, "other", cwd=tmp_path, environ=environ)
    assert result.code == 0
    assert "creator CPython3Posix" in result.out


def test_help_of_virtualenv_shows_the_option_once(tmp_path: Path, environ: Environ) -> None:
    plain = virtualenv("--help", cwd=tmp_path, environ=environ)
    assert plain.code == 0
    ours = virtualenv("--creator", "devpy", "--help", cwd=tmp_path, environ=environ)
    assert ours.code == 0
    assert ours.out.count("  --devpy-config ") == 1


# Scripts of the base.

TELL_TALE = """\
import sys
if "--help" in sys.argv:
    print("usage: %s [--help]" % sys.argv[0].rpartition("/")[2])
    raise SystemExit
if "--fail" in sys.argv:
    raise ValueError("it failed")
if "--exit" in sys.argv:
    sys.exit(7)
print(sys.argv[0], sys.path[0], __name__, sys.prefix, sys.argv[1:], sep="\\n")
"""


@pytest.fixture(scope="module")
def tool(root: Path, base: CondaEnvironment, environ: Environ) -> Iterator[Path]:
    """The program `base-tool` of the base, as it is in the overlay."""
    script = base.prefix / "bin" / "base-tool"
    header = f"#!{base.python}\n"
    script.write_text(header + TELL_TALE, encoding="utf-8")
    script.chmod(0o755)
    assert virtualenv("--creator", "devpy", "--discovery", "devpy", ".venv", cwd=root, environ=environ).code == 0
    yield root / ".venv/bin/base-tool"
    script.unlink()


def test_base_script_runs_on_the_overlays_python(tool: Path, root: Path) -> None:
    result = run([tool, "a b", "*", "", "é"], cwd=root, environ={})
    assert result.code == 0
    assert result.out.splitlines() == [
        str(tool),
        str(tool.parent),
        "__main__",
        str(root / ".venv"),
        "['a b', '*', '', 'é']",
    ]


def test_base_script_that_fails_shows_its_own_file(tool: Path, base: CondaEnvironment) -> None:
    result = run([tool, "--fail"], cwd=tool.parent, environ={})
    assert result.code == 1
    assert f'File "{base.prefix}/bin/base-tool", line ' in result.err
    assert 'raise ValueError("it failed")' in result.err


def test_base_script_exit_code_and_help(tool: Path, root: Path, environ: Environ) -> None:
    assert run([tool, "--exit"], cwd=root, environ={}).code == 7
    assert run([tool, "--help"], cwd=root, environ={}).out == "usage: base-tool [--help]\n"
    assert Devpy(environ)("base-tool", "--help", cwd=root).out == "usage: base-tool [--help]\n"
    on_path = {**environ, "PATH": f"{tool.parent}:{environ['PATH']}"}
    assert run(["base-tool", "--help"], cwd=root, environ=on_path).out == "usage: base-tool [--help]\n"
    assert run(["/bin/sh", "-c", "base-tool --exit"], cwd=root, environ=on_path).code == 7


def test_pytest_of_the_base_is_usable(root: Path) -> None:
    result = run([root / ".venv/bin/pytest", "--version"], cwd=root, environ={})
    assert result.code == 0, result.err
    (root.parent / "test_it.py").write_text("import sys\ndef test_it(): assert sys.prefix.endswith('.venv')\n")
    assert run([root / ".venv/bin/pytest", "-q", "test_it.py"], cwd=root.parent, environ={}).code == 0


@pytest.mark.parametrize(("name", "folder"), [("b" * 130, "w" * 130), ("b é", "w é")], ids=["long", "spaces"])
def test_base_scripts_with_difficult_paths(
    tmp_path: Path, make_conda_env: MakeCondaEnv, conda_env: CondaEnvironment, environ: Environ, name: str, folder: str
) -> None:
    base = make_conda_env.clone(conda_env, name)
    root = make_overlay(tmp_path / folder / "worktree", base, environ)
    for script in ("pytest", "pip"):
        assert (base.prefix / "bin" / script).read_text("utf-8").startswith("#!/bin/sh\n")
        result = run([root / ".venv/bin" / script, "--version"], cwd=root, environ={})
        assert result.code == 0
        assert result.out.startswith(script)
    (root / "test_it.py").write_text("import sys\ndef test_it(): assert sys.prefix.endswith('.venv')\n")
    assert Devpy(environ)("pytest", "-q", "test_it.py", cwd=root).code == 0
    assert python(root, "import pytest; print('works')", environ={"LC_ALL": "C"}) == "works"


def test_guard_holds_when_another_sitecustomize_comes_first(root: Path, tmp_path: Path, environ: Environ) -> None:
    (tmp_path / "sitecustomize.py").write_text("", encoding="utf-8")
    shutil.copytree(Path(__file__).parent.parent / "packages" / "self-built", tmp_path / "undeclared")
    hidden = {**environ, "PYTHONPATH": str(tmp_path)}
    for variables in (environ, hidden):
        command: list[str | Path] = [root / ".venv/bin/pip", "install", "--no-deps", "-e", tmp_path / "undeclared"]
        result = run(command, cwd=root, environ=variables)
        assert result.code == 1
        assert "is not declared" in result.err


def test_base_is_not_written_to(root: Path, base: CondaEnvironment, environ: Environ) -> None:
    required = {**environ, "PIP_REQUIRE_VIRTUALENV": "1"}
    result = subprocess.run(
        [root / ".venv/bin/pip", "uninstall", "--yes", "pytest"],
        cwd=root,
        env=required,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "outside environment" in result.stdout + result.stderr
    assert (base.site_packages / "pytest").is_dir()
